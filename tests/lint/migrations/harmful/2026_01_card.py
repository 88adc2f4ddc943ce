"""Cards, and a column less."""

import sqlalchemy as sa
from alembic import op

revision = "a1"
down_revision = None

OFF = "ALTER TABLE bank.trans DISABLE ROW LEVEL SECURITY"


def upgrade():
    # expect: RG514
    op.create_table(
        "card",
        sa.Column("card_id", sa.Integer, primary_key=True),
        sa.Column("disp_id", sa.Integer, sa.ForeignKey("bank.disp.disp_id")),
        schema="bank",
    )
    # expect: RG515
    op.drop_column("disp", "client_id", schema="bank")
    # expect: RG501
    op.execute(OFF)
    op.execute(
        """
        UPDATE bank.trans SET amount = 0 WHERE amount IS NULL;
        -- expect: RG502
        DROP POLICY "rlsguard baseline" ON bank.trans
        """
    )
    with op.batch_alter_table("disp", schema="bank") as batch:
        # expect: RG517
        batch.drop_constraint("disp_client", type_="foreignkey")
    # expect: RG590
    op.execute(sa.text(build()))


def build():
    return "SELECT 1"


def downgrade():
    op.execute("DROP TABLE bank.client CASCADE")

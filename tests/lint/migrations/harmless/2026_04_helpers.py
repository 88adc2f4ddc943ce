"""Functions of a revision, and one of them that only takes it back."""

from alembic import op

revision = "b4"
down_revision = "b2"


def run(statement: str, *, times: int = 1) -> None:
    op.execute(statement)


def back(statement: str) -> None:
    op.execute(statement)


def table_of(number: int) -> str:
    return f"trans_{number}"


def upgrade() -> None:
    run("CREATE INDEX trans_amount ON bank.trans (amount)", times=2)
    for table, column in (("trans", "amount"), ("account", "opened")):
        run(f"COMMENT ON COLUMN bank.{table}.{column} IS 'as booked'")
    statement = "ALTER TABLE bank.trans DISABLE ROW LEVEL SECURITY"
    statement = "ANALYZE bank.trans"
    run(statement)


def downgrade() -> None:
    for table in ("trans", "disp"):
        back(f"ALTER TABLE bank.{table} DISABLE ROW LEVEL SECURITY")

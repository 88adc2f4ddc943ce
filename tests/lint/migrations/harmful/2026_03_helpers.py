"""What is handed to functions of the revision, and by these to execute()."""

from inspect import cleandoc
from textwrap import dedent

from alembic import op

revision = "a3"
down_revision = "a1"


def run(statement):
    op.get_bind().exec_driver_sql(statement)


def off(table, schema="bank"):
    run(f"ALTER TABLE {schema}.{table} DISABLE ROW LEVEL SECURITY")


def several(*statements):
    for statement in statements:
        run(statement)


def upgrade():
    def each(statements, /, *, quietly=True):
        if not quietly:
            print(len(statements))
        several(*statements)

    # expect: RG501
    run("ALTER TABLE bank.trans DISABLE ROW LEVEL SECURITY")
    # expect: RG501
    off("client")
    off("branch")
    several(
        "UPDATE bank.trans SET amount = 0 WHERE amount IS NULL",
        # expect: RG502
        'DROP POLICY "rlsguard baseline" ON bank.trans',
        dedent(
            """
            SELECT 1;
            -- expect: RG518
            TRUNCATE bank.trans
            """
        ).strip(),
    )
    each(
        [
            # expect: RG523
            "ALTER FUNCTION f() LEAKPROOF",
            cleandoc("""ANALYZE bank.trans;
                -- expect: RG507
                ALTER ROLE campaign_app BYPASSRLS
            """),
        ]
    )
    # expect: RG590
    several(*made())
    for statement in (
        # expect: RG520
        "CREATE PUBLICATION feed FOR ALL TABLES",
    ):
        op.execute(statement)
    execute = op.execute
    # expect: RG505
    execute("REASSIGN OWNED BY bank_owner TO app")


def made():
    return ["SELECT 1"]

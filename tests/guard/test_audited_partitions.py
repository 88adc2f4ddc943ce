"""Owners go on adding partitions to audited tables; nobody else gets hold of what the audit is made of."""

from __future__ import annotations

import psycopg
import pytest
from psycopg.sql import SQL

from guarding import BANK, BANK_MAP, apply, column
from rlsguard.names import Name
from rlsguard.uninstall import uninstall
from servers import dump

AUDITED = BANK_MAP.replace("  bank.trans:\n    {holds", "  bank.trans:\n    {audit: true, holds")
TREE = """
DROP TABLE bank.trans;
CREATE TABLE bank.trans (trans_id int NOT NULL, account_id int NOT NULL, amount numeric) PARTITION BY RANGE (trans_id);
CREATE TABLE bank.mid PARTITION OF bank.trans FOR VALUES FROM (0) TO (1000) PARTITION BY RANGE (trans_id);
"""
OWNER = 'The "Owner"'
ADDED = "CREATE TABLE bank.low PARTITION OF bank.mid FOR VALUES FROM (0) TO (100)"
# What CREATE TRIGGER on a table of one's own takes, but for the right to the function.
JUNK = (
    "CREATE TABLE pg_temp.junk (word text); CREATE TRIGGER t AFTER INSERT ON pg_temp.junk"
    " FOR EACH ROW EXECUTE FUNCTION rlsguard.audit_change(); INSERT INTO pg_temp.junk VALUES ('made up')"
)
MAY = """
    SELECT r.rolname::text FROM pg_roles AS r
    WHERE has_function_privilege(r.oid, 'rlsguard.audit_change()', 'EXECUTE')
      AND has_function_privilege(r.oid, 'rlsguard.hand_over_role()', 'EXECUTE')
      AND NOT r.rolsuper AND r.rolname !~ '^rlsguard_'
"""


def owned_by(owner: str) -> SQL:
    return SQL("ALTER TABLE bank.trans OWNER TO {0}; ALTER TABLE bank.mid OWNER TO {0}").format(Name(owner))


@pytest.fixture
def bank(db):
    with db.connect() as conn:
        conn.execute(BANK + TREE)
        conn.execute(SQL("CREATE ROLE {0} LOGIN; GRANT USAGE, CREATE ON SCHEMA bank TO {0}").format(Name(OWNER)))
        conn.execute(owned_by(OWNER))
    return db


def test_the_owner_adds_and_attaches_partitions_that_are_audited_at_once(bank):
    apply(bank, AUDITED)
    with bank.connect(OWNER) as conn:
        conn.execute(ADDED)
        conn.execute("CREATE TABLE bank.high (LIKE bank.trans); INSERT INTO bank.high VALUES (1500, 20, 1)")
        conn.execute("ALTER TABLE bank.trans ATTACH PARTITION bank.high FOR VALUES FROM (1000) TO (2000)")
        conn.execute("INSERT INTO bank.trans VALUES (1, 10, 1); UPDATE bank.high SET amount = 2")
    assert bank.execute("SELECT table_name, operation, session_role FROM rlsguard.change_event ORDER BY id") == [
        ("bank.low", "INSERT", OWNER),
        ("bank.high", "UPDATE", OWNER),
    ]
    assert {str(c) for c in apply(bank, AUDITED).changes} == {
        f"create {what} bank.{partition}" for what in ("protect", "audit") for partition in ("high", "low")
    }
    assert apply(bank, AUDITED).changes == ()


def test_nobody_else_writes_into_the_audit(bank):
    apply(bank, AUDITED)
    assert column(bank, MAY) == [OWNER]
    # Who may look into the schema finds the function, too.
    bank.execute("GRANT rlsguard_recorder TO stranger")
    with bank.connect("stranger") as conn, pytest.raises(psycopg.errors.InsufficientPrivilege, match="audit_change"):
        conn.execute(JUNK)
    with bank.connect(OWNER) as conn, pytest.raises(psycopg.errors.InsufficientPrivilege, match="schema rlsguard"):
        conn.execute(JUNK)


def test_tables_without_partitions_need_no_right(bank):
    bank.execute(SQL("ALTER TABLE bank.client OWNER TO {}").format(Name(OWNER)))
    apply(bank, BANK_MAP.replace("  bank.client: {holds", "  bank.client: {audit: true, holds"))
    assert column(bank, MAY) == []


def test_the_right_goes_with_the_table_to_another_owner_and_with_the_audit(bank):
    apply(bank, AUDITED)
    bank.execute(SQL("CREATE ROLE successor LOGIN; GRANT USAGE, CREATE ON SCHEMA bank TO successor"))
    bank.execute(owned_by("successor"))
    apply(bank, AUDITED)
    assert column(bank, MAY) == ["successor"]
    assert apply(bank, AUDITED).changes == ()
    bank.execute("ALTER ROLE successor RENAME TO heir")
    apply(bank, AUDITED)
    assert column(bank, MAY) == ["heir"]
    assert apply(bank, AUDITED).changes == ()
    with bank.connect("heir") as conn:
        conn.execute(ADDED)
    apply(bank, BANK_MAP)
    assert column(bank, MAY) == []
    assert apply(bank, BANK_MAP).changes == ()


def test_the_right_goes_when_the_table_is_dropped(bank):
    apply(bank, AUDITED)
    bank.execute("DROP TABLE bank.trans")
    smaller = AUDITED.split("  bank.trans:")[0]
    apply(bank, smaller)
    assert column(bank, MAY) == []
    assert apply(bank, smaller).changes == ()


@pytest.mark.parametrize(
    ("sabotage", "mended"),
    [
        ("REVOKE EXECUTE ON FUNCTION rlsguard.audit_change() FROM {}", {"audit bank.mid", "audit bank.trans"}),
        ("GRANT EXECUTE ON FUNCTION rlsguard.audit_change() TO PUBLIC -- {}", {"guard 080_change_event.sql"}),
    ],
)
def test_a_right_that_was_changed_by_hand_is_put_right(bank, sabotage, mended):
    apply(bank, AUDITED)
    bank.execute(SQL(sabotage).format(Name(OWNER)))
    assert {str(change) for change in apply(bank, AUDITED).changes} == {f"replace {unit}" for unit in mended}
    assert column(bank, MAY) == [OWNER]
    assert apply(bank, AUDITED).changes == ()


def test_uninstall_takes_the_rights_away(bank):
    before = dump(bank)
    apply(bank, AUDITED)
    with bank.connect() as conn:
        uninstall(conn, drop_ledger=True)
    assert dump(bank) == before

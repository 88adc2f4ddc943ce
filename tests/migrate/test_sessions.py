"""Whoever runs a migration, and however the session is set: what is made is the guard's, and nobody stays a member."""

from __future__ import annotations

import pytest
from psycopg.sql import SQL

from guarding import ALL, BANK_MAP, WITHOUT_1, column, opt_out, small_bank, visible
from migrate.chain import bank_of
from migrate.migrating import down, files, migration, psql_fails, state, up, would_change
from rlsguard.names import Name

pytestmark = pytest.mark.by_turns

# Who can act as the guard. From 16 on whoever made a role keeps the right to let itself in.
MEMBERS = """
SELECT DISTINCT m.member::regrole::text FROM pg_auth_members AS m
CROSS JOIN LATERAL to_jsonb(m) AS j (its)
WHERE m.roleid = ANY (ARRAY['rlsguard_owner', 'rlsguard_nobody']::regrole[])
  AND NOT j.its @> '{"set_option": false, "inherit_option": false}'
"""


@pytest.fixture
def bank(template_db):
    """The tables are dba's, as whom deployer works."""
    db = bank_of(template_db, "dba")
    db.execute("CREATE ROLE deployer LOGIN; GRANT dba TO deployer")
    return db


def test_a_role_that_is_only_set_is_refused(bank):
    """The statements reset the role, and the one that was let in as the guard would not be the one that leaves it."""
    before = state(bank)
    written = migration(bank, BANK_MAP, user="dba")
    error = psql_fails(bank, "SET ROLE dba;\n" + files(written)[0], user="deployer")
    assert "SET ROLE dba does not last through these statements" in error
    assert "ALTER ROLE deployer SET role = dba, or the connection option -c role=dba" in error
    assert state(bank) == before
    up(bank, written, user="dba")
    error = psql_fails(bank, "SET ROLE dba;\n" + files(written)[1], user="deployer")
    assert "SET ROLE dba does not last through these statements" in error
    assert column(bank, MEMBERS) == []


@pytest.mark.parametrize("way", ["option", "role"])
def test_a_role_that_the_session_begins_with_will_do(bank, monkeypatch, way):
    written = migration(bank, BANK_MAP, user="dba")
    if way == "option":
        monkeypatch.setenv("PGOPTIONS", "-c role=dba")
    else:
        bank.execute("ALTER ROLE deployer SET role = dba")
    up(bank, written, user="deployer")
    monkeypatch.undo()
    assert column(bank, MEMBERS) == []
    opt_out(bank, 1, "marketing")
    assert visible(bank, "campaign_app") == WITHOUT_1
    down(bank, written, user="dba")
    assert column(bank, MEMBERS) == []
    assert visible(bank, "campaign_app") == ALL


@pytest.mark.parametrize(
    "setting",
    [
        "client_encoding = 'LATIN1'",
        "search_path = bank",
        "standard_conforming_strings = off",
        "default_transaction_isolation = serializable",
        "session_replication_role = replica",
        "quote_all_identifiers = on",
    ],
)
def test_whatever_the_database_is_set_to(template_db, setting):
    db = small_bank(template_db, more='ALTER TABLE bank.trans RENAME TO "Über\\wei\'sung"')
    db.execute(SQL("ALTER DATABASE {} SET " + setting).format(Name(db.name)))
    text = BANK_MAP.replace("  bank.trans:", "  'bank.\"Über\\wei''sung\"':").replace("Campaigns", r"'\für ''Ämter'''")
    before = state(db)
    written = migration(db, text)
    up(db, written)
    after = state(db)
    assert would_change(db, text) == []
    assert ("marketing", True, "\\für 'Ämter'") in after["purpose"]
    down(db, written)
    assert state(db) == before
    up(db, written)
    assert state(db) == after

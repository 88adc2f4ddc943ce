"""Migrations of the corpus that are run: what lint says of them is so. Without them nothing of the kind is seen."""

from __future__ import annotations

from contextlib import suppress

import psycopg
import pytest

from guarding import WITHOUT_1, load, opt_out, small_bank, visible
from lint.reading import CORPUS, MAP, read
from rlsguard.check import check
from servers import Clone, Database

# What a role sees of client 1, who opted out of it: zero, or an error, before the migration.
SEEN = {
    "V01__round_amounts.sql": ("campaign_app", "SELECT count(*) FROM bank.trans WHERE account_id = 10"),
    "V03__all_tables.sql": ("campaign_app", "SELECT count(*) FROM bank.client WHERE client_id = 1"),
    "V04__old_policies.sql": ("campaign_app", "SELECT count(*) FROM bank.client WHERE client_id = 1"),
    "V08__import.sql": ("campaign_app", "SELECT count(*) FROM bank.trans WHERE account_id = 10"),
    "V14__statement_view.sql": ("campaign_app", "SELECT count(*) FROM bank.statement WHERE client_id = 1"),
    "V15__totals.sql": ("campaign_app", "SELECT count(*) FROM bank.spending WHERE client_id = 1"),
    "V16__snapshot.sql": ("campaign_app", "SELECT count(*) FROM bank.client_2026 WHERE client_id = 1"),
    "V17__statement_function.sql": ("campaign_app", "SELECT count(*) FROM bank.amounts(10)"),
    "V18__letters.sql": ("campaign_app", "SELECT count(*) FROM bank.letter WHERE client_id = 1"),
    "V21__fresh_start.sql": ("campaign_app", "SELECT count(*) FROM bank.account WHERE account_id = 10"),
    "V22__no_foreign_keys.sql": ("campaign_app", "SELECT count(*) FROM bank.trans WHERE account_id = 10"),
    "V23__merge_clients.sql": ("campaign_app", "SELECT count(*) FROM bank.trans WHERE account_id = 10"),
    "V24__archive.sql": ("campaign_app", "SELECT count(*) FROM bank.trans_archive WHERE account_id = 10"),
    "V31__by_hand.sql": ("campaign_app", "SELECT count(*) FROM bank.trans WHERE account_id = 10"),
    "V32__upsert.sql": ("campaign_app", "SELECT count(*) FROM bank.trans WHERE account_id = 10"),
    "V10__exempt_campaigns.sql": ("campaign_app", "SELECT count(*) FROM bank.client WHERE client_id = 1"),
}
# What check reports of a database after the migration; before it, nothing.
REPORTED = {
    "V02__owner_reports.sql": "RG104 row security bank.client",
    "V05__first_policy.sql": 'RG204 policy " audit" on bank.trans',
    "V12__roles.sql": "RG212 role campaign_app",
    "V25__feed.sql": "RG206 publication feed",
    "V26__rights.sql": "RG211 TRUNCATE of bi_reader, campaign_app on bank.disp",
}

KINDS = sorted({one.split(" ", 1)[0] for one in REPORTED.values()})


def run(db: Database, name: str) -> None:
    """Run a migration as its owner does, without what only psql reads."""
    text = (CORPUS / "harmful" / name).read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if not line.startswith(("\\", "COPY "))]
    db.execute("\n".join(lines))


def guarded(template_db: Clone) -> Database:
    db = small_bank(template_db, MAP)
    opt_out(db, 1, "marketing")
    assert visible(db, "campaign_app") == WITHOUT_1
    return db


def reported(db: Database) -> list[str]:
    with db.connect() as conn:
        return [one.key for one in check(conn, load(MAP), only=KINDS).findings]


@pytest.mark.parametrize("name", SEEN)
def test_it_shows_who_opted_out(template_db: Clone, name: str) -> None:
    db = guarded(template_db)
    role, query = SEEN[name]
    # What the migration makes is not there yet.
    missing = (psycopg.errors.UndefinedTable, psycopg.errors.UndefinedFunction)
    with db.connect(role) as conn, suppress(*missing):
        assert conn.execute(query).fetchall() == [(0,)]
    run(db, name)
    with db.connect(role) as conn:
        ((seen,),) = conn.execute(query).fetchall()
    assert seen > 0
    assert read(CORPUS / "harmful" / name).fails


@pytest.mark.by_turns
@pytest.mark.parametrize("name", REPORTED)
def test_check_reports_it_when_it_is_too_late(template_db: Clone, name: str) -> None:
    db = guarded(template_db)
    assert REPORTED[name] not in reported(db)
    run(db, name)
    assert REPORTED[name] in reported(db)


def test_triggers_that_are_off_record_nothing(template_db: Clone) -> None:
    db = guarded(template_db)
    count = "SELECT count(*) FROM rlsguard.change_event"
    db.execute("UPDATE bank.trans SET amount = amount * 1.01")
    ((before,),) = db.execute(count)
    assert before == 3
    run(db, "V07__bulk_load.sql")
    assert db.execute(count) == [(before,)]


def test_a_role_of_others_is_become(template_db: Clone) -> None:
    db = guarded(template_db)
    query = "SELECT count(*) FROM bank.client WHERE client_id = 1"
    with db.connect("campaign_app") as conn, pytest.raises(psycopg.errors.InsufficientPrivilege):
        conn.execute("SET ROLE teller_app")
    db.execute("GRANT teller_app TO campaign_app")
    with db.connect("campaign_app") as conn:
        assert conn.execute(query).fetchall() == [(0,)]
        conn.execute("SET ROLE teller_app")
        assert conn.execute(query).fetchall() == [(1,)]


def test_an_owner_switches_row_security_off(template_db: Clone) -> None:
    db = guarded(template_db)
    off = "ALTER TABLE bank.trans DISABLE ROW LEVEL SECURITY"
    with db.connect("campaign_app") as conn, pytest.raises(psycopg.errors.InsufficientPrivilege):
        conn.execute(off)
    db.execute("ALTER TABLE bank.trans OWNER TO campaign_app")
    with db.connect("campaign_app") as conn:
        conn.execute(off)
        assert conn.execute("SELECT count(*) FROM bank.trans").fetchall() == [(3,)]


def test_what_cascade_takes_along_shows_nothing_to_anybody(template_db: Clone) -> None:
    db = guarded(template_db)
    assert visible(db, "teller_app")["trans"] == [1000, 1001, 1002]
    run(db, "V19__holders.sql")
    with db.connect("teller_app") as conn:
        assert conn.execute("SELECT count(*) FROM bank.trans").fetchall() == [(0,)]


def test_harmless_ones_run_and_nobody_sees_more(template_db: Clone) -> None:
    """Those of the corpus that need nothing which the small bank has not."""
    db = guarded(template_db)
    for name in ("V02__columns", "V05__invoker_views", "V06__whole_bank", "V07__rights", "V12__work_table"):
        db.execute((CORPUS / "harmless" / f"{name}.sql").read_text(encoding="utf-8"))
    with db.connect("campaign_app") as conn:
        assert conn.execute("SELECT count(*) FROM bank.trans WHERE account_id = 10").fetchall() == [(0,)]
        assert conn.execute("SELECT count(*) FROM bank.client WHERE client_id = 1").fetchall() == [(0,)]


def test_the_corpus_has_what_is_run_here() -> None:
    assert all((CORPUS / "harmful" / name).is_file() for name in (*SEEN, *REPORTED))
    assert len(SEEN) + len(REPORTED) >= 8

"""A dump of a guarded database, restored elsewhere, is guarded too, and can be taken care of as if made there."""

from __future__ import annotations

import subprocess

import pytest

from guarding import ALL, BANK, BANK_MAP, WITHOUT_1, apply, column, opt_in, opt_out, visible
from rlsguard.uninstall import uninstall
from servers import Database, dump

AUDITED = BANK_MAP.replace("  bank.client: {holds", "  bank.client: {audit: true, holds")


@pytest.fixture
def restored(db, server):
    with db.connect() as conn:
        conn.execute(BANK)
        # One that had row security of its own, and must keep it.
        conn.execute("ALTER TABLE bank.disp ENABLE ROW LEVEL SECURITY; CREATE POLICY p ON bank.disp USING (true)")
    before = dump(db)
    apply(db, AUDITED)
    opt_out(db, 1, "marketing")
    with server.database() as copy:
        restore(db, copy)
        yield copy, before


def restore(db: Database, copy: Database) -> None:
    bindir = db.server.bindir
    archive = subprocess.run([bindir / "pg_dump", "-Fc", "-d", db.dsn()], check=True, capture_output=True).stdout
    # Tables get other OIDs, and in another order.
    subprocess.run([bindir / "pg_restore", "--exit-on-error", "-d", copy.dsn()], input=archive, check=True)


def test_a_restored_database_is_guarded_before_anybody_touches_it(restored):
    copy, _ = restored
    assert visible(copy, "campaign_app") == WITHOUT_1
    assert visible(copy, "teller_app") == ALL
    opt_in(copy, 1, "marketing")
    assert visible(copy, "campaign_app") == ALL
    assert column(copy, "SELECT version FROM rlsguard.opt_out_event") == [1, 2]


def test_a_restored_database_can_be_applied_to(restored):
    copy, _ = restored
    assert {str(change).split()[0] for change in apply(copy, AUDITED).changes} == {"replace"}
    assert apply(copy, AUDITED).changes == ()
    assert visible(copy, "campaign_app") == WITHOUT_1


@pytest.mark.parametrize("applied", [False, True])
def test_uninstall_finds_the_tables_of_a_restored_database(restored, applied):
    copy, before = restored
    if applied:
        apply(copy, AUDITED)
    with copy.connect() as conn:
        uninstall(conn, drop_ledger=True)
    assert dump(copy) == before

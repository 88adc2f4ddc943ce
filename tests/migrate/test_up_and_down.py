"""Along a chain of maps each migration leads to what an apply makes, and back to what was there before."""

from __future__ import annotations

import psycopg
import pytest

from guarding import ALL, BANK_MAP, HEAD, WITHOUT_1, column, opt_in, opt_out, small_bank, visible
from migrate.chain import bank_of, chain, leaps
from migrate.migrating import down, findings, migration, state, up, would_change
from rlsguard.migrate import Migration
from rlsguard.server import SUPERUSER
from seal.sealing import Log
from servers import dump

pytestmark = pytest.mark.by_turns

AUDITED = BANK_MAP.replace("  bank.client: {holds", "  bank.client: {audit: true, holds")


@pytest.mark.parametrize(
    ("user", "of", "one_transaction"), [(SUPERUSER, 1, False), ("dba", 3, False), (SUPERUSER, 7, True)]
)
def test_all_the_way_and_back(template_db, user, of, one_transaction):
    db = bank_of(template_db, user)
    links = leaps(chain(events=user == SUPERUSER), of)
    way: list[tuple[str, dict[str, object], Migration]] = []
    for number, link in enumerate(links):
        written = migration(db, link.map, user=user, prune=link.prune, one_transaction=one_transaction)
        way.append((link.why, state(db), written))
        assert bool(written) is link.changes
        up(db, written, user=user)
        assert would_change(db, link.map, user=user) == [], link.why
        # The judge makes it all anew elsewhere, and so takes a second each time.
        if number % 5 == 4 or link is links[-1]:
            assert findings(db, link.map) == [], link.why
    for why, before, written in reversed(way):
        down(db, written, user=user)
        after = state(db)
        for part, rows in before.items():
            assert after[part] == rows, f"{why}: {part}"
        assert after.keys() == before.keys(), why
    assert column(db, "SELECT rolname::text FROM pg_roles WHERE rolname ~ '^rlsguard'") == []


@pytest.mark.parametrize("anew", [False, True], ids=["the same file", "written anew"])
def test_opt_outs_outlive_the_guard(template_db, tmp_path, anew):
    """They are in force again as soon as it is there again, and the log goes on."""
    db = small_bank(template_db)
    bare = dump(db)
    log = Log(db, tmp_path)
    written = migration(db, AUDITED)
    up(db, written)
    opt_out(db, 1, "marketing")
    opt_out(db, 3, "marketing")
    opt_in(db, 3, "marketing")
    db.execute("UPDATE bank.client SET birth_number = 'other' WHERE client_id = 2")
    log.seal()
    entries = db.execute("SELECT * FROM rlsguard.opt_out_event ORDER BY id")
    before = state(db)

    down(db, written)
    assert visible(db, "campaign_app") == ALL
    assert dump(db, "--exclude-schema=rlsguard") == bare
    assert db.execute("SELECT * FROM rlsguard.opt_out_event ORDER BY id") == entries
    for kept in ("opt_out_event", "change_entry", "log_leaf"):
        with db.connect() as conn, pytest.raises(psycopg.errors.Error, match="it only grows"):
            conn.execute(f"DELETE FROM rlsguard.{kept}")
    if anew:
        written = migration(db, AUDITED)
    up(db, written)
    assert state(db) == before
    assert visible(db, "campaign_app") == WITHOUT_1
    assert visible(db, "teller_app") == ALL
    opt_out(db, 1, "marketing")
    assert column(db, "SELECT version FROM rlsguard.opt_out_event") == [1, 1, 2, 2]
    log.seal()
    assert log.verify().wrong == ()


def test_a_kind_of_person_that_went_and_comes_back_by_the_way_down(template_db):
    """Its state is made anew from the ledger."""
    db = small_bank(template_db, BANK_MAP)
    opt_out(db, 1, "marketing")
    before = state(db)
    text = HEAD.replace("client: {", "customer: {")
    tables = ("client", "disp", "account", "trans")
    written = migration(db, text, prune=tuple(f"bank.{table}" for table in tables), release=("client",))
    up(db, written)
    assert visible(db, "campaign_app") == ALL
    assert db.execute("SELECT to_regclass('rlsguard.opt_out_client')") == [(None,)]
    down(db, written)
    assert state(db) == before
    assert visible(db, "campaign_app") == WITHOUT_1

"""However many tables there are: a check asks as many questions, an apply asks of each only its own policies."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest

from guarding import BANK, HEAD, TABLES, apply, load
from rlsguard.check import check
from servers import Database

pytestmark = pytest.mark.by_turns

ENTRY = "  bank.t{}: {{holds: [financial], subject: {{client: client_id}}, when_unknown: hide, audit: true}}\n"
SCANS = "SELECT seq_scan FROM pg_stat_sys_tables WHERE relid = 'pg_policy'::regclass"


def make(db: Database, number: int) -> None:
    for one in range(number):
        db.execute(f"CREATE TABLE IF NOT EXISTS bank.t{one} (client_id int)")


def map_of(number: int) -> str:
    return HEAD + TABLES + "".join(ENTRY.format(one) for one in range(number))


def test_the_number_of_queries_does_not_grow(db: Database) -> None:
    sent: list[object] = []

    class Counting(psycopg.Cursor[Any]):
        def execute(self, query, params=None, **kwargs):  # type: ignore[no-untyped-def]
            sent.append(query)
            return super().execute(query, params, **kwargs)

    db.execute(BANK)
    counts = []
    for number in (1, 12):
        make(db, number)
        apply(db, map_of(number))
        with db.connect(cursor_factory=Counting) as conn:
            sent.clear()
            assert check(conn, load(map_of(number))).findings == ()
            counts.append(len(sent))
    assert counts == [counts[0]] * 2


def scans(db: Database) -> int:
    """Return how often all policies of the database have been read by now."""
    db.execute("SELECT pg_stat_force_next_flush()")
    ((number,),) = db.execute(SCANS)
    return int(number)


def test_a_table_is_not_looked_for_among_all_policies(db: Database) -> None:
    # The planner knows that there are none, where it has looked; thousands come within the same transaction.
    db.execute(BANK)
    db.execute("ANALYZE pg_policy")
    make(db, 50)
    before = scans(db)
    apply(db, map_of(50))
    assert scans(db) - before < 25

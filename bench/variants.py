"""The ways to keep opt-outs that are compared, each in a database of its own with the same rows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import psycopg

from rlsguard import datamap
from rlsguard.apply import apply
from rlsguard.datamap.model import Audit, Reads

Connection = psycopg.Connection[Any]

_FOLDER = Path(__file__).parent
MAP = datamap.load(_FOLDER / "map.yaml")
_OPTED_OUT = """
INSERT INTO bank.opt_out SELECT customer_id, 'marketing' FROM bank.customers
WHERE abs(hashint4(customer_id + 11)::bigint) %% 100 < %s ON CONFLICT DO NOTHING
"""
_RECORDED = """
SELECT rlsguard.record_batch(
    'opt_out', 'customer', array_agg(key), array_fill('marketing'::text, ARRAY[count(*)::int]),
    array_fill('bench'::text, ARRAY[count(*)::int]), array_fill(NULL::text, ARRAY[count(*)::int]),
    array_fill('{}'::jsonb, ARRAY[count(*)::int]), array_fill(NULL::timestamptz, ARRAY[count(*)::int])
)
FROM (
    SELECT customer_id::text AS key FROM bank.customers
    WHERE abs(hashint4(customer_id + 11)::bigint) %% 100 < %s
    EXCEPT
    SELECT subject_key::text FROM rlsguard.opt_out_customer
) AS missing
HAVING count(*) > 0
"""


def script(name: str) -> Callable[[Connection], None]:
    """Return what sets a variant up from an SQL file."""
    return lambda conn: _run(conn, (_FOLDER / name).read_text(encoding="utf-8"))


def _run(conn: Connection, text: str) -> None:
    conn.execute(text.encode())


def _rlsguard(*, audit: bool = False, reads: Reads = "lookups") -> Callable[[Connection], None]:
    def set_up(conn: Connection) -> None:
        tables = {
            name: replace(
                entry,
                reads=reads,
                audit=Audit((), (), entry.location) if audit and name.name == "payments" else None,
            )
            for name, entry in MAP.tables.items()
        }
        apply(conn, replace(MAP, tables=tables))

    return set_up


@dataclass(frozen=True)
class Variant:
    """A way to keep opt-outs.

    Attributes:
        set_up: makes it in a database that has the rows.
        opt_out: query with one parameter: lets so many percent of the customers opt out.
        by_hand: its queries carry the anti-join themselves.
    """

    name: str
    set_up: Callable[[Connection], None]
    opt_out: str = _OPTED_OUT
    by_hand: bool = False


NO_POLICY = Variant("no policy", lambda conn: None)
BY_HAND = Variant("by hand", lambda conn: None, by_hand=True)
DEFINER = Variant("definer function", script("definer.sql"))
NOT_EXISTS = Variant("NOT EXISTS", script("not_exists.sql"))
RLSGUARD = Variant("rlsguard", _rlsguard(), _RECORDED)
SCANS = Variant("rlsguard, scans", _rlsguard(reads="scans"), _RECORDED)

READERS = (NO_POLICY, BY_HAND, DEFINER, NOT_EXISTS, RLSGUARD, SCANS)

ROW_AUDIT = Variant("no policy, row audit", script("row_audit.sql"))
RLSGUARD_AUDIT = Variant("rlsguard, audit", _rlsguard(audit=True), _RECORDED)

WRITERS = (NO_POLICY, DEFINER, NOT_EXISTS, RLSGUARD, ROW_AUDIT, RLSGUARD_AUDIT)

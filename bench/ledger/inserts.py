"""What an audit adds to a bulk insert, and how much room it takes afterwards."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

from bench.ledger.audits import AUDITS, Audit
from bench.ledger.scene import Scene
from bench.measure import take_turns, timed
from bench.variants import Connection
from rlsguard.server import SUPERUSER

ROWS = 200_000

_TABLES = {"bare": "primary key", "keyed": "primary key, foreign key, index"}
_INSERT = """
INSERT INTO bank.{}
SELECT i, i % 4500, i * 1.5, date '2026-01-01' + i % 300, 'credit', 'payment for an order'
FROM generate_series({}, {}) AS i
"""
# Whatever the audits call their tables.
_ROOM = """
SELECT coalesce(sum(pg_total_relation_size(oid)), 0)::bigint FROM pg_class
WHERE relkind = 'r' AND relnamespace::regnamespace::text IN ('audit', 'rlsguard')
"""


@dataclass(frozen=True)
class Inserting:
    """Seconds to insert `ROWS` rows into a table, and bytes that the audit of it takes, by audit."""

    table: str
    seconds: dict[Audit, float]
    room: dict[Audit, int]


def insert(scene: Scene, say: Callable[[str], None]) -> Iterator[Inserting]:
    """Measure an insert in one statement into each table, empty."""
    for table, keys in _TABLES.items():
        say(f"PostgreSQL {scene.major}: insert of {ROWS:,} rows, {keys}")
        room: dict[Audit, int] = {}
        yield Inserting(
            keys, take_turns({audit: partial(_insert, scene, audit, table, room) for audit in AUDITS}), room
        )


def _insert(scene: Scene, audit: Audit, table: str, room: dict[Audit, int]) -> float:
    with scene.copy(audit) as name, scene.connect(name) as conn, scene.connect(name, SUPERUSER) as owner:
        before = _room(owner)
        # What only a new session does.
        conn.execute(_INSERT.format(table, 0, 0).encode())
        seconds = timed(lambda: conn.execute(_INSERT.format(table, 1, ROWS).encode()))
        room[audit] = _room(owner) - before
    return seconds


def _room(conn: Connection) -> int:
    ((taken,),) = conn.execute(_ROOM).fetchall()
    return int(taken)

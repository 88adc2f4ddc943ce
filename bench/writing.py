"""What a bulk insert costs under each variant's policy, and with an audit trigger."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from bench.databases import Databases
from bench.measure import take_turns, timed
from bench.variants import WRITERS, Connection

ROWS = 50_000

# Payments of customers whom the writer may see, as many of each as come up.
_INSERT = """
INSERT INTO bank.payments
SELECT 100000000 + i, people.ids[1 + i %% cardinality(people.ids)], i, date '2026-01-01', 'payment for an order'
FROM (SELECT array_agg(customer_id) AS ids FROM bank.customers WHERE customer_id <= 2000) AS people,
     generate_series(1, %s) AS i
"""


@dataclass(frozen=True)
class Writing:
    """Seconds to insert `ROWS` rows, by variant."""

    major: int
    seconds: dict[str, float]


def write(databases: Databases, say: Callable[[str], None]) -> Writing:
    """Measure a bulk insert of nobody's rows who opted out; every insert is rolled back."""
    say(f"PostgreSQL {databases.major}: insert of {ROWS:,} rows")
    with databases.readers(WRITERS) as connections:
        seconds = take_turns({variant.name: _inserter(conn) for variant, conn in connections.items()})
    return Writing(databases.major, seconds)


def _inserter(conn: Connection) -> Callable[[], float]:
    def insert() -> float:
        with conn.transaction(force_rollback=True):
            return timed(lambda: conn.execute(_INSERT.encode(), [ROWS]))

    return insert

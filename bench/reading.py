"""How fast each variant reads, at several rates of opt-outs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any

import psycopg

from bench.databases import Databases
from bench.measure import take_turns, timed
from bench.queries import QUERIES, Query
from bench.variants import BY_HAND, NO_POLICY, READERS, Connection, Variant

# Look-ups in a run: enough for one to be measured in microseconds.
_LOOKUPS = 500
# Seconds after which a query is given up.
TOO_LONG = 60


@dataclass(frozen=True)
class Reading:
    """Seconds of one query (for a look-up: of one look-up), by variant."""

    major: int
    workers: int
    rate: int
    query: str
    seconds: dict[str, float]

    def ratio(self, variant: str, to: str) -> float:
        """Return how many times as long *variant* takes."""
        return self.seconds[variant] / self.seconds[to]


class WrongAnswerError(Exception):
    """Variants that should hide the same rows do not: their times mean nothing."""


def read(
    databases: Databases, rates: Sequence[int], workers: Sequence[int], say: Callable[[str], None]
) -> Iterator[Reading]:
    """Measure every query on *databases*, whose opt-outs grow with *rates* (percent, ascending)."""
    for rate in rates:
        say(f"PostgreSQL {databases.major}: {rate}% opt out")
        databases.opt_out(rate)
        for query in QUERIES:
            for number in workers if query.slow else workers[:1]:
                say(f"PostgreSQL {databases.major}: {query.name}, {rate}% opted out, {number} workers")
                yield _measure(databases, query, rate, number)


def _measure(databases: Databases, query: Query, rate: int, workers: int) -> Reading:
    with databases.readers(READERS) as connections:
        for conn in connections.values():
            conn.execute(f"SET max_parallel_workers_per_gather = {workers:d}".encode())
            conn.execute(f"SET statement_timeout = '{TOO_LONG}s'".encode())
        _check(query, connections)
        work = {
            variant.name: partial(timed, _once(query, variant, conn, databases.payments))
            for variant, conn in connections.items()
        }
        seconds = take_turns(work)
    share = 1 if query.slow else _LOOKUPS
    return Reading(databases.major, workers, rate, query.name, {name: took / share for name, took in seconds.items()})


def _once(query: Query, variant: Variant, conn: Connection, payments: int) -> Callable[[], Any]:
    text = (query.by_hand if variant.by_hand else query.text).encode()
    if query.slow:
        return lambda: conn.execute(text, prepare=False).fetchall()

    def look_up() -> None:
        # A stride that meets no page twice in a row.
        for number in range(_LOOKUPS):
            conn.execute(text, [1 + number * 7919 % payments], prepare=True)

    return look_up


def _check(query: Query, connections: dict[Variant, Connection]) -> None:
    """Make sure that all who hide rows hide the same ones."""
    if not query.slow:
        return
    answers = {}
    for variant, conn in connections.items():
        text = query.by_hand if variant.by_hand else query.text
        with suppress(psycopg.errors.QueryCanceled):
            answers[variant] = conn.execute(text.encode()).fetchall()
    wrong = [v.name for v, answer in answers.items() if v is not NO_POLICY and answer != answers[BY_HAND]]
    if wrong:
        raise WrongAnswerError(f"{query.name}: {', '.join(wrong)} and by hand differ")

"""A probe that reads every table as every role, without a pause: who opted out is never seen, all others always are."""

from __future__ import annotations

import itertools
import threading
import time
from array import array
from collections.abc import Mapping
from dataclasses import dataclass, field
from multiprocessing.queues import Queue
from multiprocessing.synchronize import Event
from typing import Any

import psycopg

from bench.migrating.bank import SERVICING, Bank

# In one snapshot, which is taken when the table is locked already: whether its guard is committed, and what is seen.
_LOOK = """
SELECT EXISTS (SELECT FROM pg_policy WHERE polrelid = '{table}'::regclass AND polname ~ '^!+rlsguard$'),
       count(*) FILTER (WHERE theirs), count(*) FILTER (WHERE NOT theirs)
FROM {table}
WHERE id <= {rows}
"""


@dataclass(frozen=True, slots=True)
class Looks:
    """When somebody looked, by time.monotonic(), and what was wrong."""

    ended: array[float] = field(default_factory=lambda: array("d"))
    wrong: list[tuple[float, str]] = field(default_factory=list)


def expect(conn: psycopg.Connection[Any], bank: Bank) -> dict[str, tuple[int, int]]:
    """Return for each table how many rows are about people who opted out, and how many others there are."""
    found: dict[str, tuple[int, int]] = {}
    for table in bank.looked_at:
        ((_, theirs, others),) = conn.execute(_LOOK.format(table=table, rows=bank.rows).encode()).fetchall()
        found[table] = (theirs, others)
    return found


def probe(
    dsns: Mapping[str, str], bank: Bank, expected: Mapping[str, tuple[int, int]], stop: Event, results: Queue[Any]
) -> None:
    """Look as every role, in a process of its own, until told to stop; then tell what was seen."""
    looks = Looks()
    threads = [
        threading.Thread(target=_look_on, args=(role, dsn, bank, expected, stop, looks)) for role, dsn in dsns.items()
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    results.put(looks)


def _look_on(
    role: str, dsn: str, bank: Bank, expected: Mapping[str, tuple[int, int]], stop: Event, looks: Looks
) -> None:
    always = {name for table in bank.first for name in (table.name, *table.leaves)}
    with psycopg.connect(dsn, autocommit=True) as conn:
        conn.prepared_max = 10_000
        for turn, table in ((turn, table) for turn in itertools.count() for table in bank.looked_at):
            if stop.is_set():
                return
            query = _LOOK.format(table=table, rows=bank.rows).encode()
            try:
                # By statements that were prepared before the guard was there, and by new ones.
                ((guarded, theirs, others),) = conn.execute(query, prepare=turn % 2 == 0).fetchall()
            except psycopg.Error as error:
                problem = f"{role} cannot read {table}: {type(error).__name__}"
            else:
                hidden = role != SERVICING and (guarded or table in always)
                problem = _problem(
                    role, table, (theirs, others), (0 if hidden else expected[table][0], expected[table][1])
                )
            looks.ended.append(time.monotonic())
            if problem:
                looks.wrong.append((looks.ended[-1], problem))


def _problem(role: str, table: str, seen: tuple[int, int], expected: tuple[int, int]) -> str:
    if seen == expected:
        return ""
    told = " and ".join(
        f"{number} rows of {whom}, not {right}"
        for number, right, whom in zip(seen, expected, ("people who opted out", "others"), strict=True)
        if number != right
    )
    return f"{role} sees in {table} {told}"

"""`python -m bench.checking`: what a check takes of maps of several sizes, in one run."""

from __future__ import annotations

import os
import platform
import resource
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any, TypeVar

import click
import psycopg

from rlsguard import datamap
from rlsguard.apply import apply
from rlsguard.check import check
from rlsguard.server import find_binaries, start

T = TypeVar("T")

_HEAD = """\
version: 1
subjects: {client: {table: bank.client, key: client_id}}
purposes: {marketing: {}}
roles: {campaign_app: [marketing]}
tables:
  bank.client: {holds: [personal], subject: {client: client_id}}
"""
_ENTRY = "  bank.t{number}: {{holds: [financial], subject: {{client: client_id}}}}\n"
_SETUP = """
CREATE ROLE campaign_app LOGIN;
CREATE SCHEMA bank;
GRANT USAGE ON SCHEMA bank TO campaign_app;
CREATE TABLE bank.client (client_id int PRIMARY KEY);
"""
_TABLE = """
DO $$ BEGIN EXECUTE (
    SELECT string_agg(format(
        'CREATE TABLE bank.t%1$s (id int PRIMARY KEY, client_id int NOT NULL, amount numeric, note text);'
        'GRANT SELECT ON bank.t%1$s TO campaign_app', i), ';')
    FROM generate_series({first}, {last}) AS i
); END $$
"""
# So many tables a transaction: each holds locks until its end.
_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class _Taken:
    """What one check took: of time in seconds, the map read before it; of memory in MB; of queries to the database."""

    read: float
    wall: float
    cpu: float
    scratch_cpu: float
    memory: int
    queries: int
    findings: int


class _Counting(psycopg.Cursor[Any]):
    """A cursor that counts."""

    queries = 0

    def execute(self, *args: Any, **kwargs: Any) -> _Counting:
        _Counting.queries += 1
        return super().execute(*args, **kwargs)


@click.command(epilog="Example: python -m bench.checking --majors 18 --tables 100,1000")
@click.option("--tables", default="100,1000,10000", show_default=True, help="How many are mapped.")
@click.option("--majors", default="18", show_default=True, help="PostgreSQL major versions.")
@click.option("--runs", default=3, show_default=True, help="How often each is checked; the fastest counts.")
def main(tables: str, majors: str, runs: int) -> None:
    """Measure how long a check takes of maps of several sizes, its scratch server included; prints Markdown."""
    print(f"{os.cpu_count()} processors ({platform.machine()}).\n")
    times = ["apply, s", "map read, s", "check, s", "its own CPU, s", "its scratch server's CPU, s"]
    names = [*times, "memory, MB", "queries", "findings"]
    print(f"| PostgreSQL | tables | {' | '.join(names)} |")
    print("| --- |" + " ---: |" * (len(names) + 1))
    for major in map(int, majors.split(",")):
        for number in map(int, tables.split(",")):
            print(_row(find_binaries()[major], major, number, runs), flush=True)


def _row(bindir: Path, major: int, number: int, runs: int) -> str:
    locks = {"max_locks_per_transaction": "8192", "max_connections": "20"}
    with tempfile.TemporaryDirectory() as folder, start(bindir, settings=locks) as server:
        path = Path(folder) / "map.yaml"
        path.write_text(_HEAD + "".join(_ENTRY.format(number=n) for n in range(1, number + 1)), encoding="utf-8")
        applied = _apart(_apply, server.dsn(), path, number)
        best = min((_apart(_check, server.dsn(), path) for _ in range(runs)), key=lambda taken: taken.wall)
    return (
        f"| {major} | {number:,} | {applied:.1f} | {best.read:.1f} | **{best.wall:.1f}** | {best.cpu:.1f} |"
        f" {best.scratch_cpu:.1f} | {best.memory} | {best.queries} | {best.findings} |"
    )


def _apart(do: Callable[..., T], *args: Any) -> T:
    """Return what *do* returns, run in a process of its own: what one takes of memory is not the next one's."""
    with get_context("spawn").Pool(1) as pool:
        return pool.apply(do, args)


def _apply(dsn: str, path: Path, number: int) -> float:
    loaded = datamap.load(path)
    with psycopg.connect(dsn, autocommit=True) as conn:
        conn.execute(_SETUP)
        for first in range(1, number + 1, _AT_ONCE):
            conn.execute(_TABLE.format(first=first, last=min(first + _AT_ONCE - 1, number)))
        conn.execute("VACUUM ANALYZE")
        started = time.monotonic()
        apply(conn, loaded)
        took = time.monotonic() - started
        conn.execute("VACUUM ANALYZE")
    return took


def _check(dsn: str, path: Path) -> _Taken:
    began = time.monotonic()
    loaded = datamap.load(path)
    with psycopg.connect(dsn, autocommit=True, cursor_factory=_Counting) as conn:
        started, cpu = time.monotonic(), time.process_time()
        outcome = check(conn, loaded)
        wall, cpu = time.monotonic() - started, time.process_time() - cpu
    # The scratch server is a child that has ended, and its backends are children of that.
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return _Taken(
        read=started - began,
        wall=wall,
        cpu=cpu,
        scratch_cpu=children.ru_utime + children.ru_stime,
        memory=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
        queries=_Counting.queries,
        findings=len(outcome.findings),
    )


if __name__ == "__main__":
    main(prog_name="python -m bench.checking")

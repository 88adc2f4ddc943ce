"""`python -m bench.checking`: what a check takes of maps of several sizes, in one run."""

from __future__ import annotations

import os
import platform
import resource
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

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


@click.command(epilog="Example: python -m bench.checking --majors 18 --tables 100,1000")
@click.option("--tables", default="100,1000,10000", show_default=True, help="How many are mapped.")
@click.option("--majors", default="18", show_default=True, help="PostgreSQL major versions.")
def main(tables: str, majors: str) -> None:
    """Measure how long a check takes of maps of several sizes, its scratch server included; prints Markdown."""
    print(f"{os.cpu_count()} processors ({platform.machine()}).\n")
    print("| PostgreSQL | tables | apply, s | check, s | of that a check's own CPU, s | memory, MB | findings |")
    print("| --- | ---: | ---: | ---: | ---: | ---: | ---: |")
    for major in map(int, majors.split(",")):
        for number in map(int, tables.split(",")):
            print(_row(find_binaries()[major], major, number), flush=True)


def _row(bindir: Path, major: int, number: int) -> str:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "map.yaml"
        path.write_text(_HEAD + "".join(_ENTRY.format(number=n) for n in range(1, number + 1)), encoding="utf-8")
        loaded = datamap.load(path)
    locks = {"max_locks_per_transaction": "8192", "max_connections": "20"}
    with start(bindir, settings=locks) as server, psycopg.connect(server.dsn(), autocommit=True) as conn:
        conn.execute(_SETUP)
        for first in range(1, number + 1, _AT_ONCE):
            conn.execute(_TABLE.format(first=first, last=min(first + _AT_ONCE - 1, number)))
        conn.execute("VACUUM ANALYZE")
        applied, _, _ = _timed(lambda: apply(conn, loaded))
        conn.execute("VACUUM ANALYZE")
        wall, cpu, outcome = _timed(lambda: check(conn, loaded))
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    return f"| {major} | {number:,} | {applied:.1f} | **{wall:.1f}** | {cpu:.1f} | {memory} | {len(outcome.findings)} |"


def _timed(do: Callable[[], T]) -> tuple[float, float, T]:
    """Return how many seconds *do* takes, how many of this process's CPU, and its result."""
    wall, cpu = time.monotonic(), time.process_time()
    result = do()
    return time.monotonic() - wall, time.process_time() - cpu, result


if __name__ == "__main__":
    main(prog_name="python -m bench.checking")

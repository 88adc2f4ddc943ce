"""`python -m bench.ledger`: row audits of several kinds beside ours, and the ledger, in one run, with the ratios."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Iterable
from itertools import chain
from pathlib import Path

import click

from bench.ledger.inserts import ROWS as INSERTED
from bench.ledger.inserts import insert
from bench.ledger.recording import record
from bench.ledger.report import inserting_table, recording_table, sealing_table, updating_table
from bench.ledger.scene import ROWS, scene
from bench.ledger.sealing import Sealing, measure
from bench.ledger.updates import by_clients, by_one
from bench.options import installed, numbers, say

_PARTS = ("updates", "inserts", "recording", "sealing")


@click.command(epilog="Example: python -m bench.ledger --majors 18 --clients 1,16 --part updates --durable")
@click.option("--majors", type=numbers, default="15,18", show_default=True, help="PostgreSQL major versions.")
@click.option(
    "--part", "parts", multiple=True, type=click.Choice(_PARTS), default=_PARTS, help="One alone. Repeatable."
)
@click.option("--clients", type=numbers, default="1,2,4,8,16", show_default=True, help="Who update at the same time.")
@click.option("--seconds", type=click.IntRange(min=1), default=3, show_default=True, help="Of each run of pgbench.")
@click.option("--rounds", type=click.IntRange(min=1), default=3, show_default=True, help="Of pgbench; the best counts.")
@click.option("--batches", type=numbers, default="10000", show_default=True, help="Opt-outs recorded at once.")
@click.option("--entries", type=click.IntRange(min=1), default=100_000, show_default=True, help="To seal and verify.")
@click.option(
    "--durable", is_flag=True, help="Let commits reach the disk: fsync, synchronous_commit, full_page_writes."
)
def main(
    majors: list[int],
    parts: tuple[str, ...],
    clients: list[int],
    seconds: int,
    rounds: int,
    batches: list[int],
    entries: int,
    durable: bool,
) -> None:
    """Measure what row audits and the sealed ledger cost; prints Markdown.

    Four audits, and none, each in a database of its own with the same rows. They take turns, every run in a fresh copy
    of its database, and the least of several runs counts. The audited tables have no policies: what these cost is for
    `python -m bench`.
    """
    binaries = installed(majors)
    pgbench = _pgbench(binaries.values())
    started = time.monotonic()
    commits = "on" if durable else "off, which makes the processor's share stand out"
    print(
        f"{ROWS:,} rows; {os.cpu_count()} processors ({platform.machine()}); settings as PostgreSQL comes, but"
        f" shared_buffers 1 GB, max_wal_size 4 GB; fsync, synchronous_commit and full_page_writes {commits}."
    )
    sealings: list[Sealing] = []
    for major in majors:
        with scene(binaries[major], durable, say) as here:
            _print(f"### PostgreSQL {here.server.version}", here.remarks())
            if "updates" in parts:
                measured = chain(by_one(here, say), by_clients(here, pgbench, clients, seconds, rounds, say))
                _print("Updates, and the µs of work that each audit adds to one", updating_table(measured))
            if "inserts" in parts:
                _print(f"Insert of {INSERTED:,} rows in one statement", inserting_table(insert(here, say)))
            if "recording" in parts:
                _print("Recording opt-outs", recording_table(record(here, batches, say)))
            if "sealing" in parts:
                sealings.append(measure(here, entries, say))
    if sealings:
        _print("### Sealing and verifying", sealing_table(sealings))
    say(f"{time.monotonic() - started:.0f} s")


def _pgbench(bindirs: Iterable[Path]) -> Path:
    """Return one pgbench, for all servers to be asked by the same."""
    for bindir in bindirs:
        if (bindir / "pgbench").exists():
            return bindir / "pgbench"
    raise click.UsageError("no PostgreSQL on this machine has pgbench; Debian has it in postgresql, others in contrib")


def _print(title: str, lines: Iterable[str]) -> None:
    """Print a paragraph or a table as its lines come."""
    print(f"\n{title}", flush=True)
    for number, line in enumerate(lines):
        print(line if number else f"\n{line}", flush=True)


if __name__ == "__main__":
    main(prog_name="python -m bench.ledger")

"""`python -m bench.migrating`: a migration that guards table after table under load, and what its clients notice."""

from __future__ import annotations

import os
import platform
import sys
import time

import click

from bench.migrating.bank import bank
from bench.migrating.clients import Load
from bench.migrating.report import remarks, table
from bench.migrating.runs import run
from bench.migrating.sabotage import SABOTAGES
from bench.options import installed, say
from rlsguard.server import find_binaries


@click.command(epilog="Example: python -m bench.migrating --major 15 --tables 20 --hold 5")
@click.option("--major", type=int, help="PostgreSQL major version, by default the newest.")
@click.option("--tables", type=click.IntRange(min=7), default=100, show_default=True, help="How many are guarded.")
@click.option("--rows", type=click.IntRange(min=40), default=1000, show_default=True, help="In each of them.")
@click.option("--readers", type=click.IntRange(min=1), default=8, show_default=True)
@click.option("--writers", type=click.IntRange(min=1), default=4, show_default=True)
@click.option("--hold", type=float, default=20, show_default=True, help="Seconds that long transactions are open.")
@click.option("--pause", type=float, default=5, show_default=True, help="Seconds between two of them.")
@click.option("--sabotage", type=click.Choice(sorted(SABOTAGES)), help="Run a migration that is wrong in this way.")
def main(
    major: int | None,
    tables: int,
    rows: int,
    readers: int,
    writers: int,
    hold: float,
    pause: float,
    sabotage: str | None,
) -> None:
    """Guard the tables of a bank while it is open, and take the guard off again; prints Markdown.

    Three of them are guarded before, with opt-outs in force. A probe reads all tables as every role, without a pause.
    Exits with 1 if it once saw what it should not, or not what it should, or if a statement of a client failed.
    """
    major = max(find_binaries()) if major is None else major
    began = time.monotonic()
    here, load = bank(tables, rows), Load(readers, writers, hold, pause)
    print(
        f"{tables} tables of {rows:,} rows; {readers} readers, {writers} writers; a report and a change that are"
        f" open for {hold:g} s; {os.cpu_count()} processors ({platform.machine()})."
    )
    spans = run(installed([major])[major], here, load, sabotage, say)
    print("\n".join(("", *table(spans), *remarks(spans))))
    say(f"{time.monotonic() - began:.0f} s")
    # What an apply does to clients is there to be compared with.
    sys.exit(1 if any(span.noticed for span in spans if span.what != "apply") else 0)


if __name__ == "__main__":
    main(prog_name="python -m bench.migrating")

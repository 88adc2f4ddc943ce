"""`python -m bench`: every variant on the same rows in one run, with the ratios."""

from __future__ import annotations

import os
import platform
import time

import click

from bench.databases import databases
from bench.options import installed, numbers, say
from bench.reading import read
from bench.report import insert_title, reading_table, writing_table
from bench.variants import READERS, WRITERS
from bench.writing import write


@click.command(epilog="Example: python -m bench --customers 1000000 --majors 18 --rates 2")
@click.option("--customers", type=click.IntRange(min=2000), default=200_000, show_default=True)
@click.option("--majors", type=numbers, default="15,18", show_default=True, help="PostgreSQL major versions.")
@click.option("--rates", type=numbers, default="0,1,10,50", show_default=True, help="Percent who opt out.")
@click.option("--workers", type=numbers, default="0,2", show_default=True, help="max_parallel_workers_per_gather.")
@click.option("--jit/--no-jit", default=True, show_default=True, help="As it comes; or without compiling expressions.")
def main(customers: int, majors: list[int], rates: list[int], workers: list[int], jit: bool) -> None:
    """Measure what opt-outs cost; prints Markdown.

    Five ways to keep them, each in a database of its own with the same rows; they take turns, and the least of up to
    seven runs counts. All but the first must give the same answers.
    """
    binaries = installed(majors)
    started = time.monotonic()
    settings = "settings as PostgreSQL comes, but shared_buffers 1 GB" + ("" if jit else " and jit off")
    print(
        f"{customers:,} customers, {5 * customers:,} payments, {5 * customers:,} items; "
        f"{os.cpu_count()} processors ({platform.machine()}); {settings}."
    )
    writings = []
    for major in majors:
        variants = tuple(dict.fromkeys((*READERS, *WRITERS)))
        with databases(binaries[major], customers, variants, jit, say) as found:
            print(f"\n### PostgreSQL {found.server.version}\n")
            readings = list(read(found, rates, workers, say))
            print("\n".join(reading_table(readings)), flush=True)
            writings.append(write(found, say))
    print(f"\n### {insert_title()}\n")
    print("\n".join(writing_table(writings)))
    say(f"{time.monotonic() - started:.0f} s")


if __name__ == "__main__":
    main(prog_name="python -m bench")

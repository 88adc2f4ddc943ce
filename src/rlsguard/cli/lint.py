"""rlsguard lint"""

from __future__ import annotations

from pathlib import Path

import click

from rlsguard import datamap
from rlsguard.cli.output import print_rich, safe


@click.command(epilog="Example: rlsguard lint --map map.yaml migrations/")
@click.argument("paths", metavar="FILE|FOLDER...", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--map",
    "map_path",
    type=click.Path(path_type=Path),
    metavar="MAP",
    help="The data map, which says what is protected; without it most of what matters is not known to.",
)
@click.option(
    "--format",
    "output_format",
    type=click.Choice(["text", "json", "sarif", "junit", "github", "gitlab"]),
    default="text",
    show_default=True,
    help="How to print the answer.",
)
@click.option(
    "--search-path",
    default="public",
    show_default=True,
    metavar="SCHEMA,...",
    help="Where names without a schema are looked for, until a migration sets it.",
)
@click.option(
    "--generated",
    type=click.Choice(["read", "skip"]),
    default="read",
    show_default=True,
    help="What to do with files that rlsguard generate says it wrote; who skips them trusts whoever wrote them.",
)
def lint(paths: tuple[Path, ...], map_path: Path | None, output_format: str, search_path: str, generated: str) -> None:
    """Say what in migrations would weaken the guard, before they are run.

    Reads SQL files, psql's commands in them passed over, and Alembic revisions, which are read and never run; a folder
    in the order in which its migrations run. Needs no database: only the text, and the data map. Findings that somebody
    answers for go under waivers: in the map.

    Exit code 1 if there is a finding that is more than a note.
    """
    # Imported here: what reads SQL is an extra, and the list of commands needs none.
    from rlsguard.lint import report
    from rlsguard.lint.run import lint as read

    loaded = None if map_path is None else datamap.load(map_path)
    schemas = tuple(one.strip() for one in search_path.split(",") if one.strip())
    linted = read(paths, loaded, search_path=schemas, skip_generated=generated == "skip")
    if output_format == "text":
        for line in report.text(linted, safe=safe):
            print_rich(line)
    else:
        click.echo(report.FORMATS[output_format](linted), nl=False)
    if linted.fails:
        raise click.exceptions.Exit(1)

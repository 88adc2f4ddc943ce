"""rlsguard validate"""

from __future__ import annotations

from pathlib import Path

import click

from rlsguard import datamap
from rlsguard.cli.options import connected, format_option, map_argument
from rlsguard.cli.output import print_json, say
from rlsguard.plan.model import Notice
from rlsguard.problems import MapError, Problem
from rlsguard.validate import validate as validate_against


@click.command(epilog="Example: rlsguard validate map.yaml --dsn service=bank")
@map_argument
@click.option("--dsn", metavar="DSN", help="Hold the map against this database too (libpq connection string or URI).")
@format_option
def validate(map_path: Path, dsn: str | None, output_format: str) -> None:
    """Check a data map and tell all that is wrong.

    MAP is a YAML file, or a folder whose YAML files are merged. Without --dsn no database is needed.
    """
    try:
        loaded = datamap.load(map_path)
        notices: tuple[Notice, ...] = ()
        if dsn is not None:
            with connected(dsn) as conn:
                notices = validate_against(conn, loaded).notices
    except MapError as error:
        if output_format == "json":
            print_json({"valid": False, "problems": [_problem(p) for p in error.problems], "notices": []})
            raise click.exceptions.Exit(2) from error
        raise
    if output_format == "json":
        print_json({"valid": True, "problems": [], "notices": notices})
        return
    for notice in notices:
        say(f"notice  {notice}")
    fits = "not held against a database" if dsn is None else "fits the database"
    say(f"{map_path}: {len(loaded.tables)} tables, {len(loaded.purposes)} purposes, {len(loaded.roles)} roles; {fits}")


def _problem(problem: Problem) -> dict[str, object]:
    place = problem.position
    return {
        "file": place.file,
        "line": place.line,
        "column": place.column,
        "path": list(problem.location),
        "message": problem.message,
    }

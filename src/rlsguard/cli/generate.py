"""rlsguard generate"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import click

from rlsguard import datamap
from rlsguard.apply import generate as generate_files
from rlsguard.cli.options import connected, dsn_option, map_argument
from rlsguard.cli.output import say
from rlsguard.problems import RlsguardError
from rlsguard.render import as_one_file, stale_files


@click.command(epilog="Example: rlsguard generate map.yaml --dsn service=bank -o sql/ && psql -f sql/apply.sql")
@map_argument
@dsn_option
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="Write one file for each part, and apply.sql that runs them; without it, one script to standard output.",
)
def generate(map_path: Path, dsn: str, output: Path | None) -> None:
    """Write the SQL of the plan, for review.

    What apply would run where nothing has been applied yet. The same map and database give the same bytes. The
    files run with psql, in one transaction, any number of times. Needs the rights of apply, and changes nothing.
    """
    loaded = datamap.load(map_path)
    with connected(dsn) as conn:
        files = generate_files(conn, loaded)
    if output is None:
        click.echo(as_one_file(files), nl=False)
        return
    stale = _write(files, output)
    for name in stale:
        say(f"removed {output / name}: no longer part of the plan")
    say(f"{len(files)} files in {output}; run them with: psql -f {output / 'apply.sql'}")


def _write(files: Mapping[str, str], folder: Path) -> list[str]:
    """Write *files*, and remove what an earlier run wrote and this one does not."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        before = folder / "apply.sql"
        stale = stale_files(before.read_text(encoding="utf-8") if before.is_file() else "", files)
        for name, text in files.items():
            (folder / name).write_text(text, encoding="utf-8", newline="\n")
        stale = [name for name in stale if (folder / name).is_file()]
        for name in stale:
            (folder / name).unlink()
    except OSError as error:
        raise RlsguardError(f"{error.filename}: {error.strerror}") from error
    return stale

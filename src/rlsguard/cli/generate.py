"""rlsguard generate"""

from __future__ import annotations

import shlex
from pathlib import Path

import click

from rlsguard import datamap
from rlsguard.apply import generate as generate_files
from rlsguard.cli.files import output_option, read_if_there, write
from rlsguard.cli.options import connected, dsn_option, map_argument
from rlsguard.cli.output import say
from rlsguard.connection import without_secrets
from rlsguard.render import as_one_file, stale_files


@click.command(
    epilog="Example: rlsguard generate map.yaml --dsn service=bank -o sql/ && psql service=bank -f sql/apply.sql"
)
@map_argument
@dsn_option
@output_option
def generate(map_path: Path, dsn: str, output: Path | None) -> None:
    """Write the SQL of the plan, for review.

    What apply would run where nothing has been applied yet. The same map and database give the same bytes. The files
    run with psql, in one transaction, any number of times, as a role that may apply. Changes nothing.
    """
    loaded = datamap.load(map_path)
    with connected(dsn) as conn:
        files = generate_files(conn, loaded)
    if output is None:
        click.echo(as_one_file(files), nl=False)
        return
    # What an earlier run wrote and this one does not must not lie about.
    for file in write(files, output, remove=stale_files(read_if_there(output / "apply.sql"), files)):
        say(f"removed {file}: no longer part of the plan")
    psql = ["psql", "-f", str(output / "apply.sql")]
    if dsn:
        psql[1:1] = ["-d", without_secrets(dsn)]
    say(f"{len(files)} files in {output}; run them with: {shlex.join(psql)}")

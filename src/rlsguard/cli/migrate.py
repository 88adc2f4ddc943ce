"""rlsguard migrate"""

from __future__ import annotations

from pathlib import Path

import click

from rlsguard import datamap
from rlsguard.apply import apply
from rlsguard.cli.files import output_option, require_new, write
from rlsguard.cli.options import Seconds, connected, dsn_option, map_argument, table_name
from rlsguard.cli.output import count, safe, say
from rlsguard.migrate import find_migration
from rlsguard.migrate.applied import revisions
from rlsguard.migrate.steps import Settings
from rlsguard.migrate.write import FORMATS
from rlsguard.migrate.written import find_written
from rlsguard.names import QualifiedName


@click.command(
    epilog='Example: rlsguard migrate map.yaml --dsn service=bank --alembic alembic.ini -m "opt-outs hide rows"'
)
@map_argument
@dsn_option
@click.option("--alembic", type=click.Path(path_type=Path), metavar="INI", help="Write a revision into this project.")
@click.option(
    "--format",
    "output_format",
    type=click.Choice(sorted(FORMATS)),
    default="sql",
    show_default=True,
    help="Without --alembic: whose conventions the files follow.",
)
@output_option
@click.option("-m", "--message", default="guard of opt-outs", show_default=True, help="What the migration is for.")
@click.option("--head", metavar="REVISION", help="The revision to follow; needed where there are several heads.")
@click.option("--splice", is_flag=True, help="Follow a revision that is no head: begins a branch.")
@click.option("--prune", type=table_name, multiple=True, metavar="TABLE", help="Un-guard this table. May be repeated.")
@click.option("--release", multiple=True, metavar="NAME", help="Let opt-outs of this purpose or kind of person end.")
@click.option(
    "--lock-timeout",
    type=Seconds(0.001),
    default=2.0,
    show_default=True,
    metavar="SECONDS",
    help="How long the migration waits for each lock before it lets others go first.",
)
@click.option(
    "--around",
    "changes",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Make the schema changes in this SQL file part of it: what is in their way is taken off before them, and the"
    " guard is what the map says after them, all in one transaction. They are made now, and undone.",
)
@click.option(
    "--undo",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="What undoes the changes of --around.",
)
@click.option("--one-transaction", is_flag=True, help="All or nothing: all its tables are locked until it ends.")
def migrate(
    map_path: Path,
    dsn: str,
    alembic: Path | None,
    output_format: str,
    output: Path | None,
    message: str,
    head: str | None,
    splice: bool,
    prune: tuple[QualifiedName, ...],
    release: tuple[str, ...],
    lock_timeout: float,
    changes: Path | None,
    undo: Path | None,
    one_transaction: bool,
) -> None:
    """Write a migration that takes the database to what the map says.

    Full SQL, which needs no rlsguard to run: only what differs, and what undoes it. Changes nothing in the database.
    """
    if alembic is None and (head is not None or splice):
        raise click.UsageError("--head and --splice go with --alembic.")
    if alembic is None and output is None and output_format != "sql":
        raise click.UsageError(f"--format {output_format} needs -o, the folder of the project.")
    if changes is None and undo is not None:
        raise click.UsageError("--undo goes with --around.")
    loaded = datamap.load(map_path)
    settings = Settings(lock_timeout, release, one_transaction)
    with connected(dsn) as conn:
        applied = None if alembic is None else revisions(conn)
        if changes is None:
            delta = apply(conn, loaded, prune=prune, release=release, dry_run=True)
            migration = find_migration(delta, loaded, map_path, settings)
        else:
            migration = find_written(conn, loaded, map_path, changes, undo, settings, prune)
    for notice in migration.notices:
        click.echo(safe(f"notice  {notice}"), err=True)
    if not migration:
        click.echo("nothing to change; no file is written", err=True)
        return
    if alembic is not None:
        # It takes a third of a second to import.
        from rlsguard.migrate.write.alembic import Place, write_revisions

        written = write_revisions(migration, message, Place(alembic, head, splice), applied)
    else:
        files = FORMATS[output_format](migration, message, output)
        if output is None:
            click.echo("".join(files.values()), nl=False)
            return
        require_new(files, output)
        write(files, output)
        written = [output / name for name in files]
    for change in migration.changes:
        say(change)
    counted = count(len(migration.changes), "change", "changes")
    say(f"{counted} in {count(len(migration.steps), 'transaction', 'transactions')}")
    for file in written:
        say(f"wrote {file}")

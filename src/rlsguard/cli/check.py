"""rlsguard check"""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

import click
from click.core import ParameterSource

from rlsguard import check as checking
from rlsguard import datamap
from rlsguard.check import SEVERITIES, Outcome, report
from rlsguard.check.migrated import Migrations, migrated
from rlsguard.cli.files import write
from rlsguard.cli.options import Seconds, connected, dsn_option, map_argument
from rlsguard.cli.output import print_rich, safe
from rlsguard.cli.watch import watch


def _split(ctx: click.Context, param: click.Parameter, values: tuple[str, ...]) -> list[tuple[str, Path]]:
    """Read each format=file."""
    reports = []
    for value in values:
        kind, _, file = value.partition("=")
        if kind not in report.FORMATS or not file:
            raise click.BadParameter(f"{value!r} is not FORMAT=FILE; the formats are {', '.join(report.FORMATS)}.")
        reports.append((kind, Path(file)))
    return reports


@click.command(epilog="Example: rlsguard check map.yaml --dsn service=bank --format sarif > check.sarif")
@map_argument
@dsn_option
@click.option(
    "--format",
    "output_format",
    type=click.Choice(["text", *report.FORMATS]),
    default="text",
    show_default=True,
    help="How to print the answer.",
)
@click.option(
    "--report",
    "reports",
    callback=_split,
    multiple=True,
    metavar="FORMAT=FILE",
    help="Write the answer into a file as well, such as sarif=check.sarif; repeat.",
)
@click.option(
    "--fail-on",
    type=click.Choice([*SEVERITIES, "never"]),
    default="warning",
    show_default=True,
    help="The least grave finding that makes the exit code 1.",
)
@click.option("--only", "only", multiple=True, metavar="ID", help="Look for this finding only, such as RG106; repeat.")
@click.option(
    "--since-baseline",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Leave out what an earlier check has found: its --format json.",
)
@click.option(
    "--migrations",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    metavar="ALEMBIC.INI",
    help="Check what these migrations make, on a scratch server, rather than a database that there is.",
)
@click.option(
    "--sql",
    "sql_folder",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    metavar="FOLDER",
    help="The same with SQL files, which run in the order of their names.",
)
@click.option(
    "--scratch",
    metavar="BINDIR|DSN",
    help="A server of the same major version to find out on how definitions should look: where its programs are, or a"
    " DSN to it as a superuser. By default what this machine has.",
)
@click.option(
    "--watch",
    "every",
    type=Seconds(1),
    metavar="SECONDS",
    help="Check again every so many seconds, and print what has changed, until it is interrupted.",
)
@click.option(
    "--statement-timeout",
    type=Seconds(0.001),
    default=60.0,
    show_default=True,
    metavar="SECONDS",
    help="How long any one statement may take.",
)
def check(
    map_path: Path,
    dsn: str,
    output_format: str,
    reports: list[tuple[str, Path]],
    fail_on: str,
    only: tuple[str, ...],
    since_baseline: Path | None,
    migrations: Path | None,
    sql_folder: Path | None,
    scratch: str | None,
    every: float | None,
    statement_timeout: float,
) -> None:
    """Find what is no longer as the map says, and what around the guard weakens it.

    Compares policies, views, functions, triggers, tables, roles and rights, each exactly as the server spells them, the
    map's rows, and the state with the ledger; then looks for ways around. The database is only read: any login will
    do that is a member of rlsguard_auditor, on a hot standby too. Findings that somebody answers for go under
    waivers: in the map.

    With --migrations or --sql no database is needed: they run on a scratch server, and what they make is checked. A
    pull request that adds a table about people, and no entry in the map, fails.

    Exit code 1 if there is a finding as grave as --fail-on says; what could not be compared is a finding, too.
    """
    loaded = datamap.load(map_path)
    made_by = _migrations(migrations, sql_folder)

    def look(dsn: str = dsn, scratch: str | None = scratch) -> Outcome:
        with connected(dsn) as conn:
            found = checking.check(conn, loaded, scratch=scratch, statement_timeout=statement_timeout, only=only)
        return found if since_baseline is None else checking.since(found, since_baseline)

    if every is not None:
        if made_by is not None or reports or output_format != "text":
            raise click.UsageError("--watch prints text, of a database that there is")
        watch(look, every)
    with ExitStack() as stack:
        if made_by is not None:
            bindir = None if scratch is None else Path(scratch)
            outcome = look(*stack.enter_context(migrated(made_by, loaded, bindir)))
        else:
            outcome = look()
    if output_format == "text":
        for line in report.text(outcome, safe=safe):
            print_rich(line)
    else:
        click.echo(report.FORMATS[output_format](outcome), nl=False)
    for kind, file in reports:
        write({file.name: report.FORMATS[kind](outcome)}, file.parent)
    if any(outcome.fails(severity) for severity in SEVERITIES if severity == fail_on):
        raise click.exceptions.Exit(1)


def _migrations(migrations: Path | None, sql_folder: Path | None) -> Migrations | None:
    # What the environment says is for databases that there are.
    dsn = click.get_current_context().get_parameter_source("dsn") is ParameterSource.COMMANDLINE
    given = [name for name, value in (("--migrations", migrations), ("--sql", sql_folder), ("--dsn", dsn)) if value]
    if len(given) > 1:
        raise click.UsageError(f"{' and '.join(given)} do not go together")
    if migrations is not None:
        return Migrations("alembic", migrations)
    return None if sql_folder is None else Migrations("sql", sql_folder)

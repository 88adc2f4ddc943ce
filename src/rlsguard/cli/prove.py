"""rlsguard prove"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from rlsguard import datamap
from rlsguard import prove as proving
from rlsguard.cli.options import Seconds, connected, dsn_option, map_argument, where
from rlsguard.cli.output import print_json, print_rich, safe, say
from rlsguard.names import quote
from rlsguard.problems import RlsguardError
from rlsguard.prove import Proof, report
from rlsguard.prove.live import Progress as Told


@click.command(epilog="Example: rlsguard prove map.yaml --dsn service=bank --format junit > prove.xml")
@map_argument
@dsn_option
@click.option(
    "--format",
    "output_format",
    type=click.Choice(["text", "json", "junit", "html"]),
    default="text",
    show_default=True,
    help="How to print the answer.",
)
@click.option(
    "--max-rows",
    type=click.IntRange(min=2),
    default=200,
    show_default=True,
    help="How many rows of each table to look at.",
)
@click.option(
    "--statement-timeout",
    type=Seconds(0.1),
    default=10.0,
    show_default=True,
    metavar="SECONDS",
    help="How long any one statement may take; a path that takes longer counts as not tried.",
)
@click.option(
    "--clone",
    is_flag=True,
    help="Work on a copy: schema, roles and a sample of rows, on a throw-away server on this machine.",
)
@click.option(
    "--clone-bindir",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="With --clone: the bin directory of the PostgreSQL to run the copy on, such as one with your extensions."
    "  [default: the same major version on this machine, or else the embedded one]",
)
def prove(
    map_path: Path,
    dsn: str,
    output_format: str,
    max_rows: int,
    statement_timeout: float,
    clone: bool,
    clone_bindir: Path | None,
) -> None:
    """Try every way into the data, as every role, and show that no opt-out leaks.

    Opts people out, looks and tries to write by every access path, checks that the right rows vanish and no others,
    and that they return. All in one transaction that is rolled back: nothing changes, no lock is stronger than a row's,
    no ledger entry is written. Searches the catalog for ways around, each with the SQL that ends it.

    With --clone also what cannot be tried in one transaction: real logins, commits, other sessions' prepared
    statements, psql, pg_dump, replication, notifications.

    Needs a superuser, or a role with BYPASSRLS that may set the roles of the map. Exit code 1 if anything leaks or is
    hidden without an opt-out; 2 if a table that a role reads could not be tried.
    """
    if clone_bindir is not None and not clone:
        raise click.UsageError("--clone-bindir goes with --clone")
    loaded = datamap.load(map_path)
    options: dict[str, Any] = {"max_rows": max_rows, "statement_timeout": statement_timeout}
    with connected(dsn) as conn:
        place = where(conn)
        with _progress() as told:
            if clone:
                proof = proving.prove_on_copy(conn, loaded, bindir=clone_bindir, progress=told, **options)
            else:
                proof = proving.prove(conn, loaded, progress=told, **options)
    match output_format:
        case "json":
            print_json(report.plain(proof))
        case "junit":
            click.echo(report.junit(proof), nl=False)
        case "html":
            click.echo(report.html(proof), nl=False)
        case _:
            say(place)
            say()
            for line in report.text(proof, safe=safe):
                print_rich(line)
    if proof.wrong:
        raise click.exceptions.Exit(1)
    if not proof.right:
        raise RlsguardError(_open(proof))


def _open(proof: Proof) -> str:
    """Say what a proof without a fault does not prove."""
    if not proof.open_questions:
        return "nothing is proven: no role sees a row of anybody who could opt out"
    cell, *more = proof.open_questions
    others = f", and {len(more)} more" if more else ""
    return f"it is not proven that opt-outs hold of {cell.table} as {quote(cell.role)}{others}: {cell.detail}"


@contextmanager
def _progress() -> Iterator[Told]:
    """Show what is being tried, on a terminal."""
    console = Console(stderr=True)
    if not sys.stderr.isatty():
        yield lambda done, total, what: None
        return
    columns = (
        BarColumn(),
        TextColumn("{task.completed}/{task.total}"),
        TimeElapsedColumn(),
        TextColumn("{task.description}"),
    )
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("reading the catalog", total=None)
        yield lambda done, total, what: bar.update(task, completed=done, total=total, description=safe(what))

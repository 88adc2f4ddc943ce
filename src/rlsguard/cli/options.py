"""Options that commands share."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click
import psycopg

from rlsguard import connection
from rlsguard.names import QualifiedName, split_identifiers
from rlsguard.problems import RlsguardError

map_argument = click.argument("map_path", metavar="MAP", type=click.Path(path_type=Path))

dsn_option = click.option(
    "--dsn",
    # On a command line everybody on the machine reads a password.
    envvar="RLSGUARD_DSN",
    default="",
    metavar="DSN",
    help="libpq connection string or URI, by default RLSGUARD_DSN; what it leaves out comes from PGHOST, PGSERVICE,"
    " ~/.pgpass and the like.",
)

format_option = click.option(
    "--format",
    "output_format",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    help="How to print the answer.",
)


class Seconds(click.FloatRange):
    """A number of seconds that PostgreSQL's timeouts can hold, which are in milliseconds of 31 bits."""

    def __init__(self, least: float) -> None:
        super().__init__(min=least, max=2_147_483)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Refuse what is no number at all: nan is in every range."""
        seconds = super().convert(value, param, ctx)
        if math.isnan(seconds):
            self.fail(f"{value!r} is not a number of seconds.", param, ctx)
        return seconds


lock_timeout_option = click.option(
    "--lock-timeout",
    type=Seconds(0.001),
    default=5.0,
    show_default=True,
    metavar="SECONDS",
    help="How long to wait for each lock.",
)

dry_run_option = click.option("--dry-run", is_flag=True, help="Say what would be done; change nothing, lock nothing.")


def table_name(value: str) -> QualifiedName:
    """Read schema.table as SQL spells it."""
    try:
        schema, table = split_identifiers(value)
    except ValueError:
        raise click.BadParameter(f"{value!r} is not schema.table, such as bank.account") from None
    return QualifiedName(schema, table)


@contextmanager
def connected(dsn: str) -> Iterator[psycopg.Connection[Any]]:
    """Connect; on a terminal, ask for a password that is missing."""
    ask = (lambda: click.prompt("Password", hide_input=True, err=True)) if sys.stdin.isatty() else None
    try:
        conn = connection.connect(dsn, ask)
    except RlsguardError as error:
        if dsn:
            raise
        # Whoever forgot it did not mean libpq's defaults.
        told = "neither --dsn nor RLSGUARD_DSN was given, so libpq's own settings say where"
        raise RlsguardError(f"{error}\n{told}") from error
    try:
        yield conn
    finally:
        conn.close()


def where(conn: psycopg.Connection[Any]) -> str:
    """Return which database this is, and as whom, for a person to make sure."""
    info = conn.info
    place = "over a socket" if info.host.startswith("/") else f"on {info.host}:{info.port}"
    return f"database {info.dbname} {place}, PostgreSQL {info.parameter_status('server_version')}, as {info.user}"

"""rlsguard why"""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import Any

import click

from rlsguard import datamap
from rlsguard import why as asking
from rlsguard.cli.options import connected, dsn_option, format_option, map_argument, table_name
from rlsguard.cli.output import print_json, say
from rlsguard.why import Why
from rlsguard.why.wording import details, title


@click.command(epilog="Example: rlsguard why map.yaml bank.account 17 --role campaign_app --dsn service=bank")
@map_argument
@click.argument("table")
@click.argument("row", metavar="ROW-KEY...", nargs=-1, required=True)
@click.option("--role", required=True, help="The database role that asks for the row.")
@dsn_option
@format_option
def why(map_path: Path, table: str, row: tuple[str, ...], role: str, dsn: str, output_format: str) -> None:
    """Show why a role sees a row, or why it does not.

    Which policy, subject path, purpose and ledger entry decide. What comes of that is compared with what the role
    really sees. ROW-KEY is the value of the table's primary key, several values where it has several columns, or
    column=value pairs of any columns that name one row.

    Needs a superuser. Nothing is changed. Exit code 1 if the role sees something else than it should.
    """
    loaded = datamap.load(map_path)
    name = table_name(table)
    with connected(dsn) as conn:
        answer = asking.why(conn, loaded, name, row, role)
    if output_format == "json":
        print_json(_plain(answer))
    else:
        _print(answer)
    if not answer.agrees:
        raise click.exceptions.Exit(1)


def _print(answer: Why) -> None:
    if not answer.agrees:
        click.secho("MISMATCH ", fg="red", bold=True, nl=False)
    say(title(answer))
    for line in details(answer):
        say(line)


def _plain(answer: Why) -> dict[str, Any]:
    plain = {field.name: getattr(answer, field.name) for field in fields(answer)}
    return plain | {"table": str(answer.table), "agrees": answer.agrees}

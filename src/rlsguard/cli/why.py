"""rlsguard why"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

import click

from rlsguard import datamap
from rlsguard import why as asking
from rlsguard.cli.options import connected, dsn_option, format_option, map_argument, table_name
from rlsguard.cli.output import print_json, say
from rlsguard.names import quote
from rlsguard.why import HeldTo, Why

_MOST_NAMED = 10


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
    title = _title(answer)
    if not answer.agrees:
        click.secho("MISMATCH ", fg="red", bold=True, nl=False)
    say(title)
    heading = ""
    for label, text in _lines(answer):
        say(f"  {'' if label == heading else label:8} {text}")
        heading = label


def _title(answer: Why) -> str:
    role = quote(answer.role)
    values = [value or "" for value in answer.row.values()]
    row = values[0] if len(values) == 1 else " ".join(f"{quote(c)}={v}" for c, v in answer.row.items())
    row = f"{answer.table} {row}"
    expected, measured = answer.reasoning.expected, answer.sight.measured
    preposition = "from" if expected == "hidden" else "to"
    if measured == expected:
        return f"{row} is {expected} {preposition} {role}"
    should = f"{row} should be {expected} {preposition} {role}"
    match measured:
        case "refused" if answer.agrees:
            return f"{row} is hidden from {role}, which may not read it anyway"
        case "refused":
            return f"{should}, but {role} may not read it"
        case "error":
            return f"{should}, but {role} gets an error"
        case "unknown":
            return f"{should}"
        case _:
            return f"{should}, but is {measured}"


def _lines(answer: Why) -> Iterator[tuple[str, str]]:
    """Yield labels and texts; a label that comes again is left out."""
    reasoning, sight = answer.reasoning, answer.sight
    guarded = f"{quote(answer.policy)} on {answer.table}" if answer.policy else f"none of the guard's on {answer.table}"
    yield "policy", guarded
    for path in reasoning.paths:
        people = [f"{found.person.kind} {found.person.key}" for found in path.people]
        more = f" and {len(people) - _MOST_NAMED} more" if len(people) > _MOST_NAMED else ""
        joint = f" (joint: {path.joint})" if len(people) > 1 else ""
        yield "path", f"{path.spelled}: {', '.join(people[:_MOST_NAMED]) or f'no {path.kind}'}{more}{joint}"
    yield "held to", ", ".join(_held_to(answer.role, one) for one in reasoning.held_to) or "no opt-out"
    for sentence in reasoning.because:
        yield "because", sentence
    if sight.obstacle is not None and answer.agrees:
        yield "measured", f"no: {sight.obstacle}"
    for sentence in answer.suspects:
        yield "suspect", sentence


def _held_to(role: str, one: HeldTo) -> str:
    if not one.by:
        return f"{one.purpose} ({quote(role)} is not in the map, so to every purpose)"
    if role in one.by:
        return f"{one.purpose} ({quote(role)}'s own)"
    return f"{one.purpose} (as a member of {', '.join(map(quote, one.by))})"


def _plain(answer: Why) -> dict[str, Any]:
    plain = {field.name: getattr(answer, field.name) for field in fields(answer)}
    return plain | {"table": str(answer.table), "agrees": answer.agrees}

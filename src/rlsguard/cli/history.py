"""rlsguard status, rlsguard history"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import click

from rlsguard import ledger
from rlsguard.cli.options import connected, dsn_option, format_option
from rlsguard.cli.output import print_json, print_table, say
from rlsguard.ledger import Entry


@click.command(epilog="Example: rlsguard status client 42 --dsn service=bank")
@click.argument("kind")
@click.argument("key")
@dsn_option
@format_option
def status(kind: str, key: str, dsn: str, output_format: str) -> None:
    """Show what a person has opted out of, now.

    Needs the role rlsguard_recorder or rlsguard_auditor.
    """
    with connected(dsn) as conn:
        entries = ledger.latest(ledger.history(conn, kind, key))
        refusable = ledger.refusable_purposes(conn)
    if output_format == "json":
        purposes = [_state(entry, entry.purpose in refusable) for entry in entries]
        print_json({"subject_kind": kind, "subject_key": key, "purposes": purposes})
    elif not entries:
        say(f"{kind} {key} never opted out of anything")
    else:
        print_table(
            ("purpose", "state", "since (UTC)", "version", "actor", "reason"),
            [
                (
                    e.purpose,
                    _word(e, e.purpose in refusable),
                    _utc(e.recorded_at),
                    str(e.version),
                    e.actor,
                    e.reason or "",
                )
                for e in entries
            ],
        )


@click.command(epilog="Example: rlsguard history client 42 --dsn service=bank --format json")
@click.argument("kind")
@click.argument("key")
@dsn_option
@format_option
def history(kind: str, key: str, dsn: str, output_format: str) -> None:
    """Show every ledger entry of a person, oldest first.

    Needs the role rlsguard_recorder or rlsguard_auditor.
    """
    with connected(dsn) as conn:
        entries = ledger.history(conn, kind, key)
    if output_format == "json":
        print_json(entries)
    elif not entries:
        say(f"{kind} {key} has no ledger entries")
    else:
        print_table(
            (
                "entry",
                "recorded (UTC)",
                "requested (UTC)",
                "action",
                "purpose",
                "version",
                "actor",
                "recorded by",
                "reason",
            ),
            [
                (
                    str(e.id),
                    _utc(e.recorded_at),
                    _utc(e.requested_at),
                    e.action,
                    e.purpose,
                    str(e.version),
                    e.actor,
                    e.recorded_by,
                    e.reason or "",
                )
                for e in entries
            ],
        )


def _word(entry: Entry, refusable: bool) -> str:
    if entry.action == "opt_in":
        return "opted in"
    return "opted out" if refusable else "ended: the map lets nobody refuse it"


def _state(entry: Entry, refusable: bool) -> dict[str, Any]:
    return {
        "purpose": entry.purpose,
        "opted_out": entry.action == "opt_out",
        "in_force": entry.action == "opt_out" and refusable,
        "version": entry.version,
        "since": entry.recorded_at.astimezone(UTC),
        "entry": entry.id,
        "actor": entry.actor,
        "reason": entry.reason,
    }


def _utc(when: datetime) -> str:
    return when.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S")

"""rlsguard opt-out, rlsguard opt-in"""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import Any

import click

from rlsguard import ledger
from rlsguard.cli.options import connected, dsn_option, format_option
from rlsguard.cli.output import count, print_json, progress, say
from rlsguard.ledger import Action, Entry


def _json_object(value: str) -> dict[str, Any]:
    try:
        parsed = json.loads(value)
        # NaN, Infinity and lone surrogates can be read, but not stored.
        again = json.dumps(parsed, allow_nan=False, ensure_ascii=False).encode()
    except ValueError as error:
        raise click.BadParameter(f"not JSON: {error}") from None
    except RecursionError:
        raise click.BadParameter("nested too deep") from None
    if b"\\u0000" in again:
        raise click.BadParameter("a zero character")
    if not isinstance(parsed, dict):
        raise click.BadParameter('not a JSON object such as {"ticket": 4711}')
    return parsed


def _time(value: str) -> datetime:
    try:
        return ledger.requested_time(value)
    except ValueError as error:
        raise click.BadParameter(str(error)) from None


def _command(name: str, action: Action, help_text: str) -> click.Command:
    @click.command(
        name=name,
        help=help_text,
        epilog=f"Example: rlsguard {name} client 42 --purpose marketing --actor agent:jane --reason 'phone call'",
    )
    @click.argument("kind")
    @click.argument("key", required=False)
    @click.option("--purpose", "purposes", multiple=True, metavar="PURPOSE", help="May be repeated.")
    @click.option("--actor", metavar="ACTOR", help="Who asked: the person, or who took the call.")
    @click.option("--reason", metavar="TEXT", help="How or why it was asked.")
    @click.option("--requested-at", type=_time, metavar="TIME", help="When it was asked, if not now.")
    @click.option("--context", type=_json_object, metavar="JSON", help="More about it, as a JSON object.")
    @click.option(
        "--from-csv",
        "csv_file",
        type=click.Path(path_type=Path, dir_okay=False),
        metavar="FILE",
        help="Many at once, all or none: columns key, purpose and optionally actor, reason, requested_at.",
    )
    @dsn_option
    @format_option
    def command(
        kind: str,
        key: str | None,
        purposes: tuple[str, ...],
        actor: str | None,
        reason: str | None,
        requested_at: datetime | None,
        context: dict[str, Any] | None,
        csv_file: Path | None,
        dsn: str,
        output_format: str,
    ) -> None:
        if csv_file is not None:
            if key is not None or purposes or requested_at is not None or context is not None:
                raise click.UsageError("with --from-csv, keys, purposes and times come from the file")
            requests = ledger.read_csv(csv_file, actor=actor, reason=reason)
            # Every request is checked, then recorded.
            with connected(dsn) as conn, progress("recording", 2 * len(requests)) as advance:
                written = ledger.record_all(conn, action, kind, requests, progress=advance)
            if output_format == "json":
                print_json({"written": written})
            else:
                say(f"{count(written, 'ledger entry', 'ledger entries')} written and in force")
            return
        if key is None or not purposes or actor is None:
            missing = [("KEY", key), ("--purpose", purposes), ("--actor", actor)]
            raise click.UsageError(f"missing: {', '.join(name for name, value in missing if not value)}")
        with connected(dsn) as conn:
            entries = ledger.record(conn, action, kind, key, purposes, actor, reason, context, requested_at)
        if output_format == "json":
            print_json(entries)
        else:
            for entry in entries:
                say(_told(entry))

    return command


def _told(entry: Entry) -> str:
    what = "opted out of" if entry.action == "opt_out" else "opted in to"
    return (
        f"{entry.subject_kind} {entry.subject_key} {what} {entry.purpose}: version {entry.version},"
        f" ledger entry {entry.id}, in force"
    )


opt_out = _command(
    "opt-out",
    "opt_out",
    "Record that a person opts out of purposes.\n\nIn force when this returns. "
    "KIND is a kind of subject in the data map, KEY the person's key. Needs the role rlsguard_recorder.",
)
opt_in = _command(
    "opt-in",
    "opt_in",
    "Record that a person takes opt-outs back.\n\nIn force when this returns. "
    "KIND is a kind of subject in the data map, KEY the person's key. Needs the role rlsguard_recorder.",
)

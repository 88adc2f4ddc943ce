"""rlsguard apply"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import click

from rlsguard import datamap
from rlsguard.apply import apply as apply_map
from rlsguard.cli.options import (
    connected,
    dry_run_option,
    dsn_option,
    format_option,
    lock_timeout_option,
    map_argument,
    table_name,
    where,
)
from rlsguard.cli.output import count, print_json, say
from rlsguard.delta import Delta
from rlsguard.names import QualifiedName


@click.command(epilog="Example: rlsguard apply map.yaml --dsn service=bank --dry-run")
@map_argument
@dsn_option
@dry_run_option
@click.option(
    "--prune",
    type=table_name,
    multiple=True,
    metavar="TABLE",
    help="Un-guard this table, which is no longer in the map. May be repeated.",
)
@click.option(
    "--release",
    multiple=True,
    metavar="NAME",
    help="Let the opt-outs of this purpose or kind of person end, which is no longer in the map. May be repeated.",
)
@lock_timeout_option
@click.option(
    "--retries",
    type=click.IntRange(min=0),
    default=10,
    show_default=True,
    help="How often to try again, with growing pauses, when a lock cannot be had.",
)
@format_option
def apply(
    map_path: Path,
    dsn: str,
    dry_run: bool,
    prune: tuple[QualifiedName, ...],
    release: tuple[str, ...],
    lock_timeout: float,
    retries: int,
    output_format: str,
) -> None:
    """Make the database enforce the data map.

    One transaction, all or nothing. Only what differs is touched; a second run changes nothing. What will be done is
    printed first.
    """
    loaded = datamap.load(map_path)
    told: list[tuple[str, ...]] = []

    def announce(delta: Delta) -> None:
        lines = tuple(_lines(delta))
        if output_format == "text" and lines not in told:  # a retry has nothing new to say
            told.append(lines)
            for line in lines:
                say(line)

    with connected(dsn) as conn:
        if output_format == "text":
            say(where(conn))
        started = time.monotonic()
        delta = apply_map(
            conn,
            loaded,
            prune=prune,
            release=release,
            dry_run=dry_run,
            lock_timeout=lock_timeout,
            retries=retries,
            announce=announce,
        )
        seconds = time.monotonic() - started
    if output_format == "json":
        print_json(_answer(delta, dry_run))
        return
    changes = count(len(delta.changes), "change", "changes")
    if not delta.changes:
        say("nothing to change")
    elif dry_run:
        say(f"{changes}; nothing was changed (--dry-run)")
    else:
        say(f"{changes} made in {seconds:.2f} s")


def _lines(delta: Delta) -> list[str]:
    width = max((len(change.action) for change in delta.changes), default=0)
    changes = [
        f"{change.action:{width}}  {change.unit}" + (f"  (locks {change.table})" if change.table else "")
        for change in delta.changes
    ]
    return [*changes, *(f"notice  {notice}" for notice in delta.notices)]


def _answer(delta: Delta, dry_run: bool) -> dict[str, Any]:
    return {
        "dry_run": dry_run,
        "changed": bool(delta.changes) and not dry_run,
        "bypass": "attribute" if delta.plan.bypass else "marker",
        "changes": [
            {"action": c.action, "unit": c.unit, "locks": None if c.table is None else str(c.table)}
            for c in delta.changes
        ],
        "notices": delta.notices,
        "kept": [str(table) for table in delta.kept],
    }

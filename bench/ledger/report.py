"""Measurements as Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from bench.ledger.audits import AUDITS, NONE, RLSGUARD, SUPA_AUDIT
from bench.ledger.inserts import Inserting
from bench.ledger.recording import Recording
from bench.ledger.sealing import Sealing
from bench.ledger.updates import Updating
from bench.report import heading, row

_NAMES = [audit.name for audit in AUDITS]


def updating_table(measured: Iterable[Updating]) -> Iterator[str]:
    """Yield a table of updates a second and the microseconds that an audit adds to one, as they are measured."""
    yield from heading(["updates", *_NAMES, "added, to supa_audit"])
    for updating in measured:
        cells = [
            f"{1 / updating.seconds[audit]:,.0f}/s"
            + ("" if audit is NONE else f" ({updating.added(audit) * 1e6:+,.1f} µs)")
            for audit in AUDITS
        ]
        yield row([updating.what, *cells, f"**{updating.added(RLSGUARD) / updating.added(SUPA_AUDIT):.2f}**"])


def inserting_table(measured: Iterable[Inserting]) -> Iterator[str]:
    """Yield a table of bulk inserts and of the room that their audits take."""
    yield from heading(["table with", *_NAMES, "added, to supa_audit"])
    for inserting in measured:
        seconds, none = inserting.seconds, inserting.seconds[NONE]
        cells = [f"{seconds[audit] * 1e3:,.0f} ms ({seconds[audit] / none:.1f}x)" for audit in AUDITS]
        added = (seconds[RLSGUARD] - none) / (seconds[SUPA_AUDIT] - none)
        yield row([inserting.table, *cells, f"**{added:.2f}**"])
        rooms = [f"{inserting.room[audit] / 1e6:,.0f} MB" for audit in AUDITS]
        yield row(["its audit on disk", *rooms, f"**{inserting.room[RLSGUARD] / inserting.room[SUPA_AUDIT]:.2f}**"])


def recording_table(measured: Iterable[Recording]) -> Iterator[str]:
    """Yield a table of how fast opt-outs are recorded."""
    yield from heading(["opt-outs", "seconds", "a second"])
    for recording in measured:
        yield row([recording.what, f"{recording.seconds:.2f}", f"**{recording.opt_outs / recording.seconds:,.0f}**"])


def sealing_table(measured: Iterable[Sealing]) -> Iterator[str]:
    """Yield a table of sealing and verifying, one line for each server."""
    names = ["entries", "sealed a second", "verified a second", "verify's memory", "verify", "hashing alone"]
    yield from heading(["PostgreSQL", *names, "verify to hashing", "sealing one more", "a receipt"])
    for sealing in measured:
        yield row(
            [
                str(sealing.major),
                f"{sealing.entries:,}",
                f"{sealing.entries / sealing.sealing:,.0f}",
                f"{sealing.entries / sealing.verifying:,.0f}",
                f"{sealing.memory / 1e6:,.0f} MB",
                f"{sealing.verifying:.2f} s",
                f"{sealing.hashing:.2f} s",
                f"**{sealing.verifying / sealing.hashing:.1f}**",
                f"{sealing.one_more * 1e3:,.1f} ms",
                f"{sealing.receipt * 1e3:,.1f} ms",
            ]
        )

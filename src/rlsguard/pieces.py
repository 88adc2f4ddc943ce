"""Each change of a delta as SQL, and what undoes it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from psycopg import sql

from rlsguard import render
from rlsguard.catalog.installed import Installed, ManifestEntry
from rlsguard.delta import Change, Delta
from rlsguard.names import QualifiedName
from rlsguard.plan.event_triggers import EventTriggers
from rlsguard.plan.granted import Granted, granted_for
from rlsguard.plan.model import AuditTriggers, Grants, Protection, State, Unit, View
from rlsguard.plan.recorded import unit_of
from rlsguard.render.template import text
from rlsguard.undo import (
    drop_stale,
    grant,
    remove_audit,
    remove_event_triggers,
    remove_protection,
    remove_state,
    remove_view,
    revoke,
    start_adding,
    stop_adding,
)


@dataclass(frozen=True, slots=True)
class Piece:
    """One change.

    Attributes:
        up: the SQL that makes it.
        down: the SQL that undoes it.
        after: the unit that is there once it is made, for the manifest; None where there is none.
        before: the unit that was there, to which `down` leads back.
        stays: nothing is undone, for it is not known what was there before, or that is the same.
    """

    change: Change
    up: str
    down: str
    after: Unit | None
    before: Unit | None
    stays: bool = False


def pieces(delta: Delta) -> Iterator[Piece]:
    """Yield the changes of *delta* in the order of their making; they are undone in the opposite one.

    What the guard itself consists of is not undone piece by piece: see `rlsguard.migrate.steps`.
    """
    changes = {(change.action == "remove", change.unit): change for change in delta.changes}
    # Event triggers last: they would refuse the removals.
    events = [unit for unit in delta.make if isinstance(unit, EventTriggers)]
    for unit in (unit for unit in delta.make if unit not in events):
        piece = _making(unit, delta, changes[False, unit.unit])
        if isinstance(unit, Grants):
            # The policies of hop tables lock these, each by itself.
            hops = tuple(table.table for table in unit.tables if table.let_guard_in)
            bare = replace(unit, tables=tuple(replace(table, let_guard_in=False) for table in unit.tables))
            yield replace(piece, up=render.statements(bare))
            yield from (_letting_in(table, delta.installed) for table in hops)
        else:
            yield piece
    for entry in delta.remove:
        before = unit_of(entry)
        up = _text(*_removal(entry))
        down = "" if before is None else render.statements(before)
        yield Piece(changes[True, entry.unit], up, down, None, before, stays=before is None)
    for unit in events:
        yield _making(unit, delta, changes[False, unit.unit])
    for adder in delta.adders_no_more:
        change = Change("revoke", f"audit by {adder}")
        yield Piece(change, _text(stop_adding(adder)), _text(start_adding(adder)), None, None)
    if delta.surplus:
        yield Piece(delta.changes[-1], _text(*revoke(delta.surplus)), _text(*grant(delta.surplus)), None, None)
    for entry in delta.forget:
        yield Piece(Change("forget", entry.unit), "", "", None, None, stays=True)


def _letting_in(table: QualifiedName, installed: Installed) -> Piece:
    """Return the part of the grants that locks *table*."""
    was_in = f"policy {table.schema}.{table.name} rlsguard hop" in installed.objects
    down = "" if was_in else _text(*revoke(Granted(hops=(table,))))
    return Piece(Change("let in", f"hop {table}", table), render.let_guard_in(table), down, None, None)


def _making(unit: Unit, delta: Delta, change: Change) -> Piece:
    up = render.statements(unit)
    entry = delta.installed.manifest.get(unit.unit)
    if entry is None:
        return Piece(change, up, _text(*_undoing(unit)), unit, None)
    up += _text(*drop_stale(entry.detail, unit.detail))
    before = unit_of(entry)
    down = "" if before is None else render.statements(before) + _text(*drop_stale(unit.detail, before.detail))
    # Of what was mended, or is made differently by another version, nothing else is known than what it is now.
    stays = before is None or render.statements(before) == render.statements(unit)
    return Piece(change, up, "" if stays else down, unit, before, stays)


def _removal(entry: ManifestEntry) -> Iterator[sql.Composed]:
    """Yield what takes away a unit of which perhaps no more is known than the manifest's detail."""
    match entry.detail.get("kind"):
        case "protect":
            yield from remove_protection(entry.detail)
        case "audit":
            yield from remove_audit(entry.detail)
        case "view":
            yield remove_view(entry.detail)
        case "event triggers":
            yield from remove_event_triggers()
        case None:
            yield remove_state(entry.unit.removeprefix("state "))


def _undoing(unit: Unit) -> Iterator[sql.Composed]:
    """Yield what takes away a unit that was not there before."""
    match unit:
        case Protection():
            yield from remove_protection(unit.detail)
        case AuditTriggers():
            yield from remove_audit(unit.detail)
            if unit.adder is not None:
                yield stop_adding(unit.adder)
        case View():
            yield remove_view(unit.detail)
        case State():
            yield remove_state(unit.kind)
        case Grants():
            yield from revoke(granted_for([unit]))
        case EventTriggers():
            yield from remove_event_triggers()


def _text(*statements: sql.Composed) -> str:
    return "".join(f"{text(statement)};\n" for statement in statements)

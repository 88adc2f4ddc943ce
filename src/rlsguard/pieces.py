"""Each change of a delta as SQL, and what undoes it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from psycopg import sql

from rlsguard import render
from rlsguard.catalog.installed import ManifestEntry
from rlsguard.delta import Change, Delta
from rlsguard.names import QualifiedName
from rlsguard.plan.event_triggers import EventTriggers
from rlsguard.plan.granted import Granted, granted_for
from rlsguard.plan.model import AuditTriggers, Grants, Protection, State, Unit, View
from rlsguard.plan.recorded import recorded, unit_of
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
        away: the SQL that takes away what it made that was not there before.
        back: the SQL that makes again what was there before.
        after: the unit that is there once it is made, for the manifest; None where there is none.
        before: the unit that was there.
        found: what the manifest may have under the change's name when this is run, as `recorded`; None for nothing.
        stays: nothing is undone, for it is not known what was there before, or that is the same.
    """

    change: Change
    up: str
    away: str
    back: str
    after: Unit | None
    before: Unit | None
    stays: bool = False
    found: tuple[Mapping[str, Any] | None, ...] = ()


def pieces(delta: Delta, *, names_go_back: bool = False) -> Iterator[Piece]:
    """Yield the changes of *delta* in the order of their making; they are undone in the opposite one.

    What the guard itself consists of is not undone piece by piece: see `rlsguard.migrate.steps`.

    Args:
        names_go_back: before they are undone, tables and columns that were renamed have their earlier names again.
    """
    for piece in _pieces(delta, names_go_back):
        entry = delta.installed.manifest.get(piece.change.unit)
        found: list[Mapping[str, Any] | None] = [None if entry is None else entry.plan]
        if piece.before is not None:  # as going back has noted it
            found.append(recorded(piece.before))
        yield replace(piece, found=tuple(found))


def _pieces(delta: Delta, names_go_back: bool) -> Iterator[Piece]:
    changes = {(change.action == "remove", change.unit): change for change in delta.changes}
    was = _Before(delta, names_go_back)
    # Event triggers last: they would refuse the removals.
    events = [unit for unit in delta.make if isinstance(unit, EventTriggers)]
    for unit in (unit for unit in delta.make if unit not in events):
        change = changes[False, unit.unit]
        if isinstance(unit, Grants):
            yield from _granting(unit, delta, was, change)
        else:
            yield _making(unit, was, change)
    for entry in delta.remove:
        before = was.unit(entry)
        up = _text(*_removal(entry))
        back = "" if before is None else render.statements(before)
        yield Piece(changes[True, entry.unit], up, "", back, None, before, stays=before is None)
    for unit in events:
        yield _making(unit, was, changes[False, unit.unit])
    for adder in delta.adders_no_more:
        change = Change("revoke", f"audit by {adder}")
        yield Piece(change, _text(stop_adding(adder)), "", _text(start_adding(adder)), None, None)
    surplus = delta.surplus
    if bare := replace(surplus, hops=()):
        yield Piece(delta.changes[-1], _text(*revoke(bare)), "", _text(*grant(bare)), None, None)
    yield from (_letting_out(table) for table in surplus.hops)
    for entry in delta.forget:
        yield Piece(Change("forget", entry.unit), "", "", "", None, None, stays=True)


class _Before:
    """What the manifest notes, by the names that tables have when it is made again."""

    def __init__(self, delta: Delta, names_go_back: bool) -> None:
        self._manifest = delta.installed.manifest
        self._tables = {} if names_go_back else delta.live.tables
        self._renamed = {} if names_go_back else delta.renamed
        self._of_tables = {
            (entry.detail.get("kind"), entry.detail["oid"]): entry
            for entry in self._manifest.values()
            if "oid" in entry.detail
        }

    def entry(self, unit: Unit) -> ManifestEntry | None:
        """Return what is noted of *unit*: where it is one of a table, of that one, whatever it was called."""
        if isinstance(unit, Protection | AuditTriggers):
            return self._of_tables.get((unit.detail["kind"], unit.oid))
        return self._manifest.get(unit.unit)

    def unit(self, entry: ManifestEntry) -> Unit | None:
        """Return the unit that *entry* notes, if this version can tell, and it could be made again."""
        unit = unit_of(entry, self._renamed)
        if isinstance(unit, Protection) and unit.name in self._tables:
            here = {column for look in unit.lookups for column in look.route.here_columns}
            # The policy follows a column that is renamed, and then is the same as the one that is wanted.
            return unit if here <= self._tables[unit.name].columns.keys() else None
        return unit


def _granting(unit: Grants, delta: Delta, was: _Before, change: Change) -> Iterator[Piece]:
    """Yield the grants, and by itself each part of them that locks one of the user's tables."""
    whole = _making(unit, was, change)
    granted = granted_for([unit])
    # What was there, or should have been, stays.
    added = granted.beyond(granted.found(delta.installed.objects)).beyond(granted_for([whole.before]))
    away, back = "", ""
    if not whole.stays:
        away = _text(*revoke(replace(added, hops=())))
        back = render.statements(_bare(whole.before)) if isinstance(whole.before, Grants) else ""
    yield replace(whole, up=render.statements(_bare(unit)), away=away, back=back)
    for table in granted.hops:
        away = "" if whole.stays or table not in added.hops else _text(*revoke(Granted(hops=(table,))))
        # Noted anew: what was noted of the grants before lacks this policy.
        yield Piece(Change("let in", f"hop {table}", table), render.let_guard_in(table), away, "", unit, None)


def _bare(unit: Grants) -> Grants:
    """Return *unit* without the policies of hop tables."""
    return replace(unit, tables=tuple(replace(table, let_guard_in=False) for table in unit.tables))


def _letting_out(table: QualifiedName) -> Piece:
    """Return what takes back the policy by which the guard looked over *table*."""
    hop = Granted(hops=(table,))
    return Piece(Change("let out", f"hop {table}", table), _text(*revoke(hop)), "", _text(*grant(hop)), None, None)


def _making(unit: Unit, was: _Before, change: Change) -> Piece:
    up = render.statements(unit)
    entry = was.entry(unit)
    if entry is None:
        return Piece(change, up, _text(*removing(unit)), "", unit, None)
    before = was.unit(entry)
    # Of what was mended, or is made differently by another version, nothing else is known than what it is now.
    stays = before is None or render.statements(before) == up
    up += _text(*drop_stale(entry.detail, unit.detail))
    if before is None or stays:
        return Piece(change, up, "", "", unit, before, stays=True)
    return Piece(change, up, _text(*drop_stale(unit.detail, before.detail)), render.statements(before), unit, before)


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


def removing(unit: Unit | None) -> Iterator[sql.Composed]:
    """Yield what takes *unit* away, as if it had not been there before."""
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
        case EventTriggers():
            yield from remove_event_triggers()


def _text(*statements: sql.Composed) -> str:
    return "".join(f"{text(statement)};\n" for statement in statements)

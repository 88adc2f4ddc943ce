"""A delta -> transactions: none of them locks more than one of the user's tables for long, and none leaves a table less
protected than it was, or shut, until the next."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from psycopg import sql

from rlsguard import render
from rlsguard.delta import Delta
from rlsguard.migrate.locks import remarked
from rlsguard.migrate.model import Step
from rlsguard.migrate.statements import split
from rlsguard.names import QualifiedName
from rlsguard.pieces import Piece, pieces
from rlsguard.plan.event_triggers import EventTriggers
from rlsguard.plan.model import AuditTriggers, Grants, Unit
from rlsguard.plan.recorded import recorded
from rlsguard.render.template import text
from rlsguard.sqlfiles import read


@dataclass(frozen=True, slots=True)
class Settings:
    """How a migration is to be run.

    Attributes:
        lock_timeout: seconds to wait for each lock before it is given up and tried again.
        release: purposes and kinds of person whose opt-outs end with it.
        one_transaction: all or nothing, though it holds the locks of all its tables until its end.
    """

    lock_timeout: float = 2.0
    release: tuple[str, ...] = ()
    one_transaction: bool = False


def find_steps(delta: Delta, settings: Settings) -> tuple[Step, ...]:
    """Return the transactions that make *delta*."""
    groups = _groups(delta)
    if settings.one_transaction and groups:
        groups = [_Group("everything", "guard", None, [piece for group in groups for piece in group.pieces])]
    return tuple(_Writer(delta, settings).step(group) for group in groups)


@dataclass(frozen=True, slots=True)
class _Group:
    title: str
    about: str
    table: QualifiedName | None
    pieces: list[Piece]


def _groups(delta: Delta) -> list[_Group]:
    guard: list[Piece] = []
    hops: dict[str, dict[QualifiedName, list[Piece]]] = {"let in": {}, "let out": {}}
    tables: dict[QualifiedName, list[Piece]] = {}
    last: list[Piece] = []
    for piece in pieces(delta):
        table, action = piece.change.table, piece.change.action
        if table is not None and action != "forget":
            hops.get(action, tables).setdefault(table, []).append(piece)
        elif action in ("create", "replace") and not isinstance(piece.after, EventTriggers):
            guard.append(piece)
        else:
            last.append(piece)
    found = [_Group("the guard itself; nothing of yours is touched", "guard", None, guard)] if guard else []
    # Before the policies that look over them.
    words = "the guard may look over it"
    found += [_Group(f"{table}: {words}", f"hop {table}", table, its) for table, its in hops["let in"].items()]
    found += [_Group(f"{table}: {_told(its)}", str(table), table, its) for table, its in tables.items()]
    if last:
        made = any(isinstance(piece.after, EventTriggers) for piece in last)
        found.append(_Group("event triggers" if made else "what is no longer needed", "end", None, last))
    words += " no more"
    found += [_Group(f"{table}: {words}", f"hop {table}", table, its) for table, its in hops["let out"].items()]
    return found


def _told(its: Sequence[Piece]) -> str:
    words = []
    for piece in its:
        audit = isinstance(piece.after or piece.before, AuditTriggers)
        what = "row changes are recorded" if audit else "opt-outs hide rows"
        words.append(f"{what} no more" if piece.change.action == "remove" else what)
    return ", ".join(words)


class _Writer:
    def __init__(self, delta: Delta, settings: Settings) -> None:
        self._settings = settings
        self._live = delta.live
        self._objects = delta.installed.objects
        self._new = not delta.installed.manifest
        self._events = has_events(delta)

    def step(self, group: _Group) -> Step:
        dropped = self._new and any(piece.change.unit == "roles" for piece in group.pieces)
        its = self._locking(group.pieces)
        up = self._framed([*making(its, self._settings.release)])
        down = self._framed([*undoing(its, dropped)])
        # Whoever applies has left them by then.
        down += split(read("each/drop_roles.sql")) if dropped else ()
        return Step(group.title, group.about, up, down)

    def _locking(self, its: Sequence[Piece]) -> list[Piece]:
        """Return *its* pieces; the first, up and down, that locks what others use does so for all of them."""
        ups = [number for number, piece in enumerate(its) if piece.up and self._held(piece)]
        downs = [number for number, piece in enumerate(its) if (piece.away or piece.back) and self._held(piece)]
        found = list(its)
        if ups:
            found[ups[0]] = replace(found[ups[0]], up=self._lock(its[n] for n in ups) + found[ups[0]].up)
        if downs:
            found[downs[-1]] = replace(found[downs[-1]], away=self._lock(its[n] for n in downs) + found[downs[-1]].away)
        return found

    def _lock(self, its: Iterable[Piece]) -> str:
        names = sorted({name for piece in its for name in self._held(piece)})
        return text(sql.SQL("CALL rlsguard.lock_table({});\n").format(sql.SQL(", ").join(map(sql.Literal, names))))

    def _held(self, piece: Piece) -> frozenset[str]:
        """Return what *piece* locks that was there before: a table, or what policies ask."""
        table, unit = piece.change.table, piece.after
        if table is not None:
            its = self._live.tables[table]
            # On a partitioned table row triggers are made for each partition.
            below = self._live.descendants(its) if its.kind == "p" and piece.change.unit.startswith("audit ") else ()
            return frozenset(str(each.name) for each in (its, *below))
        if isinstance(unit, Grants):
            switched = isinstance(piece.before, Grants) and piece.before.bypass != unit.bypass
            return frozenset({"rlsguard.hop_like"} if switched else ())
        if piece.change.action != "replace" or unit is None:
            return frozenset()
        objects = (name.split(" ") for name in unit.objects)
        named = {name for kind, name, *_ in objects if kind in ("relation", "policy", "trigger")}
        return frozenset(name for name in named if f"relation {name}" in self._objects)

    def _framed(self, body: Sequence[str]) -> tuple[str, ...]:
        return framed(body, self._settings.lock_timeout, self._events)


def has_events(delta: Delta) -> bool:
    """Tell whether event triggers are there before or after *delta*, and must be paused."""
    return delta.kept_by_events or any(isinstance(unit, EventTriggers) for unit in delta.make)


def framed(body: Sequence[str], lock_timeout: float, events: bool, *, resume: bool = True) -> tuple[str, ...]:
    """Return the statements of a transaction around *body*.

    Args:
        lock_timeout: seconds.
        events: event triggers are there, which would refuse it, and are paused.
        resume: they go on after it.
    """
    frame = [
        "-- What was committed while this waited is seen.\nSET TRANSACTION ISOLATION LEVEL READ COMMITTED;\n",
        "-- All or nothing: an error where each statement is a transaction of its own.\nSAVEPOINT rlsguard;\n",
        read("each/session.sql"),
        f"SET LOCAL lock_timeout = '{int(lock_timeout * 1000)}ms';\n",
        "-- What waits for a lock lets others go first, as often as it takes.\nSET LOCAL statement_timeout = 0;\n",
        "-- One change of the guard at a time.\nSELECT pg_advisory_xact_lock(hashtextextended('rlsguard apply', 0));\n",
        read("each/become_owner.sql"),
        *([render.pause_event_triggers()] if events else ()),
        *body,
        *([render.resume_event_triggers()] if events and resume else ()),
        read("each/leave_owner.sql"),
    ]
    return tuple(remarked(statement) for part in frame for statement in split(part))


def within(statements: Sequence[str]) -> tuple[str, ...]:
    """Return *statements* for a transaction that goes on after them: with its settings as they were."""
    keep, give_back = split(read("each/keep_settings.sql"))
    return (keep, *statements, give_back)


def making(its: Sequence[Piece], release: Sequence[str] = ()) -> Iterator[str]:
    """Yield the SQL that makes *its* pieces and notes them."""
    for piece in _events_last(its):
        if piece.change.unit == "map" and release:
            setting = "SELECT set_config('rlsguard.release', {}, true);\n"
            yield text(sql.SQL(setting).format(render.array(release)))
        yield piece.up
        if piece.change.unit == "roles":
            yield read("each/become_owner.sql")
    gone = [piece.change.unit for piece in its if piece.change.action in ("remove", "forget")]
    yield from noted([piece.after for piece in its], gone, {piece.change.unit: piece.found for piece in its})


def undoing(its: Sequence[Piece], dropped: bool) -> Iterator[str]:
    """Yield the SQL that undoes *its* pieces; *dropped*: and with them the guard itself, which they have made."""
    for piece in _events_last(reversed(its)):
        yield piece.away
        yield piece.back
    if dropped:
        yield read("each/drop_guard.sql")
        return
    made = [piece for piece in its if piece.change.action in ("create", "replace") and not piece.stays]
    gone = [piece.change.unit for piece in made if piece.before is None]
    found = {p.change.unit: [None if p.after is None else recorded(p.after)] for p in its}
    yield from noted([piece.before for piece in its if not piece.stays], gone, found)


def _events_last(its: Iterable[Piece]) -> list[Piece]:
    """Return *its* pieces with event triggers behind all that these would refuse."""
    return sorted(its, key=lambda piece: isinstance(piece.after or piece.before, EventTriggers))


def noted(
    made: Sequence[Unit | None], gone: Sequence[str] = (), found: Mapping[str, Sequence[Any]] | None = None
) -> Iterator[str]:
    """Yield the SQL that notes in the manifest what was *made* and what is *gone*; *found*: as for `render.note`."""
    found = found or {}
    units = list({unit.unit: unit for unit in made if unit is not None}.values())
    if units:
        yield render.note(units, found)
    if gone:
        yield render.forget(gone, found)

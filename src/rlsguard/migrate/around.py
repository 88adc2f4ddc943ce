"""What goes before and after changes of the schema, in one transaction with them.

PostgreSQL refuses to drop a column that a policy or a view names, and to alter its type. What of the guard stands in
the way is found by making the changes and undoing them: the server names it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg import sql

from rlsguard import render
from rlsguard.apply import enter_owner, execute, look
from rlsguard.catalog.installed import Installed, load_installed
from rlsguard.datamap.model import DataMap
from rlsguard.delta import Delta
from rlsguard.migrate.statements import split
from rlsguard.migrate.steps import framed, has_events, making, noted, undoing, within
from rlsguard.names import Name, QualifiedName
from rlsguard.pieces import Piece, pieces, removing
from rlsguard.plan.event_triggers import EventTriggers
from rlsguard.plan.model import AuditTriggers, Protection, State, Unit, View
from rlsguard.plan.recorded import unit_of
from rlsguard.render.template import text
from rlsguard.sqlfiles import read
from rlsguard.undo import remove_view

_TABLES = """
SELECT c.oid::bigint, n.nspname, c.relname
FROM pg_catalog.pg_class AS c
JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p')
"""

# Columns that a change touches; None stands for all of a table's.
Touched = frozenset[tuple[QualifiedName, str | None]]


@dataclass(frozen=True, slots=True)
class SchemaChange:
    """A change of the schema, as SQL, and what it touches, as far as that is known before it is made."""

    sql: str
    touches: Touched = frozenset()


@dataclass(frozen=True, slots=True)
class Around:
    """What goes before and after schema changes, as statements.

    Attributes:
        taken_off: units that stand in their way, or go with a table that is dropped.
        before: takes those off that stand in their way.
        after: makes the guard what the map says.
        undo_after: undoes `after`; on the way back it comes first.
        undo_before: puts back what `before` took off; it comes last.
    """

    delta: Delta
    taken_off: tuple[Unit, ...]
    before: tuple[str, ...]
    after: tuple[str, ...]
    undo_after: tuple[str, ...]
    undo_before: tuple[str, ...]


def around(
    conn: psycopg.Connection[Any],
    datamap: DataMap,
    changes: Sequence[SchemaChange],
    *,
    prune: Collection[QualifiedName] = (),
    release: Sequence[str] = (),
    lock: bool = False,
    lock_timeout: float = 5.0,
) -> Around:
    """Return what goes around *changes* so that *datamap* is enforced after them; they are made here, and undone.

    Args:
        prune: as for `rlsguard.apply.apply`.
        release: the same.
        lock: begin, there and back, by locking all that the guard will.

    Raises:
        MapError: the map does not fit the changed schema.
        RlsguardError: the connected role lacks a right.
        psycopg.Error: the database refused a change, and not because of the guard.
    """
    installed, events = _standing(conn)
    units = _units(installed)
    tables = {oid: QualifiedName(schema, name) for oid, schema, name in conn.execute(_TABLES).fetchall()}
    touched: Touched = frozenset()
    while True:
        in_the_way = resting_on(units, touched)
        off = list(taking_off(in_the_way))
        before = framed(off, lock_timeout, events, resume=False) if in_the_way else ()
        with conn.transaction(force_rollback=True):
            for statement in within(before):
                conn.execute(statement)
            conn.execute("SELECT pg_catalog.set_config('lock_timeout', %s, true)", [f"{int(lock_timeout * 1000)}ms"])
            stopped = _make(conn, changes, touched, units)
            if stopped is None:
                delta = look(conn, datamap, prune=prune, release=release, lock_timeout=lock_timeout)
                stopped = _try(conn, delta, touched, units)
                if stopped is None:
                    # What a table had that was dropped goes with it, and must be made again with it.
                    forgotten = {entry.unit for entry in delta.forget}
                    gone = [unit for unit in units if unit.unit in forgotten and unit not in in_the_way]
                    lost = (*in_the_way, *gone)
                    if lock:
                        off = [*_locking(delta, lost, units, tables), *off]
                        before = framed(off, lock_timeout, events, resume=not in_the_way) if off else ()
                    return _around(
                        delta, within(before) if before else (), lost, installed, release, lock, lock_timeout
                    )
        touched |= stopped


def standing(conn: psycopg.Connection[Any]) -> tuple[tuple[Unit, ...], bool]:
    """Return the units of the guard as it stands, and whether it has event triggers."""
    installed, events = _standing(conn)
    return _units(installed), events


def _standing(conn: psycopg.Connection[Any]) -> tuple[Installed, bool]:
    with conn.transaction(force_rollback=True):
        conn.execute(read("each/session.sql"))
        enter_owner(conn)
        installed = load_installed(conn)
    return installed, any(name.startswith("event trigger ") for name in installed.objects)


def _units(installed: Installed) -> tuple[Unit, ...]:
    units = (unit_of(entry) for entry in installed.manifest.values() if not entry.table_gone)
    return tuple(unit for unit in units if unit is not None)


def resting_on(units: Iterable[Unit], touched: Touched) -> tuple[Unit, ...]:
    """Return those of *units* that keep *touched* columns from being dropped or altered, in their order of making."""
    units = tuple(units)

    def is_touched(table: QualifiedName, columns: Iterable[str]) -> bool:
        return (table, None) in touched or any((table, column) in touched for column in columns)

    states = [u for u in units if isinstance(u, State) and is_touched(u.subject, [u.key.name])]
    kinds = {state.kind for state in states}
    views = [
        u
        for u in units
        if isinstance(u, View)
        and (u.route.kind in kinds or any(is_touched(step.table, used) for step, used in u.route.columns_along))
    ]
    names = {view.name for view in views}
    protections = [
        u
        for u in units
        if isinstance(u, Protection)
        and any(
            is_touched(u.name, look.route.here_columns) or {look.suppressed, look.known} & names for look in u.lookups
        )
    ]
    return (*states, *views, *protections)


def taking_off(units: Sequence[Unit]) -> Iterator[str]:
    """Yield the SQL that drops the policies and views of *units*; row security stays on, so that nobody sees a row."""
    for unit in units:
        if isinstance(unit, Protection):
            for policy in unit.policies:
                drop = sql.SQL("DROP POLICY IF EXISTS {} ON {};\n")
                yield text(drop.format(Name(policy), unit.name.sql))
    for unit in units:
        if isinstance(unit, View):
            yield text(remove_view(unit.detail)) + ";\n"


def _make(
    conn: psycopg.Connection[Any], changes: Sequence[SchemaChange], touched: Touched, units: Sequence[Unit]
) -> Touched | None:
    """Make *changes*; return what that one touches which the guard stands in the way of, if there is one."""
    for change in changes:
        try:
            with conn.transaction():
                conn.execute(change.sql)
        except psycopg.errors.ActiveSqlTransaction:
            pass  # CONCURRENTLY: an index, which makes no difference here
        except (psycopg.errors.FeatureNotSupported, psycopg.errors.DependentObjectsStillExist) as error:
            stopped = change.touches | _told_by(conn, error)
            if len(resting_on(units, touched | stopped)) == len(resting_on(units, touched)):
                raise
            return stopped
    return None


def _told_by(conn: psycopg.Connection[Any], error: psycopg.Error) -> Touched:
    """Return the columns that policies and views of the guard's rest on, as far as *error* names both."""
    rows = conn.execute(read("migrate/in_the_way.sql"), [error.diag.message_detail]).fetchall()
    return frozenset((QualifiedName(schema, table), column) for schema, table, column in rows)


def _try(conn: psycopg.Connection[Any], delta: Delta, touched: Touched, units: Sequence[Unit]) -> Touched | None:
    """Return what those of *units* rest on that *delta* makes anew and cannot while they are in use, if it is so."""
    again = {unit.unit for unit in delta.make}
    stale = [unit for unit in units if unit.unit in again]
    states = {(unit.subject, unit.key.name) for unit in stale if isinstance(unit, State)}
    along = [step for unit in stale if isinstance(unit, View) for step in unit.route.columns_along]
    stopped = frozenset(states | {(step.table, column) for step, used in along for column in used})
    if stopped <= touched:
        return None
    try:
        with conn.transaction(force_rollback=True):
            execute(conn, delta)
    except (psycopg.errors.InvalidTableDefinition, psycopg.errors.DependentObjectsStillExist):
        return stopped
    return None


def _locking(
    delta: Delta, lost: Sequence[Unit], units: Iterable[Unit], tables: Mapping[int, QualifiedName]
) -> Iterator[str]:
    """Yield what locks all that *delta* will and that was *lost*, by the names that *units* and *tables* have."""
    if not delta.installed.manifest:  # there is nothing yet that anybody asks, nor what locks
        return
    its = [*lost, *delta.make]
    changed = {change.table for change in delta.changes}
    oids = {table.oid for name, table in delta.live.tables.items() if name in changed}
    oids |= {unit.oid for unit in its if isinstance(unit, Protection | AuditTriggers)}
    touched = {unit.unit for unit in its}
    names = {tables[oid] for oid in oids & tables.keys()}
    names |= {unit.name for unit in units if isinstance(unit, State | View) and unit.unit in touched}
    if names:
        listed = sql.SQL(", ").join(sql.Literal(str(name)) for name in sorted(names))
        yield text(sql.SQL("CALL rlsguard.lock_table({});\n").format(listed))


def _around(
    delta: Delta,
    before: tuple[str, ...],
    lost: tuple[Unit, ...],
    standing: Installed,
    release: Sequence[str],
    lock: bool,
    lock_timeout: float,
) -> Around:
    its = [piece for piece in pieces(delta, names_go_back=True) if piece.up or piece.change.action == "forget"]
    if not its:
        return Around(delta, lost, before, (), (), ())
    events = has_events(delta)
    after = within(framed(list(making(its, release)), lock_timeout, events))
    if not delta.installed.manifest:
        undo = framed(list(undoing(its, True)), lock_timeout, events)
        return Around(delta, lost, before, after, within((*undo, *split(read("each/drop_roles.sql")))), ())
    away, back = _undoing(delta, its, lost, standing)
    if lock:
        now = {table.oid: table.name for table in delta.live.tables.values()}
        away = [*_locking(delta, lost, delta.plan.units, now), *away]
    return Around(
        delta,
        lost,
        before,
        after,
        within(framed(away, lock_timeout, events, resume=not back)),
        within(framed(back, lock_timeout, events)) if back else (),
    )


def _undoing(
    delta: Delta, its: Sequence[Piece], lost: Sequence[Unit], standing: Installed
) -> tuple[list[str], list[str]]:
    """Return what undoes *its* pieces before the changes themselves are undone, and after: names are others by then.

    Args:
        lost: units that were taken off, or went with their tables.
        standing: all that there was.
    """
    names = {unit.unit for unit in lost}
    was = {(type(unit), unit.oid): unit for unit in _units(standing) if isinstance(unit, Protection | AuditTriggers)}
    away: list[str] = []
    put_back = {unit.unit: unit for unit in lost}
    gone: list[str] = []
    others: list[Piece] = []
    for piece in its:
        unit = piece.after or piece.before
        if not isinstance(unit, Protection | AuditTriggers):
            others += [piece] if piece.change.unit not in names else []
            gone += [piece.change.unit] if piece.change.action == "create" else []
            continue
        before = was.get((type(unit), unit.oid))
        if before is None and standing.entry_of(unit.detail["kind"], unit.oid) is not None:
            continue  # made by an event trigger, and no more is known of it
        if before is not None:
            if before.unit == unit.unit and before.unit not in names and piece.stays:
                continue
            put_back[before.unit] = before
        if piece.after is not None:
            # Policies first: they ask views.
            away += [text(statement) + ";\n" for statement in removing(unit)]
            gone.append(unit.unit)
    away += taking_off([unit for unit in delta.plan.units if isinstance(unit, View) and unit.unit in names])
    away += [piece.away for piece in reversed(others)]
    events = [piece for piece in others if isinstance(piece.before, EventTriggers)]
    back = [piece.back for piece in reversed(others) if piece not in events]
    for kind in (State, View, Protection, AuditTriggers):
        back += [render.statements(unit) for unit in put_back.values() if isinstance(unit, kind)]
    back += [piece.back for piece in events]  # they would refuse what comes after them
    changed = [piece.before for piece in others if not piece.stays]
    notes = [*noted([*changed, *put_back.values()], [unit for unit in gone if unit not in put_back])]
    return (away, [*back, *notes]) if any(back) else ([*away, *notes], [])

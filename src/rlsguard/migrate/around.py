"""What goes before and after changes of the schema, in one transaction with them.

PostgreSQL refuses to drop a column that a policy or a view names, and to alter its type. What of the guard stands in
the way is found by making the changes and undoing them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import psycopg
from psycopg import sql

from rlsguard import render
from rlsguard.apply import enter_owner, look
from rlsguard.catalog.installed import load_installed
from rlsguard.datamap.model import DataMap
from rlsguard.delta import Delta
from rlsguard.migrate.statements import split
from rlsguard.migrate.steps import framed, has_events, making, noted, undoing, within
from rlsguard.names import Name, QualifiedName
from rlsguard.pieces import pieces
from rlsguard.plan.model import Grants, MapRows, Protection, State, Unit, View
from rlsguard.plan.recorded import unit_of
from rlsguard.render.template import text
from rlsguard.sqlfiles import read
from rlsguard.undo import remove_view

# Columns that a change touches; None stands for all of a table's.
Touched = frozenset[tuple[QualifiedName, str | None]]


@dataclass(frozen=True, slots=True)
class SchemaChange:
    """A change of the schema, as SQL, and what it touches."""

    sql: str
    touches: Touched


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
    conn: psycopg.Connection[Any], datamap: DataMap, changes: Sequence[SchemaChange], *, lock_timeout: float = 5.0
) -> Around:
    """Return what goes around *changes* so that *datamap* is enforced after them; they are made here, and undone.

    Raises:
        MapError: the map does not fit the changed schema.
        RlsguardError: the connected role lacks a right.
        psycopg.Error: the database refused a change, and not because of the guard.
    """
    units, events = standing(conn)
    touched: Touched = frozenset()
    while True:
        in_the_way = resting_on(units, touched)
        before = within(framed(list(taking_off(in_the_way)), lock_timeout, events, resume=False)) if in_the_way else ()
        with conn.transaction(force_rollback=True):
            for statement in before:
                conn.execute(statement)
            conn.execute("SELECT pg_catalog.set_config('lock_timeout', %s, true)", [f"{int(lock_timeout * 1000)}ms"])
            stopped = _make(conn, changes, touched, units)
            if stopped is None:
                delta = look(conn, datamap, lock_timeout=lock_timeout)
                # What a table had that was dropped goes with it, and must be made again with it.
                forgotten = {entry.unit for entry in delta.forget}
                lost = [unit for unit in units if unit.unit in forgotten and unit not in in_the_way]
                return _around(delta, before, (*in_the_way, *lost), touched, lock_timeout)
        touched |= stopped


def standing(conn: psycopg.Connection[Any]) -> tuple[tuple[Unit, ...], bool]:
    """Return the units of the guard as it stands, and whether it has event triggers."""
    with conn.transaction(force_rollback=True):
        conn.execute(read("each/session.sql"))
        enter_owner(conn)
        installed = load_installed(conn)
    units = (unit_of(entry) for entry in installed.manifest.values() if not entry.table_gone)
    events = any(name.startswith("event trigger ") for name in installed.objects)
    return tuple(unit for unit in units if unit is not None), events


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
        except (psycopg.errors.FeatureNotSupported, psycopg.errors.DependentObjectsStillExist):
            if len(resting_on(units, touched | change.touches)) == len(resting_on(units, touched)):
                raise
            return change.touches
    return None


def _around(
    delta: Delta, before: tuple[str, ...], lost: Sequence[Unit], touched: Touched, lock_timeout: float
) -> Around:
    events = has_events(delta)
    new = not delta.installed.manifest
    its = [piece for piece in pieces(delta) if piece.up or piece.change.action == "forget"]
    if not its:
        return Around(delta, tuple(lost), before, (), (), ())
    # On the way back, some of this names tables and columns that are only there again once the changes are undone.
    names = {unit.unit for unit in lost}
    later = [piece for piece in its if isinstance(piece.before, Grants | MapRows) and not piece.stays]
    sooner = [replace(p, back="", before=None) if p in later else p for p in its if p.change.unit not in names]
    # First what the rest would stand on.
    off = resting_on(delta.plan.units, touched)
    off += tuple(u for u in delta.plan.units if isinstance(u, Protection) and u.unit in names and u not in off)
    put_back = [*(piece.back for piece in later), *(render.statements(unit) for unit in lost)]
    put_back += noted([*(piece.before for piece in later), *lost])
    undo_after = framed([*taking_off(off), *undoing(sooner, new)], lock_timeout, events, resume=not put_back)
    undo_after += split(read("each/drop_roles.sql")) if new else ()
    return Around(
        delta,
        tuple(lost),
        before,
        within(framed(list(making(its)), lock_timeout, events)),
        within(undo_after),
        within(framed(put_back, lock_timeout, events)) if put_back else (),
    )

"""What shows rows of a table beside the table itself: views, materialised views, definer functions."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from psycopg import sql
from sqlglot import exp, parse_one
from sqlglot.errors import SqlglotError

from rlsguard.prove.routines import key_of
from rlsguard.prove.scene import Scene
from rlsguard.prove.target import Target
from rlsguard.prove.windows import key_in


@dataclass(frozen=True, slots=True)
class Way:
    """Something that shows rows of a table.

    Attributes:
        readers: who may use it.
        key: its columns with the table's key.
        why_not: why it cannot be tried where there is no key.
        row_by_row: whether it shows each row of the table, or not, for the row's own sake.
    """

    path: str
    relation: sql.Composable
    readers: frozenset[str]
    key: tuple[str, ...]
    why_not: str
    row_by_row: bool


def ways(scene: Scene, target: Target) -> Iterator[Way]:
    """Yield what shows rows of *target* to anybody."""
    windows = {window.name: window for window in scene.windows}
    for window in scene.windows:
        if target.table.oid in window.bases:
            kind = "materialised view" if window.copies else "view"
            readers = frozenset(one.name for one in scene.probers if one.right(window.oid).reads)
            key = key_in(window, target.table.name, target.key_columns, scene.catalog, windows)
            why_not = "its columns do not tell rows of the table apart"
            alone = row_by_row(window.definition)
            yield Way(f"{kind} {window.name}", window.name.sql, readers, key, why_not, alone)
    for routine in scene.routines:
        if target.table.oid in routine.tables and not routine.trigger:
            key = key_of(routine, target, scene.catalog, windows) if routine.harmless else ()
            why_not = (
                "its result does not tell rows of the table apart"
                if routine.harmless
                else "it is not called: it needs arguments, returns no rows, or may change something"
            )
            relation = sql.SQL("{}()").format(routine.name.sql)
            path = f"{routine.kind.lower()} {routine.signature}"
            yield Way(path, relation, frozenset(routine.callers), key, why_not, False)


def row_by_row(definition: str) -> bool:
    """Tell whether a view is a plain selection from one table: then no row is in it for another row's sake."""
    try:
        query = parse_one(definition, dialect="postgres")
    except SqlglotError:
        return False
    beyond = (
        exp.Join,
        exp.Group,
        exp.AggFunc,
        exp.Window,
        exp.Distinct,
        exp.Limit,
        exp.Fetch,
        exp.Subquery,
        exp.Exists,
    )
    return isinstance(query, exp.Select) and query.find(*beyond) is None and len(list(query.find_all(exp.Select))) == 1

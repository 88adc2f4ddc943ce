"""Tables that lead to people, or look like copies of protected ones, and that the map does not mention."""

from __future__ import annotations

from collections.abc import Iterator

from psycopg.rows import tuple_row

from rlsguard.catalog.model import Table
from rlsguard.check import kinds
from rlsguard.check.model import Finding
from rlsguard.check.scene import Scene
from rlsguard.names import QualifiedName, quote
from rlsguard.plan.model import MapRows
from rlsguard.sqlfiles import read

# Names of columns that say nothing of what they identify.
_ANYTHING = {"id", "key", "uuid", "guid", "code", "name", "number", "nr", "no", "value"}


def check(scene: Scene) -> Iterator[Finding]:
    """Name them, whoever may read them now; one that was reviewed, and is about nobody, the map says so of."""
    found = dict(_alike(scene)) | dict(_leading(scene))
    for name, why in sorted(found.items()):
        mend = f"Put {name} into the map; if it was reviewed, and is about nobody: {{holds: []}}"
        yield scene.finding(kinds.UNMAPPED, f"table {name}", f"{why}; the map does not say what it holds.", mend)


def _leading(scene: Scene) -> Iterator[tuple[QualifiedName, str]]:
    """Yield those from which a foreign key, or a column of a key's name and type, leads to people."""
    keys = [row for unit in scene.wanted.units if isinstance(unit, MapRows) for row in unit.subjects]
    telling = [row for row in keys if row.key.lower() not in _ANYTHING]
    tables = scene.catalog.tables
    params = {
        "protected": [*scene.protected, *(tables[row.table].oid for row in keys)],
        "mapped": [*(tables[n].oid for n in scene.datamap.tables if n in tables), *scene.protected],
        "names": [row.key for row in telling],
        "types": [row.type.sql for row in telling],
    }
    with scene.surroundings.session.conn.cursor(row_factory=tuple_row) as cursor:
        rows = cursor.execute(read("prove/around/copies.sql"), params).fetchall()
    for schema, table, constraint, column, _ in rows:
        if constraint:
            yield QualifiedName(schema, table), f"its foreign key {quote(constraint)} leads to people"
        elif column:
            yield (
                QualifiedName(schema, table),
                f"its column {quote(column)} is called like a key of people, and of its type",
            )


def _alike(scene: Scene) -> Iterator[tuple[QualifiedName, str]]:
    """Yield those with every column of a protected table, by name and type, or with those that lead to its people."""
    tables = scene.catalog.tables
    shapes: dict[frozenset[tuple[str, str]], str] = {}
    for protection in scene.protected.values():
        whole = _shape(tables[protection.name])
        shapes.setdefault(whole, f"it has all the columns of {protection.name}")
        for look in protection.lookups:
            entry = frozenset(one for one in whole if one[0] in look.route.here_columns)
            if any(name.lower() not in _ANYTHING for name, _ in entry):
                listed = ", ".join(quote(name) for name in look.route.here_columns)
                shapes.setdefault(entry, f"it has {listed}, by which rows of {protection.name} lead to people")
    for table in tables.values():
        outside = table.oid not in scene.protected and table.name not in scene.datamap.tables and table.kind in "rpf"
        if outside and table.name.schema not in ("rlsguard", "rlsguard_views"):
            here = _shape(table)
            why = next((why for shape, why in shapes.items() if shape <= here), None)
            if why is not None:
                yield table.name, why


def _shape(table: Table) -> frozenset[tuple[str, str]]:
    return frozenset((name, column.type.sql) for name, column in table.columns.items())

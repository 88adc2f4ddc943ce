"""Tables outside the map that may hold what it protects."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from psycopg.rows import tuple_row

from rlsguard.catalog.model import Table
from rlsguard.names import QualifiedName, quote
from rlsguard.plan.model import MapRows
from rlsguard.prove.model import Assumption
from rlsguard.prove.scene import Scene
from rlsguard.sqlfiles import read


def unmapped(scene: Scene) -> Iterator[Assumption]:
    """Name tables that the map does not mention, and that lead to people or are like a protected one."""
    leading = {one.about: one for one in _leading(scene)}
    yield from leading.values()
    yield from (one for one in _alike(scene) if one.about not in leading)


def leading(
    scene: Scene, tells: Callable[[str], bool] = lambda column: True
) -> Iterator[tuple[QualifiedName, str, str, list[str]]]:
    """Yield tables outside the map that lead to people: by a foreign key, or by a column of a key's name and type.

    With each come the constraint's name, the column's, each empty where there is none, and who reads the table.

    Args:
        tells: whether the name of a key's column says enough to look for others of that name.
    """
    keys = [row for unit in scene.wanted.units if isinstance(unit, MapRows) for row in unit.subjects]
    mapped = [scene.catalog.tables[n].oid for n in scene.datamap.tables if n in scene.catalog.tables]
    params = {
        "protected": [*scene.protected, *(scene.catalog.tables[row.table].oid for row in keys)],
        "mapped": [*mapped, *scene.protected],
        "names": [row.key for row in keys if tells(row.key)],
        "types": [row.type.sql for row in keys if tells(row.key)],
    }
    with scene.session.conn.cursor(row_factory=tuple_row) as cursor:
        rows = cursor.execute(read("prove/around/copies.sql"), params).fetchall()
    for schema, table, constraint, column, readers in rows:
        if constraint or column:
            yield QualifiedName(schema, table), constraint, column, readers


def _leading(scene: Scene) -> Iterator[Assumption]:
    """Name those that lead to people, as far as keys and names tell."""
    for table, constraint, column, readers in leading(scene):
        roles = scene.held_among(readers)
        if not roles:
            continue
        what = f"a foreign key ({quote(constraint)})" if constraint else f"a column {quote(column)}"
        text = (
            f"it has {what} that leads to people, and {', '.join(map(quote, roles))} may read it;"
            " it is not in the map, so it is taken to hold nothing personal."
        )
        yield Assumption(f"table {table}", text)


def _alike(scene: Scene) -> Iterator[Assumption]:
    """Name those with the columns of a protected one, or those of them that lead to people, by name and type."""
    readers = {oid: names for oid, _, names in scene.session.file("around/readers")}
    shapes = [
        (protection, shape_of(scene.catalog.tables[protection.name]))
        for protection in scene.protected.values()
        if protection.lookups
    ]
    for table in scene.catalog.tables.values():
        roles = scene.held_among(readers.get(table.oid, ()))
        outside = table.oid not in scene.protected and table.name not in scene.datamap.tables and table.kind in "rpf"
        if not outside or not roles:
            continue
        here = shape_of(table)
        like = [f"all the columns of {protection.name}" for protection, shape in shapes if shape <= here]
        like += [
            f"{', '.join(map(quote, look.route.here_columns))}, by which rows of {protection.name} lead to people"
            for protection, shape in shapes
            for look in protection.lookups
            # half the world's tables have a column called id
            if look.route.here_columns != ("id",)
            and {one for one in shape if one[0] in look.route.here_columns} <= here
        ]
        if like:
            text = (
                f"it has {like[0]}, and {', '.join(map(quote, roles))} may read it;"
                " it is not in the map, so it is taken to be no copy."
            )
            yield Assumption(f"table {table.name}", text)


def shape_of(table: Table) -> frozenset[tuple[str, str]]:
    """Return the columns of *table* by name and type: a copy has at least those."""
    return frozenset((name, column.type.sql) for name, column in table.columns.items())


def to_come(scene: Scene) -> Iterator[Assumption]:
    """Name roles whose new tables can be read at once by somebody who is held: the map knows nothing of these."""
    for owner, schema, readers in scene.session.file("around/default_rights"):
        roles = scene.held_among(readers)
        if roles:
            where = f" in schema {quote(schema)}" if schema else ""
            text = (
                f"{', '.join(map(quote, roles))} may read every table that it makes{where}, from the first moment:"
                " it is taken to make none with data about people before the map has them."
            )
            yield Assumption(f"default privileges of {quote(owner)}", text)


def large_objects(scene: Scene) -> Iterator[Assumption]:
    """Say how many large objects can be read by somebody who is held: they have rights, but no policies."""
    for reader, many in scene.session.file("around/large_objects"):
        roles = scene.held_among([reader])
        if roles:
            text = (
                f"{', '.join(map(quote, roles))} may read {many} of them, by the rights of"
                f" {reader if reader == 'PUBLIC' else quote(reader)}: they are taken to hold nothing personal."
            )
            yield Assumption("large objects", text)

"""Tables that lead to people, or look like copies of protected ones, and that the map does not mention."""

from __future__ import annotations

from collections.abc import Iterator

from rlsguard.check import kinds
from rlsguard.check.model import Finding
from rlsguard.check.scene import Scene
from rlsguard.names import QualifiedName, quote
from rlsguard.prove.around.copies import leading, shape_of

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
    for table, constraint, column, _ in leading(scene.surroundings, tells):
        if constraint:
            yield table, f"its foreign key {quote(constraint)} leads to people"
        else:
            yield table, f"its column {quote(column)} has the name and the type of a person's key"


def tells(column: str) -> bool:
    """Tell whether the name of a key says what it identifies."""
    return column.lower() not in _ANYTHING


def _alike(scene: Scene) -> Iterator[tuple[QualifiedName, str]]:
    """Yield those with every column of a protected table, by name and type, or with those that lead to its people."""
    tables = scene.catalog.tables
    shapes: dict[frozenset[tuple[str, str]], str] = {}
    for protection in scene.protected.values():
        whole = shape_of(tables[protection.name])
        shapes.setdefault(whole, f"it has all the columns of {protection.name}")
        for look in protection.lookups:
            entry = frozenset(one for one in whole if one[0] in look.route.here_columns)
            if any(tells(name) for name, _ in entry):
                listed = ", ".join(quote(name) for name in look.route.here_columns)
                shapes.setdefault(entry, f"it has {listed}, by which rows of {protection.name} lead to people")
    for table in tables.values():
        outside = table.oid not in scene.protected and table.name not in scene.datamap.tables and table.kind in "rpf"
        if outside and table.name.schema not in ("rlsguard", "rlsguard_views"):
            here = shape_of(table)
            why = next((why for shape, why in shapes.items() if shape <= here), None)
            if why is not None:
                yield table.name, why

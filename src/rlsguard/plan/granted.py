"""What the guard may read of users' tables, to follow paths: as rights, wherever they come from."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass

from rlsguard.names import QualifiedName
from rlsguard.plan.model import Grants, Unit, View


@dataclass(frozen=True, slots=True)
class Granted:
    """Rights of the guard to what is the user's.

    Attributes:
        columns: that rlsguard_owner reads.
        schemas: that it looks into.
        type_schemas: that rlsguard_nobody looks into, for the types of keys.
        hops: tables with a policy that lets it see their rows.
    """

    columns: tuple[tuple[QualifiedName, str], ...] = ()
    schemas: tuple[str, ...] = ()
    type_schemas: tuple[str, ...] = ()
    hops: tuple[QualifiedName, ...] = ()

    def __bool__(self) -> bool:
        return self != NOTHING_GRANTED

    def beyond(self, other: Granted) -> Granted:
        """Return what of this *other* does not have."""
        return Granted(
            tuple(column for column in self.columns if column not in other.columns),
            tuple(schema for schema in self.schemas if schema not in other.schemas),
            tuple(schema for schema in self.type_schemas if schema not in other.type_schemas),
            tuple(table for table in self.hops if table not in other.hops),
        )

    def found(self, objects: Collection[str]) -> Granted:
        """Return what of this is there, by what the catalog shows, *objects*."""
        return Granted(
            tuple((t, column) for t, column in self.columns if f"grant {t.schema}.{t.name}.{column}" in objects),
            tuple(schema for schema in self.schemas if f"usage {schema}" in objects),
            tuple(schema for schema in self.type_schemas if f"nobody's usage {schema}" in objects),
            tuple(t for t in self.hops if f"policy {t.schema}.{t.name} rlsguard hop" in objects),
        )


NOTHING_GRANTED = Granted()


def granted_for(units: Iterable[Unit | None]) -> Granted:
    """Return what *units* are granted, or need: their grants, and what their views read."""
    columns: dict[tuple[QualifiedName, str], None] = {}
    schemas: dict[str, None] = {}
    types: dict[str, None] = {}
    hops: dict[QualifiedName, None] = {}
    for unit in units:
        if isinstance(unit, View):
            along = [(step.table, column) for step, used in unit.route.columns_along for column in used]
            columns.update(dict.fromkeys(along))
            schemas.update(dict.fromkeys(table.schema for table, _ in along))
        elif isinstance(unit, Grants):
            columns.update(dict.fromkeys((t.table, column) for t in unit.tables for column in t.columns))
            schemas.update(dict.fromkeys(unit.schemas))
            types.update(dict.fromkeys(unit.type_schemas))
            hops.update(dict.fromkeys(t.table for t in unit.tables if t.let_guard_in))
    return Granted(tuple(columns), tuple(schemas), tuple(types), tuple(hops))

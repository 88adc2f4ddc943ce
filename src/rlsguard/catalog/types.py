"""Column types: what a domain stands for, and which `=` compares the values."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from rlsguard.catalog.model import Type


class TypeRow(NamedTuple):
    """A row of `sql/catalog/types.sql`.

    `base` is what a domain is made over; `parts` are the types of an array's elements or a composite's fields;
    `equality` and `compared_as` are the schema of the btree `=` and the type that it is declared for.
    """

    oid: int
    sql: str
    category: str
    base: int | None
    parts: list[int]
    equality: str | None
    compared_as: str | None


class Types:
    """The types of a database by OID."""

    def __init__(self, rows: Iterable[TypeRow]) -> None:
        self._rows = {row.oid: row for row in rows}
        self._made: dict[tuple[int, str], Type] = {}

    def get(self, oid: int, declared: str) -> Type:
        """Return the type with *oid* as a column declares it."""
        key = (oid, declared)
        if key not in self._made:
            row = self._base(oid)
            # The `=` of enums does not take a domain over one, not even with itself: it is declared for anyenum.
            comparable = self._has_equality(row) and not (row.oid != oid and row.category == "E")
            equality = row.equality if comparable else None
            self._made[key] = Type(row.sql, declared, row.category, equality, row.compared_as or row.sql)
        return self._made[key]

    def _base(self, oid: int) -> TypeRow:
        row = self._rows[oid]
        return row if row.base is None else self._base(row.base)

    def _has_equality(self, row: TypeRow) -> bool:
        return row.equality is not None and all(self._has_equality(self._base(part)) for part in row.parts)

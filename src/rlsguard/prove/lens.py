"""How one role can tell the rows of one table apart: by their place, or by a key that it may read."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from psycopg import sql

from rlsguard.names import Name, QualifiedName
from rlsguard.people import RowId, text_of
from rlsguard.prove.roles import Rights
from rlsguard.prove.target import Target

_BETWEEN = "\x1f"


@dataclass(frozen=True, slots=True)
class Lens:
    """Expressions over a relation with the alias `t` that shows rows of *target*.

    Attributes:
        relation: the table itself, a partition or parent of it, a view over it, a call of a function.
        identity: text that tells a row from all others.
        known: the rows of the sample by that text.
        key: the relation's columns that hold the table's key; none where rows are told by their place.
    """

    target: Target
    relation: sql.Composable
    identity: sql.Composable
    known: Mapping[str, RowId]
    key: tuple[str, ...]

    @property
    def by_place(self) -> bool:
        """Whether rows are told apart by tableoid and ctid."""
        return not self.key

    def where(self, rows: Collection[RowId]) -> sql.Composable:
        """Return a condition that finds *rows* without reading the whole table, and maybe a few rows beside them."""
        if self.by_place:
            return sql.SQL("t.ctid = ANY ({}::tid[])").format(sql.Literal(sorted({row.place for row in rows})))
        if not rows:
            return sql.SQL("false")
        names = _listed([sql.SQL("t.{}").format(Name(name)) for name in self.key])
        values = [_listed([*map(self._typed, self.target.key_columns, self.target.keys[row])]) for row in sorted(rows)]
        return sql.SQL("({}) IN ({})").format(
            names, sql.SQL(", ").join([sql.SQL("({})").format(value) for value in values])
        )

    def _typed(self, column: str, value: str) -> sql.Composable:
        return sql.SQL("{}::{}").format(sql.Literal(value), sql.SQL(self.target.table.columns[column].type.declared))

    def seen(self, found: Iterable[Any]) -> frozenset[RowId]:
        """Return the rows of the sample among *found*, texts of `identity`."""
        return frozenset(self.known[text] for text in found if text in self.known)


def table_lens(target: Target, rights: Rights, relation: QualifiedName | None = None) -> Lens | None:
    """Return how a role with *rights* tells rows of *relation* apart.

    That is the table, or one that it is a partition or parent of. None where the role
    may not read enough for that: system columns can be read with SELECT on the whole table only.
    """
    name = (relation or target.table.name).sql
    if rights.whole:
        identity = sql.SQL("t.tableoid::oid::text || ' ' || t.ctid::text")
        return Lens(target, name, identity, {f"{row.table} {row.place}": row for row in target.rows}, ())
    if target.key_columns and rights.select.issuperset(target.key_columns):
        return key_lens(target, name, target.key_columns)
    return None


def key_lens(target: Target, relation: sql.Composable, key: tuple[str, ...]) -> Lens:
    """Return how to tell rows apart in *relation* by its columns *key*, which stand for the table's `key_columns`."""
    between = sql.SQL(" || {} || ").format(sql.Literal(_BETWEEN))
    types = [target.table.columns[column].type.sql for column in target.key_columns]
    first, *more = [text_of(Name("t", column), type_sql) for column, type_sql in zip(key, types, strict=True)]
    texts = sql.Composed([first, *(part for text in more for part in (between, text))])
    return Lens(target, relation, texts, {_BETWEEN.join(values): row for row, values in target.keys.items()}, key)


def _listed(parts: Sequence[sql.Composable]) -> sql.Composed:
    return sql.SQL(", ").join(list(parts))

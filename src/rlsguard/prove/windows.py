"""Views and materialised views over protected tables, and which of their columns hold a table's key."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from sqlglot import exp
from sqlglot.errors import SqlglotError
from sqlglot.lineage import lineage

from rlsguard.catalog.model import Catalog
from rlsguard.names import QualifiedName
from rlsguard.prove.session import Session


@dataclass(frozen=True, slots=True)
class Window:
    """A view, or a materialised view, that shows rows of protected tables.

    Attributes:
        copies: whether it is materialised.
        bases: OIDs of the protected tables that it reads, at any remove.
        reads: OIDs of the relations that it reads directly.
        as_invoker: whether it has security_invoker set.
        readers: roles other than the owner that were granted SELECT; PUBLIC among them.
    """

    oid: int
    name: QualifiedName
    copies: bool
    bases: frozenset[int]
    as_invoker: bool
    owner: str
    reads: frozenset[int]
    definition: str
    columns: tuple[str, ...]
    readers: tuple[str, ...]


def windows(session: Session, tables: Collection[int]) -> tuple[Window, ...]:
    """Return every window on *tables*, by name."""
    return tuple(
        Window(oid, QualifiedName(schema, name), copies, frozenset(bases), invoker, owner, frozenset(reads), definition,
               tuple(columns), tuple(readers))
        for oid, schema, name, copies, bases, invoker, owner, reads, definition, columns, readers
        in session.file("windows", [list(tables)])
    )  # fmt: skip


def key_in(
    window: Window, table: QualifiedName, key: Collection[str], catalog: Catalog, others: Mapping[QualifiedName, Window]
) -> tuple[str, ...]:
    """Return the columns of *window* that hold the columns *key* of *table*, or nothing where that cannot be told.

    By name alone it cannot: half the world's tables have a column called id.

    Args:
        others: all windows, for those that read others.
    """
    origins = {column: _origin(window, column, catalog, others) for column in window.columns}
    found = tuple(next((name for name, at in origins.items() if at == (table, part)), "") for part in key)
    return found if all(found) else ()


def _origin(
    window: Window, column: str, catalog: Catalog, others: Mapping[QualifiedName, Window]
) -> tuple[QualifiedName, str] | None:
    """Return the table's column that *column* is, unless it is anything else but one column of one table."""
    schema: dict[str, dict[str, dict[str, str]]] = {}
    for name, table in catalog.tables.items():
        if table.oid in window.reads:
            columns = {_quoted(column): "text" for column in table.columns}
            schema.setdefault(_quoted(name.schema), {})[_quoted(name.name)] = columns
    try:
        nodes = list(lineage(_quoted(column), window.definition, schema=schema, dialect="postgres").walk())
    except (SqlglotError, ValueError, KeyError):
        return None
    leaves = [node for node in nodes if not node.downstream]
    source = leaves[0].expression
    if len(leaves) != 1 or not isinstance(source, exp.Table):
        return None
    if not all(isinstance(node.expression.unalias(), exp.Column) for node in nodes if node.downstream):
        return None
    at = QualifiedName(source.db, source.name)
    there = exp.to_column(leaves[0].name, dialect="postgres").name
    inner = others.get(at)
    return (at, there) if inner is None else _origin(inner, there, catalog, others)


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'

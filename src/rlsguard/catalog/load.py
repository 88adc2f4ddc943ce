"""The catalog of a live database, read with a fixed number of queries, however many tables there are."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from itertools import takewhile
from typing import Any

import psycopg
from psycopg.pq import TransactionStatus
from psycopg.rows import tuple_row

from rlsguard.catalog.model import Catalog, Column, DatabaseRole, ForeignKey, Policy, Table
from rlsguard.catalog.types import TypeRow, Types
from rlsguard.names import QualifiedName
from rlsguard.sqlfiles import read

_Rows = list[tuple[Any, ...]]


def load(conn: psycopg.Connection[Any]) -> Catalog:
    """Read what is in the database of *conn*; any role may do it.

    Where *conn* is idle, everything is read from one snapshot. Otherwise it is read in the caller's transaction, and
    so with the isolation of that. The connection's settings are left as they were.

    Raises:
        psycopg.Error: the connection is broken, or its transaction has failed already.
    """
    idle = conn.info.transaction_status == TransactionStatus.IDLE
    # Nothing is written: to roll back is to put search_path back, in a transaction of ours as in the caller's.
    with conn.transaction(force_rollback=True), conn.cursor(row_factory=tuple_row) as cur:
        if idle:
            cur.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        # With nothing else in sight, the server qualifies every name of a type that is not its own.
        cur.execute("SET LOCAL search_path = pg_catalog, pg_temp")
        return _assemble({name: cur.execute(read(f"catalog/{name}.sql")).fetchall() for name in _QUERIES})


_QUERIES = (
    "database",
    "roles",
    "tables",
    "columns",
    "types",
    "inheritance",
    "policies",
    "indexes",
    "foreign_keys",
    "subscribed",
)


def _assemble(rows: dict[str, _Rows]) -> Catalog:
    ((server_version, database, user, today),) = rows["database"]
    names = {oid: QualifiedName(schema, name) for oid, schema, name, *_ in rows["tables"]}
    columns = _columns(rows["columns"], Types(map(TypeRow._make, rows["types"])))
    parents, children = _inheritance(rows["inheritance"], names)
    policies = _grouped(rows["policies"])
    unique_keys, index_prefixes = _indexes(rows["indexes"])
    foreign_keys = _grouped(rows["foreign_keys"])
    tables = {
        names[oid]: Table(
            oid=oid,
            name=names[oid],
            kind=kind,
            owner=owner,
            persistence=persistence,
            is_partition=is_partition,
            parents=tuple(parents[oid]),
            children=tuple(sorted(children[oid])),
            row_security=row_security,
            force_row_security=force,
            columns=columns[oid],
            policies=tuple(
                Policy(name, permissive, command, tuple(who)) for name, permissive, command, who in policies[oid]
            ),
            unique_keys=frozenset(unique_keys[oid]),
            index_prefixes=frozenset(index_prefixes[oid]),
            foreign_keys=tuple(map(_foreign_key, foreign_keys[oid])),
            truncate_grantees=tuple(truncate),
        )
        for oid, _, _, kind, owner, persistence, is_partition, row_security, force, truncate in rows["tables"]
    }
    return Catalog(
        server_version=server_version,
        database=database,
        user=user,
        today=today,
        roles={name: DatabaseRole(name, *flags) for name, *flags in rows["roles"]},
        tables=tables,
        subscribed=frozenset(names[oid] for (oid,) in rows["subscribed"] if oid in names),
    )


def _grouped(rows: _Rows) -> defaultdict[int, _Rows]:
    """Group *rows* by their first value, a relation's OID, and leave it off."""
    groups: defaultdict[int, _Rows] = defaultdict(list)
    for oid, *rest in rows:
        groups[oid].append(tuple(rest))
    return groups


def _columns(rows: _Rows, types: Types) -> defaultdict[int, dict[str, Column]]:
    columns: defaultdict[int, dict[str, Column]] = defaultdict(dict)
    for oid, name, type_oid, declared, not_null, schema, collation, type_owner in rows:
        collated = None if collation is None else QualifiedName(schema, collation)
        columns[oid][name] = Column(name, types.get(type_oid, declared), not_null, collated, type_owner)
    return columns


def _inheritance(
    rows: _Rows, names: dict[int, QualifiedName]
) -> tuple[defaultdict[int, list[QualifiedName]], defaultdict[int, list[QualifiedName]]]:
    parents: defaultdict[int, list[QualifiedName]] = defaultdict(list)
    children: defaultdict[int, list[QualifiedName]] = defaultdict(list)
    for child, parent in rows:
        # Indexes inherit too, and a temporary table may inherit from a lasting one.
        if child in names and parent in names:
            parents[child].append(names[parent])
            children[parent].append(names[child])
    return parents, children


def _indexes(rows: _Rows) -> tuple[defaultdict[int, set[frozenset[str]]], defaultdict[int, set[tuple[str, ...]]]]:
    unique_keys: defaultdict[int, set[frozenset[str]]] = defaultdict(set)
    prefixes: defaultdict[int, set[tuple[str, ...]]] = defaultdict(set)
    for oid, unique, columns in rows:
        prefix = tuple(_leading(columns))
        if prefix:
            prefixes[oid].add(prefix)
        if unique and len(prefix) == len(columns):
            unique_keys[oid].add(frozenset(prefix))
    return unique_keys, prefixes


def _leading(columns: Iterable[str | None]) -> Iterable[str]:
    return (name for name in takewhile(lambda name: name is not None, columns) if name is not None)


def _foreign_key(row: tuple[Any, ...]) -> ForeignKey:
    name, schema, table, validated, on_update, on_delete, columns, target_columns = row
    target = QualifiedName(schema, table)
    return ForeignKey(name, tuple(columns), target, tuple(target_columns), validated, on_update, on_delete)

"""Whom rows are about: subject paths followed from the rows, by SQL that shares nothing with the guard's views."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import psycopg
from psycopg import sql
from psycopg.rows import tuple_row

from rlsguard.names import Name, QualifiedName
from rlsguard.plan.model import Route
from rlsguard.render.policy import conjunction, equals


class RowId(NamedTuple):
    """Where a row is, in one snapshot: the partition or table itself (pg_class.oid), and its place there (ctid)."""

    table: int
    place: str


class Person(NamedTuple):
    """A subject; `key` is its text, one spelling for all that the key's type holds equal."""

    kind: str
    key: str


# For each row, whom each of the routes leads to, in the routes' order.
Reached = Mapping[RowId, tuple[frozenset[Person], ...]]


def reach(
    conn: psycopg.Connection[Any], table: QualifiedName, routes: Sequence[Route], rows: Sequence[RowId]
) -> Reached:
    """Return whom *rows* of *table* lead to by each of *routes*.

    The role of *conn* must see past row security (superuser or BYPASSRLS) and read the tables on the way.

    Raises:
        psycopg.Error: it may not, or `statement_timeout` ran out.
    """
    found: dict[RowId, list[set[Person]]] = {row: [set() for _ in routes] for row in rows}
    places = sorted({row.place for row in rows})
    with conn.cursor(row_factory=tuple_row) as cursor:
        for number, route in enumerate(routes):
            for oid, place, key in cursor.execute(_follow(table, route, places)):
                people = found.get(RowId(oid, place))
                if people is not None:
                    people[number].add(Person(route.kind, key))
    return {row: tuple(map(frozenset, people)) for row, people in found.items()}


def _follow(table: QualifiedName, route: Route, places: list[str]) -> sql.Composed:
    """Return a query from *places* in *table* to the keys at the end of *route*."""
    aliases = [Name(f"rlsguard_{number}") for number in range(len(route.steps) + 1)]
    joins = [
        sql.SQL(" JOIN {} AS {} ON {}").format(
            step.table.sql,
            alias,
            conjunction(
                [
                    sql.SQL("{}.{} {} {}.{}").format(before, Name(j.here), equals(j.equality), alias, Name(j.there))
                    for j in step.joins
                ]
            ),
        )
        for step, before, alias in zip(route.steps, aliases, aliases[1:], strict=False)
    ]
    # Equal keys can be spelled in several ways (1.0 and 1.00): the window takes one for all.
    return sql.SQL(
        'SELECT r.oid, r.place, min(r.key::text COLLATE "C") OVER (PARTITION BY r.key) FROM ('
        "SELECT {first}.tableoid AS oid, {first}.ctid::text AS place, {last}.{key} AS key"
        " FROM {table} AS {first}{joins} WHERE {first}.ctid = ANY ({places}::tid[])"
        ") AS r WHERE r.key IS DISTINCT FROM NULL"
    ).format(
        places=sql.Literal(places),
        first=aliases[0],
        last=aliases[-1],
        key=Name(route.key),
        table=table.sql,
        joins=sql.SQL("").join(joins),
    )

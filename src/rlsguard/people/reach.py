"""Whom rows are about: subject paths followed from the rows, by SQL that shares nothing with the guard's views."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from psycopg import sql

from rlsguard.names import Name, QualifiedName
from rlsguard.people.texts import text_of
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


# Runs a query of one column, arrays of text, and sees past row security.
Read = Callable[[sql.Composed], list[list[str]]]

# For each row, whom each of the routes leads to, in the routes' order.
Reached = Mapping[RowId, tuple[frozenset[Person], ...]]


def reach(read: Read, table: QualifiedName, routes: Sequence[Route], rows: Sequence[RowId]) -> Reached:
    """Return whom *rows* of *table* lead to by each of *routes*.

    Raises:
        psycopg.Error: *read* may not read the tables on the way, or `statement_timeout` ran out.
    """
    found: dict[RowId, list[set[Person]]] = {row: [set() for _ in routes] for row in rows}
    places = sorted({row.place for row in rows})
    by_kind: dict[str, list[int]] = {}
    for number, route in enumerate(routes):
        by_kind.setdefault(route.kind, []).append(number)
    for kind, numbers in by_kind.items():
        for which, oid, place, key in read(_follow(table, {number: routes[number] for number in numbers}, places)):
            people = found.get(RowId(int(oid), place))
            if people is not None:
                people[int(which)].add(Person(kind, key))
    return {row: tuple(map(frozenset, people)) for row, people in found.items()}


def _follow(table: QualifiedName, routes: Mapping[int, Route], places: list[str]) -> sql.Composed:
    """Return a query from *places* in *table* to the keys at the ends of *routes*, which are of one kind."""
    # Equal keys can be spelled in several ways (1.0 and 1.00), by each route in another: the window takes one for all.
    return sql.SQL(
        "SELECT ARRAY[r.route::text, r.oid::text, r.place,"
        ' min({key} COLLATE "C") OVER (PARTITION BY r.key)] FROM ({ends}) AS r'
    ).format(
        key=text_of(sql.SQL("r.key"), next(iter(routes.values())).key_type),
        ends=sql.SQL(" UNION ALL ").join([_ends(table, number, route, places) for number, route in routes.items()]),
    )


def _ends(table: QualifiedName, number: int, route: Route, places: list[str]) -> sql.Composed:
    joins, aliases = along(route)
    return sql.SQL(
        "SELECT {number} AS route, t.tableoid AS oid, t.ctid::text AS place, {key} AS key FROM {table} AS t{joins}"
        " WHERE t.ctid = ANY ({places}::tid[]) AND {key} IS DISTINCT FROM NULL"
    ).format(
        number=sql.Literal(number),
        key=sql.SQL("{}.{}").format(aliases[-1], Name(route.key)),
        table=table.sql,
        joins=joins[-1],
        places=sql.Literal(places),
    )


def along(route: Route) -> tuple[list[sql.Composed], list[sql.Composable]]:
    """Return, for each number of steps of *route* from none to all, the joins from the alias `t`; and the aliases."""
    aliases: list[sql.Composable] = [sql.SQL("t")]
    joins = [sql.Composed([])]
    for number, step in enumerate(route.steps):
        aliases.append(Name(f"rlsguard_{number}"))
        on = [
            sql.SQL("{}.{} {} {}.{}").format(aliases[-2], Name(j.here), equals(j.equality), aliases[-1], Name(j.there))
            for j in step.joins
        ]
        join = sql.SQL(" JOIN {} AS {} ON {}").format(step.table.sql, aliases[-1], conjunction(list(on)))
        joins.append(joins[-1] + join)
    return joins, aliases

"""A protected table as the proof looks at it: some of its rows, and whom they lead to."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

import psycopg
from psycopg import sql

from rlsguard.catalog.model import Catalog, Table
from rlsguard.names import Name
from rlsguard.people import Person, RowId, along, reach, text_of
from rlsguard.plan.model import Lookup, Protection, Route
from rlsguard.prove.session import Session
from rlsguard.render.policy import equals

# Pages to pick rows from: few enough to be read at once, many enough for rows of several people.
_PAGES = 20
_SEED = 20
# Rows of people who had opted out before.
_MOST_OF_THE_GONE = 20
_SECONDS_FOR_THE_GONE = 2


@dataclass(frozen=True, slots=True)
class Target:
    """A protected table and a sample of its rows.

    Attributes:
        own_policies: whether it had row security before it was guarded.
        users_code: what may run code of users' when it is read, if anything may.
        sampled: the clause by which the rows were found, where TABLESAMPLE finds them again.
        people: whom each row leads to, by each of the table's lookups.
        key_columns: a unique key that is never null; none where the table has none.
        keys: its values, as text.
        writable: columns that can be written, in the table's order.
        whole: whether the sample is all there is.
        noisy: whether it has triggers or rules of its users.
        loud: whether any of these fire under session_replication_role = replica, too.
    """

    table: Table
    lookups: tuple[Lookup, ...]
    own_policies: bool
    users_code: str | None
    sampled: sql.Composable | None
    in_sample: frozenset[RowId]
    people: Mapping[RowId, tuple[frozenset[Person], ...]]
    key_columns: tuple[str, ...]
    keys: Mapping[RowId, tuple[str, ...]]
    writable: tuple[str, ...]
    whole: bool
    noisy: bool
    loud: bool

    @property
    def rows(self) -> frozenset[RowId]:
        """Every row that is looked at."""
        return frozenset(self.people)

    def named(self, rows: Collection[RowId], most: int = 3) -> str:
        """Return some of *rows*, for people."""
        names = sorted(map(self._name, rows))
        more = f" and {len(names) - most} more" if len(names) > most else ""
        return ", ".join(names[:most]) + more

    def _name(self, row: RowId) -> str:
        values = zip(self.key_columns, self.keys[row], strict=True)
        return " ".join(f"{column}={value}" for column, value in values) or f"row {row.place}"


def sample(
    session: Session,
    catalog: Catalog,
    protections: Sequence[Protection],
    users_code: Mapping[int, str],
    *,
    max_rows: int,
) -> Iterator[Target]:
    """Yield each protected table with at most *max_rows* of its rows.

    Args:
        users_code: what may run code of users', by the OID of the table whose reading runs it.
    """
    oids = [p.oid for p in protections]
    sizes = {oid: (pages, foreign) for oid, pages, foreign in session.file("sizes", [oids])}
    unwritable = {(oid, name) for oid, name, generated, _ in session.file("generated", [oids]) if generated}
    loud = dict(session.file("triggers", [oids]))
    gone: dict[str, list[str]] = {}
    for protection in protections:
        table = catalog.tables[protection.name]
        for look in protection.lookups:
            kind = look.route.kind
            if kind not in gone:
                gone[kind] = [key for key, _ in session.file("opted_out", [kind])][:_MOST_OF_THE_GONE]
        yield _sample(
            session,
            protection,
            table,
            *sizes[protection.oid],
            unwritable,
            loud.get(protection.oid),
            users_code.get(protection.oid),
            gone,
            max_rows,
        )


def _sample(
    session: Session,
    protection: Protection,
    table: Table,
    pages: int,
    foreign: bool,
    unwritable: Collection[tuple[int, str]],
    loud: bool | None,
    users_code: str | None,
    gone: Mapping[str, list[str]],
    max_rows: int,
) -> Target:
    percent = 100.0 if pages <= _PAGES else 100.0 * _PAGES / pages
    clause: sql.Composable | None = None
    if not foreign:
        clause = sql.SQL(" TABLESAMPLE SYSTEM ({}) REPEATABLE ({})").format(sql.Literal(percent), sql.Literal(_SEED))
    columns = key_columns(table)
    key = _key(table, columns)
    # Rows are known by their places, which stay theirs as long as nobody rewrites the table.
    session.rows(sql.SQL("LOCK TABLE {} IN ACCESS SHARE MODE").format(table.name.sql))
    picked = _pick(session, table, key, clause or sql.SQL(""), max_rows)
    if not picked and clause is not None:
        # The pages that were picked are empty.
        clause = None
        picked = _pick(session, table, key, sql.SQL(""), max_rows)
    in_sample = frozenset(picked)
    for look in protection.lookups:
        picked |= _rows_of(session, table, key, look.route, gone[look.route.kind])
    rows = list(picked)
    routes = [look.route for look in protection.lookups]
    return Target(
        table=table,
        lookups=protection.lookups,
        own_policies=protection.present,
        users_code=users_code,
        sampled=clause,
        in_sample=in_sample,
        people=reach(session.read, protection.name, routes, rows),
        key_columns=columns,
        keys=picked,
        writable=tuple(name for name in table.columns if (table.oid, name) not in unwritable),
        whole=percent == 100.0 and len(in_sample) < max_rows,
        noisy=loud is not None,
        loud=loud is True,
    )


def key_columns(table: Table) -> tuple[str, ...]:
    """Return the columns of the shortest unique key that is never null, or nothing."""
    keys = [key for key in table.unique_keys if all(table.columns[name].not_null for name in key)]
    best = min(keys, key=lambda key: (len(key), sorted(key)), default=frozenset[str]())
    return tuple(sorted(best))


def _key(table: Table, columns: tuple[str, ...]) -> sql.Composable:
    texts = [text_of(Name("t", column), table.columns[column].type.sql) for column in columns]
    return sql.SQL("ARRAY[{}]").format(
        sql.SQL(", ").join([sql.SQL("t.tableoid::oid::text"), sql.SQL("t.ctid::text"), *texts])
    )


def _found(rows: list[list[str]]) -> dict[RowId, tuple[str, ...]]:
    return {RowId(int(oid), place): tuple(key) for oid, place, *key in rows}


def _pick(
    session: Session, table: Table, key: sql.Composable, clause: sql.Composable, max_rows: int
) -> dict[RowId, tuple[str, ...]]:
    # The pages are the same at every run, the rows of them are spread: neighbours often have one person.
    found = session.read(
        sql.SQL(
            "SELECT {key}"
            " FROM (SELECT t.*, t.tableoid, t.ctid FROM {table} AS t{clause} LIMIT {many}) AS t"
            " ORDER BY pg_catalog.hashtext(t.ctid::text), t.tableoid LIMIT {rows}"
        ).format(
            key=key,
            table=table.name.sql,
            clause=clause,
            many=sql.Literal(max(max_rows, 5000)),
            rows=sql.Literal(max_rows),
        )
    )
    return _found(found)


def _rows_of(
    session: Session, table: Table, key: sql.Composable, route: Route, keys: list[str]
) -> dict[RowId, tuple[str, ...]]:
    """Return some rows of the people *keys*, unless it takes too long to find any."""
    if not keys:
        return {}
    joins, aliases = along(route)
    query = sql.SQL(
        "SELECT DISTINCT {key} FROM {table} AS t{joins}"
        " WHERE {last}.{end} {equal} ANY (SELECT {typed}(k.key) FROM unnest({keys}::text[]) AS k (key)) LIMIT {most}"
    ).format(
        key=key,
        table=table.name.sql,
        joins=joins[-1],
        last=aliases[-1],
        end=Name(route.key),
        equal=equals(route.key_equality),
        keys=sql.Literal(keys),
        typed=Name("rlsguard", f"key_{route.kind}"),
        most=sql.Literal(_MOST_OF_THE_GONE),
    )
    try:
        with session.savepoint():
            session.rows(sql.SQL("SET LOCAL statement_timeout = {}").format(sql.Literal(_SECONDS_FOR_THE_GONE * 1000)))
            return _found(session.read(query))
    except psycopg.errors.QueryCanceled:
        return {}

"""Finding the one row that is asked about."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import psycopg
from psycopg import sql

from rlsguard.catalog.model import Catalog, Column, Table
from rlsguard.connection import explain
from rlsguard.names import IDENTIFIER, Name, QualifiedName, quote, split_identifiers
from rlsguard.people import RowId, text_of
from rlsguard.problems import RlsguardError, did_you_mean
from rlsguard.prove.session import Session
from rlsguard.render.policy import conjunction, equals
from rlsguard.sqlfiles import read

_PAIR = re.compile(rf"\s*(?P<column>{IDENTIFIER})\s*=(?P<value>.*)", re.DOTALL)
_KINDS = {"v": "a view", "m": "a materialised view", "f": "a foreign table"}
# Input of these can run code of the type's owner (checks of domains in them), and the login is a superuser.
_MADE_OF_OTHERS = frozenset("ACR")


@dataclass(frozen=True, slots=True)
class Row:
    """A row; `columns` tell it from all others of its table, with their values as text."""

    id: RowId
    columns: Mapping[str, str | None]


class KeyValues(tuple[str, ...]):
    """Values of a key, also where one looks like `column=value`."""


class NoRowError(RlsguardError):
    """There is no such row, or it is not committed yet."""


def table_of(catalog: Catalog, name: QualifiedName) -> Table:
    """Return the table *name*.

    Raises:
        RlsguardError: there is none of that name, or it is a view or the like.
    """
    table = catalog.tables.get(name)
    if table is None:
        near = did_you_mean(str(name), map(str, catalog.tables))
        raise RlsguardError(f"table {name} is not in database {catalog.database}{near}")
    if table.kind in _KINDS:
        raise RlsguardError(f"{name} is {_KINDS[table.kind]}; ask about a row of the table behind it")
    return table


def find(session: Session, table: Table, words: Sequence[str] | Mapping[str, str]) -> Row:
    """Return the one row of *table* that *words* name: values of its key, or `column=value` pairs; or values by column.

    Raises:
        NoRowError: there is none.
        RlsguardError: they name no row, or several; says what would name one.
    """
    key, keys = _key(session, table)
    wanted = _wanted(table, key, keys, words)
    named = written(wanted)
    shown = key or tuple(wanted)
    columns = [text_of(Name("t", column), table.columns[column].type.sql) for column in shown]
    query = sql.SQL(
        "SELECT ARRAY[t.tableoid::oid::text, t.ctid::text, t.tableoid::regclass::text, {}]"
        " FROM {} AS t WHERE {} LIMIT 2"
    )
    try:
        rows = session.read(query.format(sql.SQL(", ").join(columns), table.name.sql, matches(table, wanted)))
    except psycopg.DataError as error:
        hint = "" if key else _hint(table, keys)
        raise RlsguardError(f"{named} names no row of {table.name}: {explain(error)}{hint}") from error
    if not rows:
        raise NoRowError(f"no row of {table.name} has {named}: nobody sees it, whatever the policies")
    if len(rows) > 1:
        where = " and ".join(dict.fromkeys(row[2] for row in rows))
        raise RlsguardError(f"several rows of {table.name} have {named} (in {where}){_hint(table, keys)}")
    ((oid, place, _, *values),) = rows
    return Row(RowId(int(oid), place), dict(zip(shown, values, strict=True)))


def matches(table: Table, wanted: Mapping[str, str | None]) -> sql.Composable:
    """Return a condition on the alias `t` that rows with these values fulfil."""
    return conjunction([_equal(table.columns[column], value) for column, value in wanted.items()])


def written(values: Mapping[str, str | None]) -> str:
    """Return columns and values for people."""
    return " ".join(f"{quote(column)}={value}" for column, value in values.items())


def _equal(column: Column, value: str | None) -> sql.Composable:
    name = Name("t", column.name)
    if value is None or column.type.equality is None:
        raise RlsguardError(
            f"column {quote(column.name)} cannot name a row: type {column.type.declared} has no equality"
        )
    if column.type.category in _MADE_OF_OTHERS and "." in column.type.sql:
        return sql.SQL('pg_catalog.concat({}) COLLATE "C" = {}').format(name, sql.Literal(value))
    typed = sql.SQL("{}::{}").format(sql.Literal(value), sql.SQL(column.type.sql))
    return sql.SQL("{} {} {}").format(name, equals(column.type.equality), typed)


def _key(session: Session, table: Table) -> tuple[tuple[str, ...], tuple[tuple[str, ...], ...]]:
    """Return the key that values alone are read as, if it is clear which, and all the keys."""
    with session.conn.cursor() as cursor:
        found = cursor.execute(read("why/keys.sql"), [table.oid]).fetchall()
    keys = tuple(tuple(columns) for columns, _ in found)
    clear = bool(found) and (found[0][1] or len(found) == 1)
    return (keys[0] if clear else ()), keys


def _wanted(
    table: Table, key: tuple[str, ...], keys: tuple[tuple[str, ...], ...], words: Sequence[str] | Mapping[str, str]
) -> dict[str, str | None]:
    if isinstance(words, Mapping):
        for column in words:
            if column not in table.columns:
                near = did_you_mean(column, table.columns)
                raise RlsguardError(f"table {table.name} has no column {quote(column)}{near}")
        return dict(words)
    pairs = [None if isinstance(words, KeyValues) else _pair(table, word) for word in words]
    given = [pair for pair in pairs if pair is not None]
    if len(given) == len(words):
        wanted: dict[str, str | None] = dict(given)
        if len(wanted) < len(given):
            raise RlsguardError(f"{' '.join(words)}: a column is named twice")
        return wanted
    if given:
        raise RlsguardError(f"{' '.join(words)}: say column=value for each, or for none")
    if len(words) != len(key):
        raise RlsguardError(f"{' '.join(words)} names no row of {table.name}{_hint(table, keys)}")
    return dict(zip(key, words, strict=True))


def _pair(table: Table, word: str) -> tuple[str, str] | None:
    """Read `column=value`; None where what stands before `=` is no column of the table: then it is all value."""
    match = _PAIR.fullmatch(word)
    if match is None:
        return None
    (column,) = split_identifiers(match["column"])
    return (column, match["value"]) if column in table.columns else None


def _hint(table: Table, keys: tuple[tuple[str, ...], ...]) -> str:
    """Say how to name one row."""
    if not keys:
        columns = ", ".join(map(quote, table.columns))
        return f"; it has no key: say column=value, for as many columns as tell the row from others (of {columns})"
    ways = " or ".join(" ".join(f"{quote(column)}=..." for column in key) for key in keys)
    return f"; say {ways}"

"""Which row changes are about a person: by the paths of the data map, as rows are and as they are recorded."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg import sql

from rlsguard.datamap.model import Audit, DataMap, SubjectPath, TableEntry
from rlsguard.names import Name, QualifiedName

# What a column holds, as the audit has it in JSON. For a type that somebody made, as it is written: a cast of theirs to
# json is not to run here.
_NOW = "CASE WHEN pg_typeof({0})::oid < 16384 THEN to_json({0}) #>> '{{}}' ELSE format('%s', {0}) END"

# The same of a recorded row. PostgreSQL itself writes escapes of control characters only; others, such as no text can
# hold, are in json columns, never in a key. A backslash before u can itself be an escaped one.
_RECORDED = r"""
CASE WHEN strpos({0}::text, '\u') = 0 THEN {0}
     ELSE regexp_replace({0}::text, '(?<!\\)((?:\\\\)*)\\u(?:0000|(?!00[01])[0-9a-f]{{4}})', '\1?', 'gi')::json
END ->> {1}
"""

# Whatever was recorded of the table and of what is under it: by number, for it can have been renamed; by name, for in a
# database that was restored all have other numbers.
_RECORDED_OF = """
WITH RECURSIVE family (oid) AS (
    SELECT {oid}::regclass::oid
    UNION
    SELECT i.inhrelid FROM family AS f JOIN pg_inherits AS i ON i.inhparent = f.oid
), recorded AS (
    SELECT e.id, e.line, e.old_row, e.new_row
    FROM rlsguard.change_event AS e
    WHERE e.table_oid IN (SELECT f.oid FROM family AS f)
       OR e.table_name IN (
           SELECT format('%I.%I', n.nspname, c.relname)
           FROM family AS f
           JOIN pg_class AS c ON c.oid = f.oid
           JOIN pg_namespace AS n ON n.oid = c.relnamespace)
)
"""

# No placeholders: the percent sign of a name would be taken for one.
_LINKS = """
SELECT l.here, bool_and(l.there = ANY ({wanted}))
FROM (
    SELECT {here}, {there} FROM {table} AS t
    UNION ALL
    SELECT {here_then}, {there_then}
    FROM recorded AS e
    CROSS JOIN LATERAL (VALUES (e.old_row), (e.new_row)) AS r (its_row)
    WHERE r.its_row IS NOT NULL
) AS l (here, there)
WHERE l.here IS NOT NULL
GROUP BY l.here
HAVING bool_or(l.there = ANY ({wanted}))
"""

_ROWS = """
SELECT e.id, e.line, coalesce({others}, false)
FROM recorded AS e
WHERE {persons}
ORDER BY e.id, e.line
"""


@dataclass(frozen=True, slots=True)
class PersonRows:
    """Row changes of one table that are about a person.

    Attributes:
        rows: entry and line of each, as rlsguard.change_event has them.
        shared: how many links were not followed, and rows not taken, because they lead to other people, too.
        redacted: columns by which rows lead to their people, and that the audit leaves out.
    """

    table: QualifiedName
    rows: tuple[tuple[int, int], ...]
    shared: int
    redacted: tuple[str, ...]


def person_rows(conn: psycopg.Connection[Any], datamap: DataMap, kind: str, key: str) -> Iterator[PersonRows]:
    """Yield what the audit has of a person, by table; the connection acts as the guard's owner.

    Raises:
        psycopg.Error: such as where a table of the map is gone.
    """
    spellings = sql.SQL("SELECT {spellings}({key}), {now} FROM {typed}({key}) AS t (key)").format(
        spellings=Name("rlsguard", f"spellings_{kind}"),
        now=_now("key"),
        typed=Name("rlsguard", f"key_{kind}"),
        key=sql.Literal(key),
    )
    ((stored, spelled),) = conn.execute(spellings).fetchall()
    keys = [json.dumps([one], ensure_ascii=False) for one in {spelled, *(stored or ())}]
    for entry in datamap.tables.values():
        paths = [path for path in entry.paths if path.kind == kind]
        if paths and entry.audit is not None:
            yield _of_table(conn, datamap, entry, entry.audit, paths, keys)


def _of_table(
    conn: psycopg.Connection[Any],
    datamap: DataMap,
    entry: TableEntry,
    audit: Audit,
    paths: Sequence[SubjectPath],
    keys: list[str],
) -> PersonRows:
    shared = 0
    redacted: set[str] = set()
    persons: list[sql.Composable] = []
    others: list[sql.Composable] = []
    for path in paths:
        columns, wanted, links = _followed(conn, datamap, path, keys)
        shared += links
        redacted.update(column for column in columns if column in audit.redact)
        wanted = [*wanted, *_hashed(conn, wanted, columns, audit)]
        for row in ("e.old_row", "e.new_row"):
            led = {"led": _tuple(_recorded(row, column) for column in columns), "wanted": sql.Literal(wanted)}
            persons.append(sql.SQL("{led} = ANY ({wanted})").format(**led))
            others.append(sql.SQL("{led} <> ALL ({wanted})").format(**led))
    query = sql.SQL(_RECORDED_OF + _ROWS).format(
        oid=sql.Literal(str(entry.table)),
        persons=sql.SQL("\n   OR ").join(persons),
        others=sql.SQL("\n   OR ").join(others),
    )
    found = conn.execute(query).fetchall()
    alone = tuple((change, line) for change, line, with_others in found if not with_others)
    return PersonRows(entry.table, alone, shared + len(found) - len(alone), tuple(sorted(redacted)))


def _followed(
    conn: psycopg.Connection[Any], datamap: DataMap, path: SubjectPath, keys: list[str]
) -> tuple[tuple[str, ...], list[str], int]:
    """Follow a path from the person back to the rows.

    Returns:
        The columns of a row that lead to the person, what they hold then, and how many links lead to others, too.
    """
    shared, wanted = 0, keys
    columns: tuple[str, ...] = (path.key,)
    for hop in reversed(path.hops):
        here = tuple(join.there for join in hop.joins)
        known = datamap.tables.get(hop.table)
        wanted = [*wanted, *_hashed(conn, wanted, columns, None if known is None else known.audit)]
        query = sql.SQL(_RECORDED_OF + _LINKS).format(
            here=_tuple(_now(column) for column in here),
            there=_tuple(_now(column) for column in columns),
            here_then=_tuple(_recorded("r.its_row", column) for column in here),
            there_then=_tuple(_recorded("r.its_row", column) for column in columns),
            table=hop.table.sql,
            oid=sql.Literal(str(hop.table)),
            wanted=sql.Literal(wanted),
        )
        links = conn.execute(query).fetchall()
        shared += sum(not alone for _, alone in links)
        wanted, columns = [link for link, alone in links if alone], tuple(join.here for join in hop.joins)
    return columns, [*wanted], shared


def _tuple(values: Iterator[sql.Composable]) -> sql.Composable:
    """Return several columns as one text that is compared as a whole; NULL if one of them is."""
    listed = list(values)
    present = sql.SQL(" AND ").join(sql.SQL("({}) IS NOT NULL").format(value) for value in listed)
    return sql.SQL("CASE WHEN {} THEN jsonb_build_array({})::text END").format(present, sql.SQL(", ").join(listed))


def _now(column: str) -> sql.Composable:
    return sql.SQL(_NOW).format(sql.SQL("t.{}").format(Name(column)))


def _recorded(row: str, column: str) -> sql.Composable:
    return sql.SQL(_RECORDED).format(sql.SQL(row), sql.Literal(column))


def _hashed(
    conn: psycopg.Connection[Any], wanted: Sequence[str], columns: Sequence[str], audit: Audit | None
) -> Iterator[str]:
    """Yield what the audit has in place of *wanted*, if it hashes some of *columns*."""
    places = [] if audit is None else [place for place, column in enumerate(columns) if column in audit.hash]
    if not places:
        return
    ((salt,),) = conn.execute("SELECT value FROM rlsguard.secret WHERE name = 'audit_salt'").fetchall()
    for one in wanted:
        values = json.loads(one)
        for place in places:
            values[place] = hashlib.sha256(salt + values[place].encode()).hexdigest()
        yield json.dumps(values, ensure_ascii=False)

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
_NOW = "CASE WHEN pg_typeof({0})::oid < 16384 THEN to_json({0}) #>> '{{}}' ELSE format('%%s', {0}) END"

# The same of a recorded row. Escapes that no text can hold are only in json columns, never in a key.
_RECORDED = r"regexp_replace({0}::text, '\\u(0000|d[89a-f]..)', '\\ufffd', 'gi')::json ->> {1}"

_LINKS = """
SELECT l.here, bool_and(l.there = ANY (%s))
FROM (
    SELECT {here}, {there} FROM {table} AS t
    UNION ALL
    SELECT {here_then}, {there_then}
    FROM rlsguard.change_event AS e
    CROSS JOIN LATERAL (VALUES (e.old_row), (e.new_row)) AS r (its_row)
    WHERE e.table_oid = {oid}::regclass AND r.its_row IS NOT NULL
) AS l (here, there)
WHERE l.here IS NOT NULL
GROUP BY l.here
HAVING bool_or(l.there = ANY (%s))
"""

_ROWS = """
SELECT e.id, e.line
FROM rlsguard.change_event AS e
WHERE e.table_oid = {oid}::regclass AND ({before} = ANY (%s) OR {after} = ANY (%s))
ORDER BY e.id, e.line
"""


@dataclass(frozen=True, slots=True)
class PersonRows:
    """Row changes of one table that are about a person.

    Attributes:
        rows: entry and line of each, as rlsguard.change_event has them.
        shared: how many links were not followed because they lead to other people, too.
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
    spellings = sql.SQL("SELECT {}(%s), {} FROM {}(%s) AS t (key)").format(
        Name("rlsguard", f"spellings_{kind}"), _now("key"), Name("rlsguard", f"key_{kind}")
    )
    ((stored, spelled),) = conn.execute(spellings, [key, key]).fetchall()
    keys = [json.dumps([one], ensure_ascii=False) for one in {spelled, *(stored or ())}]
    for entry in datamap.tables.values():
        for path in entry.paths:
            if path.kind == kind and entry.audit is not None:
                yield _of_path(conn, datamap, entry, path, keys)


def _of_path(
    conn: psycopg.Connection[Any], datamap: DataMap, entry: TableEntry, path: SubjectPath, keys: list[str]
) -> PersonRows:
    shared, wanted = 0, keys
    there: tuple[str, ...] = (path.key,)
    for hop in reversed(path.hops):
        here = tuple(join.there for join in hop.joins)
        known = datamap.tables.get(hop.table)
        wanted = [*wanted, *_hashed(conn, wanted, there, None if known is None else known.audit)]
        query = sql.SQL(_LINKS).format(
            here=_tuple(_now(column) for column in here),
            there=_tuple(_now(column) for column in there),
            here_then=_tuple(_recorded("r.its_row", column) for column in here),
            there_then=_tuple(_recorded("r.its_row", column) for column in there),
            table=hop.table.sql,
            oid=sql.Literal(str(hop.table)),
        )
        links = conn.execute(query, [wanted, wanted]).fetchall()
        shared += sum(not alone for _, alone in links)
        wanted, there = [link for link, alone in links if alone], tuple(join.here for join in hop.joins)
    redacted = () if entry.audit is None else tuple(column for column in there if column in entry.audit.redact)
    if redacted:
        return PersonRows(entry.table, (), shared, redacted)
    wanted = [*wanted, *_hashed(conn, wanted, there, entry.audit)]
    query = sql.SQL(_ROWS).format(
        oid=sql.Literal(str(entry.table)),
        before=_tuple(_recorded("e.old_row", column) for column in there),
        after=_tuple(_recorded("e.new_row", column) for column in there),
    )
    found = conn.execute(query, [wanted, wanted]).fetchall()
    return PersonRows(entry.table, tuple((change, line) for change, line in found), shared, ())


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

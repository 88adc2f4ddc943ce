"""The ways to read a table directly. Each returns which rows of the sample came out."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any

import psycopg
from psycopg import sql
from psycopg.pq import TransactionStatus

from rlsguard.people import RowId
from rlsguard.prove.lens import Lens

Cursor = psycopg.Cursor[tuple[Any, ...]]
Read = Callable[[Cursor, Lens, Collection[RowId]], frozenset[RowId]]


def _run(cursor: Cursor, text: str, lens: Lens, rows: Collection[RowId]) -> list[Any]:
    cursor.execute(_fill(text, lens, rows))
    return [value for (value,) in cursor.fetchall()]


def _fill(text: str, lens: Lens, rows: Collection[RowId]) -> sql.Composed:
    return sql.SQL(text).format(
        id=lens.identity,
        table=lens.relation,
        sampled=lens.target.sampled or sql.SQL(""),
        where=lens.where(rows),
    )


def select(cursor: Cursor, lens: Lens, rows: Collection[RowId]) -> frozenset[RowId]:
    """Read by a plain SELECT."""
    return lens.seen(_run(cursor, _SELECT, lens, rows))


_SELECT = "SELECT {id} FROM {table} AS t WHERE {where}"


def _simple(text: str) -> Read:
    def read(cursor: Cursor, lens: Lens, rows: Collection[RowId]) -> frozenset[RowId]:
        return lens.seen(_run(cursor, text, lens, rows))

    return read


def _aggregate(cursor: Cursor, lens: Lens, rows: Collection[RowId]) -> frozenset[RowId]:
    ((many, found),) = cursor.execute(
        _fill("SELECT count(*), array_agg({id}) FROM {table} AS t WHERE {where}", lens, rows)
    ).fetchall()
    assert many == len(found or ())
    return lens.seen(found or ())


def _copy(cursor: Cursor, lens: Lens, rows: Collection[RowId]) -> frozenset[RowId]:
    query = _fill("COPY (SELECT {id} FROM {table} AS t WHERE {where}) TO STDOUT", lens, rows)
    with cursor.copy(query) as copy:
        copy.set_types(["text"])
        return lens.seen([text for (text,) in copy.rows()])


def _cursor(cursor: Cursor, lens: Lens, rows: Collection[RowId]) -> frozenset[RowId]:
    cursor.execute(_fill("DECLARE rlsguard_prove CURSOR FOR SELECT {id} FROM {table} AS t WHERE {where}", lens, rows))
    cursor.execute("FETCH ALL FROM rlsguard_prove")
    return lens.seen([text for (text,) in cursor.fetchall()])


def prepare(cursor: Cursor, lens: Lens, rows: Collection[RowId]) -> None:
    """Prepare, in the session and so past any rollback, the statement that `execute` runs, and plan it for good."""
    cursor.execute(_fill("PREPARE rlsguard_prove AS " + _SELECT, lens, rows))
    execute(cursor, lens, rows)


def execute(cursor: Cursor, lens: Lens, rows: Collection[RowId]) -> frozenset[RowId]:
    """Run the prepared statement by the plan that was made when it was first run."""
    cursor.execute("SET LOCAL plan_cache_mode = force_generic_plan")
    cursor.execute("EXECUTE rlsguard_prove")
    return lens.seen([text for (text,) in cursor.fetchall()])


def deallocate(conn: psycopg.Connection[Any]) -> None:
    """Forget the prepared statement, if the transaction is in a state to."""
    if conn.info.transaction_status == TransactionStatus.INTRANS:
        conn.execute("DO $$ BEGIN DEALLOCATE rlsguard_prove; EXCEPTION WHEN invalid_sql_statement_name THEN END $$")


def _prepared_after(cursor: Cursor, lens: Lens, rows: Collection[RowId]) -> frozenset[RowId]:
    cursor.execute(_fill("PREPARE rlsguard_prove_after AS " + _SELECT, lens, rows))
    found = cursor.execute("EXECUTE rlsguard_prove_after").fetchall()
    cursor.execute("DEALLOCATE rlsguard_prove_after")
    return lens.seen([text for (text,) in found])


PREPARED_BEFORE = "prepared before"

# What each path needs beyond SELECT is in `NEEDS`.
READS: dict[str, Read] = {
    "SELECT": select,
    "aggregate": _aggregate,
    "join": _simple(
        "SELECT {id} FROM {table} AS t JOIN {table} AS u ON u.ctid = t.ctid AND u.tableoid = t.tableoid WHERE {where}"
    ),
    "sub-query": _simple(
        "SELECT {id} FROM {table} AS t WHERE t.ctid IN (SELECT t.ctid FROM {table} AS t WHERE {where}) AND {where}"
    ),
    "CTE": _simple("WITH c AS MATERIALIZED (SELECT {id} FROM {table} AS t WHERE {where}) SELECT * FROM c"),
    "COPY TO": _copy,
    "cursor": _cursor,
    "prepared after": _prepared_after,
    "TABLESAMPLE": _simple("SELECT {id} FROM {table} AS t{sampled} WHERE {where}"),
    "FOR UPDATE": _simple("SELECT {id} FROM {table} AS t WHERE {where} FOR UPDATE NOWAIT"),
}
# Paths over system columns, which a role with rights to single columns cannot name.
BY_PLACE = frozenset({"join", "sub-query"})

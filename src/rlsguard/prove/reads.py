"""The ways to read a table directly. Each returns which rows of the sample came out."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any

import psycopg
from psycopg import sql
from psycopg.pq import TransactionStatus

from rlsguard.people import RowId
from rlsguard.prove.acting import Acting
from rlsguard.prove.lens import Lens

Read = Callable[[Acting, Lens, Collection[RowId]], frozenset[RowId]]


def _fill(text: str, lens: Lens, rows: Collection[RowId]) -> sql.Composed:
    return sql.SQL(text).format(
        id=lens.identity,
        table=lens.relation,
        sampled=lens.target.sampled or sql.SQL(""),
        where=lens.where(rows),
    )


def select(acting: Acting, lens: Lens, rows: Collection[RowId]) -> frozenset[RowId]:
    """Read by a plain SELECT."""
    return lens.seen(acting.rows(_fill(_SELECT, lens, rows)))


_SELECT = "SELECT {id} FROM {table} AS t WHERE {where}"


def _simple(text: str) -> Read:
    def read(acting: Acting, lens: Lens, rows: Collection[RowId]) -> frozenset[RowId]:
        return lens.seen(acting.rows(_fill(text, lens, rows)))

    return read


def _copy(acting: Acting, lens: Lens, rows: Collection[RowId]) -> frozenset[RowId]:
    return lens.seen(acting.copy(_fill(_SELECT, lens, rows)))


def _cursor(acting: Acting, lens: Lens, rows: Collection[RowId]) -> frozenset[RowId]:
    acting.run(_fill("DECLARE rlsguard_prove CURSOR FOR SELECT {id} FROM {table} AS t WHERE {where}", lens, rows))
    return lens.seen(acting.rows(sql.SQL("FETCH ALL FROM rlsguard_prove")))


def prepare(acting: Acting, lens: Lens, rows: Collection[RowId]) -> None:
    """Prepare, in the session and so past any rollback, the statement that `execute` runs, and plan it for good."""
    acting.run(_fill("PREPARE rlsguard_prove AS " + _SELECT, lens, rows))
    execute(acting, lens, rows)


def execute(acting: Acting, lens: Lens, rows: Collection[RowId]) -> frozenset[RowId]:
    """Run the prepared statement by the plan that was made when it was first run."""
    acting.run(sql.SQL("SET LOCAL plan_cache_mode = force_generic_plan"))
    return lens.seen(acting.rows(sql.SQL("EXECUTE rlsguard_prove")))


def deallocate(conn: psycopg.Connection[Any]) -> None:
    """Forget the prepared statement, if the transaction is in a state to."""
    if conn.info.transaction_status == TransactionStatus.INTRANS:
        conn.execute("DO $$ BEGIN DEALLOCATE rlsguard_prove; EXCEPTION WHEN invalid_sql_statement_name THEN END $$")


def _prepared_after(acting: Acting, lens: Lens, rows: Collection[RowId]) -> frozenset[RowId]:
    acting.run(_fill("PREPARE rlsguard_prove_after AS " + _SELECT, lens, rows))
    found = acting.rows(sql.SQL("EXECUTE rlsguard_prove_after"))
    acting.run(sql.SQL("DEALLOCATE rlsguard_prove_after"))
    return lens.seen(found)


PREPARED_BEFORE = "prepared before"
COPY = "COPY TO"

# What each path needs beyond SELECT is in `NEEDS`.
READS: dict[str, Read] = {
    "SELECT": select,
    "aggregate": _simple("SELECT unnest(array_agg({id})) FROM {table} AS t WHERE {where}"),
    "join": _simple(
        "SELECT {id} FROM {table} AS t JOIN {table} AS u ON u.ctid = t.ctid AND u.tableoid = t.tableoid WHERE {where}"
    ),
    "sub-query": _simple(
        "SELECT {id} FROM {table} AS t WHERE t.ctid IN (SELECT t.ctid FROM {table} AS t WHERE {where}) AND {where}"
    ),
    "CTE": _simple("WITH c AS MATERIALIZED (SELECT {id} FROM {table} AS t WHERE {where}) SELECT * FROM c"),
    COPY: _copy,
    "cursor": _cursor,
    "prepared after": _prepared_after,
    "TABLESAMPLE": _simple("SELECT {id} FROM {table} AS t{sampled} WHERE {where}"),
    "FOR UPDATE": _simple("SELECT {id} FROM {table} AS t WHERE {where} FOR UPDATE NOWAIT"),
}
# Paths over system columns, which a role with rights to single columns cannot name.
BY_PLACE = frozenset({"join", "sub-query"})

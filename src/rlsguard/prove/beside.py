"""What stands beside a table and holds values of it: the planner's statistics, and the audit of changes."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
from psycopg import sql

from rlsguard.connection import explain
from rlsguard.prove.acting import Acting
from rlsguard.prove.model import Observation, Verdict
from rlsguard.prove.roles import Prober
from rlsguard.prove.session import Session
from rlsguard.prove.target import Target
from rlsguard.sqlfiles import read

# The guard's own tables with values of rows or of keys in them.
_TRAIL = ("change_event", "change_entry", "opt_out_event", "secret")


def observe(session: Session, target: Target, prober: Prober) -> Iterator[Observation]:
    """Yield whether *prober*, if it is held to anything, reads what is written down about the table's rows."""
    if not prober.held.purposes:
        return
    yield _statistics(session, target, prober)
    kinds = sorted({look.route.kind for look in target.lookups})
    yield _trail(session, target, prober, [*_TRAIL, *(f"opt_out_{kind}" for kind in kinds)])


def _statistics(session: Session, target: Target, prober: Prober) -> Observation:
    """Look into pg_stats: it leaves out tables whose row security holds the reader.

    https://www.postgresql.org/docs/current/view-pg-stats.html
    """
    query = sql.SQL(read("prove/beside.sql")).format(table=sql.Literal(target.table.oid))
    try:
        with session.as_role(prober.name) as acting:
            (columns,) = map(int, acting.rows(query))
    except psycopg.Error as error:
        return _seen(target, prober, "pg_stats", "not tried", explain(error))
    if columns:
        detail = f"shows statistics of {columns} columns, with their most common values"
        return _seen(target, prober, "pg_stats", "leaked", detail)
    return _seen(target, prober, "pg_stats", "passed")


def _trail(session: Session, target: Target, prober: Prober, tables: list[str]) -> Observation:
    for table in tables:
        query = sql.SQL("SELECT FROM {} LIMIT 1").format(sql.Identifier("rlsguard", table))
        try:
            with session.as_role(prober.name) as acting:
                if _reads(acting, query):
                    return _seen(target, prober, "audit trail", "leaked", f"may read rlsguard.{table}")
        except psycopg.Error as error:
            return _seen(target, prober, "audit trail", "not tried", explain(error))
    return _seen(target, prober, "audit trail", "passed")


def _reads(acting: Acting, query: sql.Composed) -> bool:
    # Becoming the role can be refused, too: that is told elsewhere.
    try:
        acting.run(query)
    except psycopg.errors.InsufficientPrivilege:
        return False
    return True


def _seen(target: Target, prober: Prober, path: str, verdict: Verdict, detail: str = "") -> Observation:
    return Observation(target.table.name, prober.name, path, verdict, 0, detail)

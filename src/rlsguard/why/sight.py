"""What a role really sees of one row, measured as that role."""

from __future__ import annotations

import psycopg
from psycopg import sql

from rlsguard.catalog.model import Table
from rlsguard.connection import explain
from rlsguard.names import quote
from rlsguard.prove.roles import Rights
from rlsguard.prove.session import Session
from rlsguard.why.model import Sight
from rlsguard.why.row import Row, matches


def look(session: Session, table: Table, row: Row, role: str) -> Sight:
    """Read *row* as *role*, which has been admitted, would, from *table* by name, and tell what comes of it.

    Raises:
        psycopg.Error: the login may not set *role*, or a time ran out.
    """
    rights = Rights()
    for _, _, schema, whole, delete, *columns in session.file("rights", [[role], [table.oid]]):
        rights = Rights(schema, whole, delete, *map(frozenset, columns))
    if not rights.schema:
        return Sight("refused", f"{quote(role)} has no right to USE schema {quote(table.name.schema)}")
    if not rights.select:
        return Sight("refused", f"{quote(role)} may not read {table.name}, nor any column of it")
    if rights.whole:
        # Only who may read every column may read the system columns.
        place = sql.SQL("t.tableoid = {}::oid AND t.ctid = {}::tid")
        condition = place.format(sql.Literal(row.id.table), sql.Literal(row.id.place))
    elif rights.select.issuperset(row.columns):
        condition = sql.Composed([matches(table, row.columns)])
    else:
        readable = ", ".join(quote(name) for name in table.columns if name in rights.select)
        missing = ", ".join(quote(name) for name in row.columns if name not in rights.select)
        return Sight(
            "unknown", f"{quote(role)} may read {readable} of {table.name} and not {missing}, which tells rows apart"
        )
    with session.as_role(role) as acting:
        try:
            query = sql.SQL("SELECT 'seen' FROM {} AS t WHERE {}").format(table.name.sql, condition)
            return Sight("visible" if acting.rows(query) else "hidden")
        except (psycopg.errors.QueryCanceled, psycopg.errors.LockNotAvailable):
            raise
        except psycopg.errors.InsufficientPrivilege as error:
            return Sight("refused", explain(error))
        except psycopg.Error as error:
            if session.conn.broken:
                raise
            return Sight("error", explain(error))

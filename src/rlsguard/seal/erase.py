"""Taking a person's values out of the ledger; what was recorded stays proven."""

from __future__ import annotations

from typing import Any

import psycopg
from psycopg import sql

from rlsguard.apply import enter_owner, leave_owner
from rlsguard.names import Name
from rlsguard.problems import RlsguardError
from rlsguard.seal.log import explained


def erase(conn: psycopg.Connection[Any], kind: str, key: str, *, with_key: bool, reason: str) -> int:
    """Erase who asked, from where, why and in what context; and *with_key* whom it was about, and what policies ask.

    Returns:
        Of how many entries.

    Raises:
        RlsguardError: the key may not go, because the person is still there; or the database refused.
    """
    with explained(conn), conn.transaction():
        enter_owner(conn)
        if with_key and _is_there(conn, kind, key):
            raise RlsguardError(
                f"{kind} {key} is still there: without the key, nothing would hide that person. Erase the person first"
            )
        erased = conn.execute("SELECT rlsguard.erase(%s, %s, %s, %s)", [kind, key, with_key, reason]).fetchall()
        leave_owner(conn)
        return int(erased[0][0])


def _is_there(conn: psycopg.Connection[Any], kind: str, key: str) -> bool:
    query = (
        "SELECT n.nspname, c.relname, s.key_column FROM rlsguard.subject AS s"
        " JOIN pg_catalog.pg_class AS c ON c.oid = s.table_oid"
        " JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace WHERE s.kind = %s"
    )
    for schema, table, column in conn.execute(query, [kind]).fetchall():
        there = sql.SQL("SELECT EXISTS (SELECT FROM {} AS t WHERE t.{} = {}(%s))").format(
            Name(schema, table), Name(column), Name("rlsguard", f"key_{kind}")
        )
        return bool(conn.execute(there, [key]).fetchall()[0][0])
    return False

"""Taking a person's values out of the ledger and the row changes; what was recorded stays proven."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg import sql

from rlsguard.apply import enter_owner, leave_owner
from rlsguard.datamap.model import DataMap
from rlsguard.names import Name
from rlsguard.problems import RlsguardError
from rlsguard.seal.log import explained
from rlsguard.seal.person_rows import PersonRows, person_rows


@dataclass(frozen=True, slots=True)
class Erased:
    """What was erased.

    Attributes:
        entries: of how many entries of the ledger.
        changes: row changes, by table; none without a data map.
    """

    entries: int
    changes: tuple[PersonRows, ...]


def erase(
    conn: psycopg.Connection[Any],
    kind: str,
    key: str,
    *,
    with_key: bool,
    reason: str,
    datamap: DataMap | None = None,
    dry_run: bool = False,
) -> Erased:
    """Erase who asked, from where, why and in what context; and *with_key* whom it was about, and what policies ask.

    Args:
        datamap: tells which row changes are about the person; these are erased as well.

    Raises:
        RlsguardError: the key may not go, because the person is still there; or the database refused.
    """
    with explained(conn), conn.transaction(force_rollback=dry_run):
        enter_owner(conn)
        if with_key and _is_there(conn, kind, key):
            raise RlsguardError(
                f"{kind} {key} is still there: without the key, nothing would hide that person. Erase the person first"
            )
        # Rows that another erasure restates would be looked for in vain.
        conn.execute("LOCK TABLE rlsguard.erasure IN SHARE ROW EXCLUSIVE MODE")
        changes = () if datamap is None else tuple(person_rows(conn, datamap, kind, key))
        rows = sorted({row for change in changes for row in change.rows})
        ((entries,),) = conn.execute(
            "SELECT entries FROM rlsguard.erase(%s, %s, %s, %s, %s, %s)",
            [kind, key, with_key, reason, [entry for entry, _ in rows], [line for _, line in rows]],
        ).fetchall()
        leave_owner(conn)
        return Erased(entries, changes)


def _is_there(conn: psycopg.Connection[Any], kind: str, key: str) -> bool:
    query = (
        "SELECT n.nspname, c.relname, a.attname FROM rlsguard.subject AS s"
        " JOIN pg_catalog.pg_class AS c ON c.oid = s.table_oid"
        " JOIN pg_catalog.pg_attribute AS a ON a.attrelid = s.table_oid AND a.attnum = s.key_number"
        " JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace WHERE s.kind = %s"
    )
    for schema, table, column in conn.execute(query, [kind]).fetchall():
        # No placeholder: the percent sign of a name would be taken for one.
        there = sql.SQL("SELECT EXISTS (SELECT FROM {} AS t WHERE t.{} = {}({}))").format(
            Name(schema, table), Name(column), Name("rlsguard", f"key_{kind}"), sql.Literal(key)
        )
        return bool(conn.execute(there).fetchall()[0][0])
    return False

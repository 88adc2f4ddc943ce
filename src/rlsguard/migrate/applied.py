"""Which Alembic revisions a database is at."""

from __future__ import annotations

from typing import Any

import psycopg
from psycopg import sql

from rlsguard.names import Name

_TABLES = """
SELECT n.nspname, c.relname
FROM pg_catalog.pg_class AS c
JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
WHERE c.relname = 'alembic_version' AND c.relkind = 'r'
"""


def revisions(conn: psycopg.Connection[Any]) -> frozenset[str] | None:
    """Return the revisions that the database is at; None where that is noted in another table than Alembic's usual one.

    Raises:
        psycopg.Error: it may not be read.
    """
    tables = conn.execute(_TABLES).fetchall()
    if len(tables) != 1:
        return None
    ((schema, table),) = tables
    rows = conn.execute(sql.SQL("SELECT version_num FROM {}").format(Name(schema, table))).fetchall()
    return frozenset(version for (version,) in rows)

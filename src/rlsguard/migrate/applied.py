"""Which Alembic revisions a database is at."""

from __future__ import annotations

from typing import Any

import psycopg
from psycopg import sql

from rlsguard.names import Name

# A project can give it another name; what is in it is always this one column.
_TABLES = """
SELECT n.nspname, c.relname
FROM pg_catalog.pg_class AS c
JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
WHERE c.relkind = 'r'
  AND ARRAY['version_num'::name] = ARRAY(
      SELECT a.attname
      FROM pg_catalog.pg_attribute AS a
      WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped)
"""


def revisions(conn: psycopg.Connection[Any]) -> frozenset[str] | None:
    """Return the revisions that the database is at; None where it is at those of several projects.

    Raises:
        psycopg.Error: they may not be read.
    """
    tables = conn.execute(_TABLES).fetchall()
    if not tables:
        return frozenset()
    if len(tables) > 1:
        return None
    ((schema, table),) = tables
    rows = conn.execute(sql.SQL("SELECT version_num FROM {}").format(Name(schema, table))).fetchall()
    return frozenset(version for (version,) in rows)

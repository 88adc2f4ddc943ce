"""Values as text."""

from __future__ import annotations

from psycopg import sql


def text_of(value: sql.Composable, type_sql: str) -> sql.Composable:
    """Return *value* as text; of a type outside pg_catalog by its output function, past casts of the user's.

    Args:
        type_sql: as `Type.sql`.
    """
    return sql.SQL("pg_catalog.format('%s', {})" if "." in type_sql else "{}::pg_catalog.text").format(value)

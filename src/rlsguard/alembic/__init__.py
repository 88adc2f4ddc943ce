"""Alembic's autogenerate, told of the guard: `import rlsguard.alembic` in env.py, and in alembic.ini

    [alembic]
    rlsguard_map = %(here)s/map.yaml

From then on `alembic revision --autogenerate` puts what the data map asks for after the schema's own changes, and takes
off before them what stands in their way. The revisions are plain SQL: to run them takes no rlsguard.
"""

from __future__ import annotations

from typing import Any

from rlsguard.alembic import autogenerate as _autogenerate  # noqa: F401 (registers itself with Alembic)

__all__ = ["include_name", "include_object"]

_SCHEMAS = ("rlsguard", "rlsguard_views", "rlsguard_events")


def include_name(name: str | None, kind: str, parents: Any) -> bool:
    """Tell Alembic to look past the guard's schemas: `context.configure(include_name=include_name)`.

    See https://alembic.sqlalchemy.org/en/latest/autogenerate.html, Omitting Schema Names from the Autogenerate Process.
    """
    return kind != "schema" or name not in _SCHEMAS


def include_object(what: Any, name: str | None, kind: str, reflected: bool, compare_to: Any) -> bool:
    """Tell Alembic to leave the guard's own tables alone, in a project that filters by objects rather than by names.

    See https://alembic.sqlalchemy.org/en/latest/api/runtime.html, EnvironmentContext.configure.include_object.
    """
    table = what if kind == "table" else getattr(what, "table", None)
    return getattr(table, "schema", None) not in _SCHEMAS

"""What the plan's objects look like where nobody has touched them: made on a scratch server, and read back from it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql
from psycopg.rows import tuple_row

from rlsguard import render
from rlsguard.apply import enter_owner
from rlsguard.catalog.model import Catalog
from rlsguard.check.skeleton import skeleton
from rlsguard.names import Name
from rlsguard.plan.model import Plan
from rlsguard.server import find_binaries, start
from rlsguard.sqlfiles import read

# Everything is made in one transaction, which holds a lock on each table until its end.
_SETTINGS = {"max_connections": "10", "max_locks_per_transaction": "16384", "autovacuum": "off", "jit": "off"}


@dataclass(frozen=True, slots=True)
class Expected:
    """Definitions as they should be, by object.

    Attributes:
        server: the version of the server that spelled them; None where there was none.
        left_out: units that it could not make, and why.
    """

    definitions: Mapping[str, str]
    server: str | None
    left_out: Mapping[str, str]


def expected(
    plan: Plan, catalog: Catalog, extension_types: Mapping[str, tuple[str, str]], scratch: Path | str
) -> Expected:
    """Return what the objects of *plan* look like on a scratch server of the same major version.

    Args:
        scratch: the programs of such a server, or a DSN to one, as its superuser.
    """
    with _server(scratch) as dsn, psycopg.connect(dsn) as conn:
        version = conn.info.parameter_status("server_version") or ""
        conn.execute(read("each/session.sql"))
        available = {name for (name,) in conn.execute("SELECT name FROM pg_available_extensions").fetchall()}
        stand_in = skeleton(plan, catalog, extension_types, available)
        for name, schema in stand_in.extensions.items():
            conn.execute(
                sql.SQL("CREATE SCHEMA IF NOT EXISTS {s}; CREATE EXTENSION IF NOT EXISTS {e} SCHEMA {s}").format(
                    s=Name(schema), e=Name(name)
                )
            )
        conn.execute(sql.SQL(";\n").join(stand_in.statements))
        enter_owner(conn)
        conn.execute("\n".join(render.statements(unit) for unit in stand_in.units))
        definitions = dict(rows(conn, "definitions"))
        conn.rollback()
    return Expected(definitions, version, stand_in.left_out)


def without(plan: Plan, why: str) -> Expected:
    """Return that nothing is known of how the objects of *plan* should look, because of *why*."""
    return Expected({}, None, {unit.unit: why for unit in plan.units})


def binaries(major: int) -> Path | None:
    """Return the programs of a server of this major version, if this machine has any."""
    return find_binaries().get(major)


def rows(conn: psycopg.Connection[Any], name: str) -> list[tuple[Any, ...]]:
    """Run `sql/<name>.sql` and return its rows."""
    with conn.cursor(row_factory=tuple_row) as cursor:
        return cursor.execute(read(f"{name}.sql")).fetchall()


@contextmanager
def _server(scratch: Path | str) -> Iterator[str]:
    if isinstance(scratch, str):
        yield scratch
        return
    with start(scratch, settings=_SETTINGS) as server:
        yield server.dsn()

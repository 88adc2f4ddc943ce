"""What the plan's objects look like where nobody has touched them: made on a scratch server, and read back from it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql
from psycopg.rows import tuple_row

from rlsguard import render
from rlsguard.apply import enter_owner
from rlsguard.catalog.model import Catalog
from rlsguard.check.skeleton import skeleton
from rlsguard.connection import explain
from rlsguard.names import Name
from rlsguard.plan.model import Plan
from rlsguard.problems import RlsguardError
from rlsguard.prove.scene import Scene as Surroundings
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
        built_in: what each function that a server is made with does, and the statement that makes it; by signature.
    """

    definitions: Mapping[str, str]
    server: str | None
    left_out: Mapping[str, str]
    built_in: Mapping[str, tuple[str, str]] = field(default_factory=dict)


def on_scratch(place: Surroundings, scratch: str | None) -> Expected:
    """Return what the objects that are wanted in *place* look like on a scratch server of the same major version.

    Args:
        scratch: where its programs are, or a DSN to it as its superuser; by default what this machine has.

    Raises:
        RlsguardError: it cannot be used.
    """
    major = place.catalog.major
    where = find_binaries().get(major) if scratch is None else Path(scratch) if Path(scratch).is_dir() else scratch
    if where is None:
        why = f"there is no PostgreSQL {major} on this machine"
        return Expected({}, None, {unit.unit: why for unit in place.wanted.units})
    of_extensions = {
        spelled: (extension, schema)
        for spelled, extension, schema in read_rows(place.session.conn, "check/extension_types")
    }
    try:
        with _server(where) as dsn, psycopg.connect(dsn) as conn:
            if conn.info.server_version // 10000 != major:
                version = conn.info.parameter_status("server_version")
                raise RlsguardError(f"the scratch server is PostgreSQL {version}, and the database's is {major}")
            return _made(conn, place.wanted, place.catalog, of_extensions)
    except psycopg.Error as error:
        raise RlsguardError(f"on the scratch server: {explain(error)}") from error


def _made(
    conn: psycopg.Connection[Any], plan: Plan, catalog: Catalog, of_extensions: Mapping[str, tuple[str, str]]
) -> Expected:
    conn.execute(read("each/session.sql"))
    available = {name for (name,) in conn.execute("SELECT name FROM pg_available_extensions").fetchall()}
    stand_in = skeleton(plan, catalog, of_extensions, available)
    create = sql.SQL("CREATE SCHEMA IF NOT EXISTS {schema}; CREATE EXTENSION IF NOT EXISTS {name} SCHEMA {schema}")
    extensions = [create.format(schema=Name(schema), name=Name(name)) for name, schema in stand_in.extensions.items()]
    tables = sql.SQL(";\n").join([*extensions, *stand_in.statements])
    definitions, built_in = _spelled(conn, tables, "\n".join(render.statements(unit) for unit in stand_in.units))
    return Expected(definitions, conn.info.parameter_status("server_version"), stand_in.left_out, built_in)


def _spelled(
    conn: psycopg.Connection[Any], tables: sql.Composed, guard: str
) -> tuple[Mapping[str, str], Mapping[str, tuple[str, str]]]:
    """Make *guard* on *tables*, and return definitions and built-in functions as the server spells them then."""
    conn.execute(tables)
    enter_owner(conn)
    conn.execute(guard)
    # Of what was made just now the planner knows nothing yet.
    conn.execute("ANALYZE pg_class, pg_attribute, pg_constraint, pg_policy, pg_trigger, pg_proc, pg_namespace")
    definitions = dict(read_rows(conn, "definitions"))
    functions = read_rows(conn, "check/built_in")
    statements = dict(read_rows(conn, "check/function_definitions", [[oid for oid, *_ in functions]]))
    conn.rollback()
    return definitions, {name: (does, statements[oid]) for oid, name, does in functions}


def read_rows(
    conn: psycopg.Connection[Any], name: str, params: Sequence[Any] | Mapping[str, Any] | None = None
) -> list[tuple[Any, ...]]:
    """Run `sql/<name>.sql` and return its rows."""
    with conn.cursor(row_factory=tuple_row) as cursor:
        return cursor.execute(read(f"{name}.sql"), params).fetchall()


@contextmanager
def _server(scratch: Path | str) -> Iterator[str]:
    if isinstance(scratch, str):
        yield scratch
        return
    with start(scratch, settings=_SETTINGS) as server:
        yield server.dsn()

"""The servers that tests run against: which are here, how they are set up, and a fresh database in milliseconds."""

from __future__ import annotations

import itertools
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

from rlsguard.server import SUPERUSER, Server, find_binaries, start

SUPPORTED = (15, 16, 17, 18)

SETTINGS = {
    "max_connections": "60",
    "shared_buffers": "32MB",
    "max_prepared_transactions": "5",
    "wal_level": "logical",
    # Tests that need statistics say ANALYZE; a worker that wakes up now and then makes plans a matter of luck.
    "autovacuum": "off",
    # Without statistics small queries look dear enough to be compiled, which takes a hundred times as long as they do.
    "jit": "off",
}

# Which rows of the server's own catalogs go with a template that makes roles.
_OF = {
    "pg_authid": "oid = ANY ({roles})",
    "pg_auth_members": "roleid = ANY ({roles}) OR member = ANY ({roles})",
    "pg_db_role_setting": "setrole = ANY ({roles})",
    "pg_shdescription": "classoid = 'pg_authid'::regclass AND objoid = ANY ({roles})",
    "pg_shdepend": "dbid = {database} OR (refclassid = 'pg_authid'::regclass AND refobjid = ANY ({roles}))",
}

_ROOT = Path(__file__).parents[1]


@cache
def present() -> dict[int, Path]:
    """Return the bin directory of each supported major version on this machine, oldest first."""
    return {major: bindir for major, bindir in sorted(find_binaries().items()) if major in SUPPORTED}


def has_library(bindir: Path, name: str) -> bool:
    """Whether the installation around *bindir* brings the loadable module *name*, such as pgaudit."""
    return any((bindir.parent / "lib").rglob(f"{name}.so"))


def settings(bindir: Path) -> dict[str, str]:
    """Return the settings of a test server; pgaudit is loaded where it is installed."""
    if has_library(bindir, "pgaudit"):
        return {**SETTINGS, "shared_preload_libraries": "pgaudit"}
    return SETTINGS


def memory() -> Path | None:
    """Return a file system in memory with room to spare: there a new database takes 20 ms, on some disks 300."""
    shm = Path("/dev/shm")
    roomy = os.access(shm, os.W_OK) and shutil.disk_usage(shm).free > 4 * 2**30
    return shm if roomy else None


def berka_folder() -> Path | None:
    """Return where the Berka data is: $RLSGUARD_BERKA, or ../shared/data/berka beside the repository."""
    folder = Path(os.environ.get("RLSGUARD_BERKA") or _ROOT.parent / "shared" / "data" / "berka")
    return folder if (folder / "client.asc").is_file() else None


@dataclass(frozen=True, slots=True)
class Database:
    """A database of one test. `conn` is its superuser's connection, in autocommit."""

    server: Server
    name: str
    conn: psycopg.Connection[Any]

    @property
    def major(self) -> int:
        return self.server.major

    def dsn(self, user: str = SUPERUSER) -> str:
        return self.server.dsn(self.name, user)

    def connect(self, user: str = SUPERUSER, *, autocommit: bool = True, **kwargs: Any) -> psycopg.Connection[Any]:
        """Open another connection, as *user*; what the test leaves open is cut off with the database."""
        return psycopg.connect(self.dsn(user), autocommit=autocommit, **kwargs)

    def execute(self, query: Any, params: Any = None) -> list[tuple[Any, ...]]:
        """Run *query* as the superuser and return its rows, or nothing where it has none."""
        cursor = self.conn.execute(query, params)
        return cursor.fetchall() if cursor.description is not None else []


# Takes a name and what builds the database of that name when it is first asked for; returns a clone of it.
Clone = Callable[[str, Callable[[psycopg.Connection[Any]], None]], Database]


def dump(db: Database, *options: str) -> str:
    """Return the schema as pg_dump writes it; the random marks of newer versions are taken out."""
    command = [db.server.bindir / "pg_dump", "--schema-only", *options, "-d", db.dsn()]
    result = subprocess.run(command, check=True, capture_output=True, text=True)
    return "\n".join(line for line in result.stdout.splitlines() if not line.startswith(("\\restrict", "\\unrestrict")))


@dataclass(frozen=True, slots=True)
class Template:
    """A database to clone, and the tables of the administrator's connection that hold the rows of its roles."""

    dbname: str
    oid: int
    rows: dict[str, sql.Identifier]


@dataclass(frozen=True, slots=True)
class Postgres:
    """A running test server that hands out databases."""

    server: Server
    _admin: psycopg.Connection[Any]
    _templates: dict[str, Template] = field(default_factory=dict)
    _numbers: Iterator[int] = field(default_factory=itertools.count)

    @property
    def major(self) -> int:
        return self.server.major

    def template(self, name: str, build: Callable[[psycopg.Connection[Any]], None]) -> Template:
        """Return the template database *name*; *build* fills it when it is first asked for.

        Roles belong to the server and would be there in every other test: those that *build* makes are put away, and
        each clone gets them back with the same OIDs.
        """
        if name not in self._templates:
            dbname = f"template_{next(self._numbers)}"
            before = self._roles()
            self._create(dbname, "template1")
            with psycopg.connect(self.server.dsn(dbname), autocommit=True) as conn:
                build(conn)
            self._templates[name] = self._put_away(dbname, self._roles() - before)
        return self._templates[name]

    @contextmanager
    def database(self, template: Template | None = None) -> Iterator[Database]:
        """Create a database, empty or cloned, and drop it afterwards with every role made in the meantime."""
        roles = self._roles()
        dbname = f"test_{next(self._numbers)}"
        try:
            self._create(dbname, template.dbname if template else "template1")
            if template:
                self._bring_back(template, dbname)
            with psycopg.connect(self.server.dsn(dbname), autocommit=True) as conn:
                yield Database(self.server, dbname, conn)
        finally:
            self._let_go(dbname)
            self._admin.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(dbname)))
            self._drop_roles(self._roles() - roles)
            self._reset_system_settings()

    def _create(self, dbname: str, template: str) -> None:
        # In memory, copies of files cost half of what a copy by way of the log does, which is the default.
        create = sql.SQL("CREATE DATABASE {} TEMPLATE {} STRATEGY FILE_COPY")
        self._admin.execute(create.format(sql.Identifier(dbname), sql.Identifier(template)))

    def _put_away(self, dbname: str, roles: set[str]) -> Template:
        """Move the rows that the server's own catalogs have of *roles*, and of who owns what in *dbname*."""
        (oid,) = self._admin.execute("SELECT oid FROM pg_database WHERE datname = %s", [dbname]).fetchone() or ()
        oids = "SELECT coalesce(array_agg(oid), '{}') FROM pg_authid WHERE rolname = ANY (%s)"
        (made,) = self._admin.execute(oids, [list(roles)]).fetchone() or ()
        template = Template(dbname, oid, {catalog: sql.Identifier("pg_temp", f"{dbname}_{catalog}") for catalog in _OF})
        with self._admin.transaction():
            self._admin.execute("SET LOCAL allow_system_table_mods = on")
            for catalog, table in template.rows.items():
                rows = sql.SQL(f"FROM {catalog} WHERE {_OF[catalog]}").format(database=oid, roles=sql.Literal(made))
                self._admin.execute(sql.SQL("CREATE TEMP TABLE {} AS SELECT * {}").format(table, rows))
                self._admin.execute(sql.SQL("DELETE {}").format(rows))
        return template

    def _bring_back(self, template: Template, dbname: str) -> None:
        """Copy back what was put away, as if it had been made in *dbname*."""
        with self._admin.transaction():
            self._admin.execute("SET LOCAL allow_system_table_mods = on")
            for catalog, table in template.rows.items():
                self._admin.execute(sql.SQL(f"INSERT INTO {catalog} SELECT * FROM {{}}").format(table))
            self._admin.execute(
                "UPDATE pg_shdepend SET dbid = d.oid FROM pg_database AS d WHERE d.datname = %s AND dbid = %s",
                [dbname, template.oid],
            )

    def _roles(self) -> set[str]:
        return {name for (name,) in self._admin.execute("SELECT rolname FROM pg_roles")}

    def _drop_roles(self, roles: set[str]) -> None:
        if roles:
            names = sql.SQL(", ").join(map(sql.Identifier, sorted(roles)))
            self._admin.execute(sql.SQL("DROP OWNED BY {}").format(names))
            self._admin.execute(sql.SQL("DROP ROLE {}").format(names))

    def _let_go(self, dbname: str) -> None:
        """End what keeps a database from being dropped: a replication that still reads, a transaction left prepared."""
        self._admin.execute(
            "SELECT pg_terminate_backend(active_pid, 10000) FROM pg_replication_slots"
            " WHERE database = %s AND active_pid IS NOT NULL",
            (dbname,),
        )
        left = self._admin.execute("SELECT gid FROM pg_prepared_xacts WHERE database = %s", (dbname,)).fetchall()
        if left:
            with psycopg.connect(self.server.dsn(dbname), autocommit=True) as conn:
                for (gid,) in left:
                    conn.execute(sql.SQL("ROLLBACK PREPARED {}").format(sql.Literal(gid)))

    def _reset_system_settings(self) -> None:
        changed = "SELECT EXISTS (SELECT FROM pg_file_settings WHERE sourcefile LIKE '%/postgresql.auto.conf')"
        if self._admin.execute(changed).fetchone() == (True,):
            self._admin.execute("ALTER SYSTEM RESET ALL")
            self._admin.execute("SELECT pg_reload_conf()")


@contextmanager
def run(bindir: Path) -> Iterator[Postgres]:
    """Run a test server of the installation at *bindir*."""
    with (
        start(bindir, settings=settings(bindir), data_in=memory()) as started,
        psycopg.connect(started.dsn(), autocommit=True) as admin,
    ):
        yield Postgres(started, admin)

"""A scratch database as a project's migrations make it, to be checked before they are run anywhere else."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import psycopg
from psycopg import sql

from rlsguard.apply import apply
from rlsguard.datamap.model import DataMap
from rlsguard.names import Name
from rlsguard.problems import RlsguardError
from rlsguard.server import Server, embedded, find_binaries, start

_DATABASE = "migrated"
# The server doubles no quotes within its own.
_NO_ROLE = re.compile(r'role "(.+)" does not exist')
# Undoing has names of its own, by tool: golang-migrate and others; Flyway.
UNDO = re.compile(r".*\.down\.sql|U[0-9].*\.sql|.*[._-](undo|rollback|revert)\.sql", re.IGNORECASE)
# V1.2__name.sql, R__name.sql
_FLYWAY = re.compile(r"(?:V([0-9]+(?:[._][0-9]+)*)|R)__")


@dataclass(frozen=True, slots=True)
class Migrations:
    """A project's migrations.

    Attributes:
        kind: "alembic" where *path* is an alembic.ini; "sql" where it is a folder of SQL files.
    """

    kind: Literal["alembic", "sql"]
    path: Path


@contextmanager
def migrated(migrations: Migrations, datamap: DataMap, bindir: Path | None) -> Iterator[tuple[str, str]]:
    """Run *migrations* on a scratch server, which goes with the block; yield DSNs to what they make and to it.

    Roles that they or the map name and nobody makes are made. Where they leave out the guard, the map is applied.

    Args:
        bindir: the server's programs; by default the newest on this machine.

    Raises:
        MapError: the map does not fit what the migrations make.
        RlsguardError: a migration fails.
    """
    found = find_binaries()
    with start(bindir or (found[max(found)] if found else embedded())) as server:
        with psycopg.connect(server.dsn(), autocommit=True) as admin:
            _run(migrations, server, admin)
            for role in (*datamap.roles, *datamap.exempt):
                _make_role(admin, role)
        with psycopg.connect(server.dsn(_DATABASE), autocommit=True) as conn:
            ((guarded,),) = conn.execute("SELECT to_regclass('rlsguard.manifest') IS NOT NULL").fetchall()
            if not guarded:
                apply(conn, datamap)
        yield server.dsn(_DATABASE), server.dsn()


def _run(migrations: Migrations, server: Server, admin: psycopg.Connection[Any]) -> None:
    """Run them from nothing, again for each role that they name and do not make."""
    ours = _roles(admin)
    while True:
        admin.execute(sql.SQL("DROP DATABASE IF EXISTS {}").format(Name(_DATABASE)))
        # Roles are the server's: those that the run before has made are in the way of this one.
        for role in _roles(admin) - ours:
            admin.execute(sql.SQL("DROP OWNED BY {0}; DROP ROLE {0}").format(Name(role)))
        admin.execute(sql.SQL("CREATE DATABASE {}").format(Name(_DATABASE)))
        error = _alembic(migrations.path, server) if migrations.kind == "alembic" else _sql(migrations.path, server)
        if error is None:
            return
        missing = _NO_ROLE.search(error)
        if missing is None or not _make_role(admin, missing.group(1)):
            raise RlsguardError(f"the migrations of {migrations.path} fail: {error}")
        ours.add(missing.group(1))


def _roles(admin: psycopg.Connection[Any]) -> set[str]:
    return {name for (name,) in admin.execute("SELECT rolname FROM pg_roles").fetchall()}


def _make_role(admin: psycopg.Connection[Any], role: str) -> bool:
    if admin.execute("SELECT FROM pg_roles WHERE rolname = %s", [role]).fetchone() is not None:
        return False
    admin.execute(sql.SQL("CREATE ROLE {} LOGIN").format(Name(role)))
    return True


# The project's env.py is code of its own: it runs in a process of its own.
_UPGRADE = """
import sys
from alembic import command
from alembic.config import Config
from sqlalchemy.engine import URL, make_url

ini, host, port, user, database = sys.argv[1:]
config = Config(ini)
try:
    driver = make_url(config.get_main_option("sqlalchemy.url") or "").drivername
except Exception:
    driver = ""
if not driver.startswith("postgresql"):
    driver = "postgresql+psycopg"
# In the query: a folder of sockets is no name of a host.
url = URL.create(driver, user, database=database, query={"host": host, "port": port})
config.set_main_option("sqlalchemy.url", url.render_as_string(hide_password=False).replace("%", "%%"))
command.upgrade(config, "heads")
"""


def _alembic(ini: Path, server: Server) -> str | None:
    """Return why the migrations of an alembic.ini fail, if they do.

    The database is told by sqlalchemy.url, and to an env.py that goes by the environment, by DATABASE_URL and PG*.
    """
    place = (str(server.sockets), str(server.port), "postgres", _DATABASE)
    environment = {
        **os.environ,
        **dict(zip(("PGHOST", "PGPORT", "PGUSER", "PGDATABASE"), place, strict=True)),
        "DATABASE_URL": f"postgresql+psycopg://{place[2]}@/{place[3]}?host={place[0]}&port={place[1]}",
    }
    command = [sys.executable, "-c", _UPGRADE, str(ini.resolve()), *place]
    answer = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=ini.resolve().parent)
    return None if answer.returncode == 0 else _last_error(answer.stderr)


def _sql(folder: Path, server: Server) -> str | None:
    """Return why the SQL files of a folder fail, if they do; they run in the order of their names, numbers by value."""
    files = sorted((f for f in folder.rglob("*.sql") if not UNDO.fullmatch(f.name)), key=by_number)
    if not files:
        raise RlsguardError(f"{folder}: there is no *.sql file in this folder")
    for file in files:
        command = [str(server.bindir / "psql"), "-X", "-q", "-v", "ON_ERROR_STOP=1", "-d", server.dsn(_DATABASE)]
        answer = subprocess.run([*command, "-f", str(file)], capture_output=True, text=True)
        if answer.returncode:
            return _last_error(answer.stderr)
    return None


def by_number(file: Path) -> tuple[tuple[int, int, str], ...]:
    """Return what sorts *file* by its name, numbers in it by their value; Flyway's by version, whatever its folder."""
    version = _FLYWAY.match(file.name)
    if version is None:
        return _parts(file.as_posix())
    # 1 comes before 1.1, and what is repeated comes last.
    numbers = tuple((0, int(one), "") for one in re.findall(r"[0-9]+", version[1] or ""))
    return ((2 if version[1] is None else 1, 0, "V"), *numbers, (-1, 0, ""), *_parts(file.name[version.end() :]))


def _parts(name: str) -> tuple[tuple[int, int, str], ...]:
    parts = re.findall(r"[0-9]+|[^0-9]+", name)
    return tuple((0, int(part), "") if part.isdecimal() else (1, 0, part) for part in parts)


def _last_error(output: str) -> str:
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    # Not whatever has ERROR in it: SQLAlchemy repeats the statement.
    errors = [line for line in lines if re.match(r"psql:|[\w.]+(Error|Exception|Undefined\w*)\b", line)]
    return (errors or lines or ["without a word"])[-1]

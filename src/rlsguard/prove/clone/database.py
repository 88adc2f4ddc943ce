"""A database like another one: the same schema and roles on another server, and a sample of its rows."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql
from psycopg.conninfo import make_conninfo

from rlsguard.names import Name
from rlsguard.problems import RlsguardError
from rlsguard.prove.clone.roles import copy_roles
from rlsguard.prove.clone.rows import copy_rows
from rlsguard.prove.scenario import Case
from rlsguard.prove.scene import Scene
from rlsguard.server import Server, embedded, find_binaries, start

_DATABASE = "copy"
_PARAMETERS = ("host", "hostaddr", "port", "dbname", "user", "passfile", "sslmode", "sslrootcert", "sslcert", "sslkey")
_EXTENSION = re.compile(r"^(CREATE EXTENSION IF NOT EXISTS|COMMENT ON EXTENSION) (\"(?:[^\"]|\"\")+\"|\w+)")


@contextmanager
def copy_of(scene: Scene, cases: Collection[Case], bindir: Path | None) -> Iterator[tuple[Server, str]]:
    """Make a copy on a server of its own and yield that with the database's name; both go with the block.

    Args:
        bindir: where the server's programs are; by default those of the same major version where this machine has
            any, or else the newest embedded ones.

    Raises:
        RlsguardError: there is no server that is new enough, or the schema cannot be made there.
    """
    chosen = bindir or find_binaries().get(scene.catalog.major) or embedded()
    with start(chosen, settings={"wal_level": "logical"}) as server:
        if server.major < scene.catalog.major:
            raise RlsguardError(
                f"PostgreSQL {server.version} in {chosen} is too old for a copy of {scene.catalog.major}"
            )
        source = scene.session.conn
        with psycopg.connect(server.dsn(), autocommit=True) as admin:
            copy_roles(scene.session, admin)
            encoding = source.info.parameter_status("server_encoding") or "UTF8"
            create = sql.SQL("CREATE DATABASE {} TEMPLATE template0 ENCODING {} LOCALE 'C'")
            admin.execute(create.format(Name(_DATABASE), sql.Literal(encoding)))
        with psycopg.connect(server.dsn(_DATABASE), autocommit=True) as target:
            _restore(server, _without_missing(_dump(server.bindir, source), target))
            copy_rows(scene, cases, target)
        yield server, _DATABASE


def _dump(bindir: Path, source: psycopg.Connection[Any]) -> str:
    # psycopg's libpq may know more parameters than the program's.
    known = source.info.get_parameters()
    parameters = {name: known[name] for name in _PARAMETERS if name in known}
    command = [str(bindir / "pg_dump"), "--schema-only", "--no-tablespaces", "-d", make_conninfo(**parameters)]
    environment = {**os.environ, "PGPASSWORD": source.info.password or os.environ.get("PGPASSWORD", "")}
    answer = subprocess.run(command, capture_output=True, text=True, env=environment)
    if answer.returncode:
        raise RlsguardError(f"pg_dump could not read the schema: {answer.stderr.strip()}")
    return answer.stdout


def _without_missing(dump: str, target: psycopg.Connection[Any]) -> str:
    """Leave out extensions that the server does not have: if anything needs one of them, that fails and says so."""
    available = {name for (name,) in target.execute("SELECT name FROM pg_catalog.pg_available_extensions").fetchall()}

    def is_missing(line: str) -> bool:
        match = _EXTENSION.match(line)
        return match is not None and match.group(2).strip('"').replace('""', '"') not in available

    return "\n".join(line for line in dump.splitlines() if not is_missing(line))


def _restore(server: Server, dump: str) -> None:
    command = [str(server.bindir / "psql"), "-X", "-q", "-v", "ON_ERROR_STOP=1", "-d", server.dsn(_DATABASE)]
    answer = subprocess.run(command, input=dump, capture_output=True, text=True, env={**os.environ, "PGOPTIONS": ""})
    if answer.returncode:
        first = next((line for line in answer.stderr.splitlines() if "ERROR" in line), answer.stderr.strip())
        raise RlsguardError(f"the schema cannot be made on PostgreSQL {server.version}: {first}")

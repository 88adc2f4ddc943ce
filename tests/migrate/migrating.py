"""Small verbs for tests of migrations: write one, run it with psql, and what a database is like before and after."""

from __future__ import annotations

import subprocess
import tempfile
from pathlib import Path
from typing import Any

from guarding import load
from rlsguard.apply import apply
from rlsguard.check import check
from rlsguard.migrate import Migration, find_migration
from rlsguard.migrate.steps import Settings
from rlsguard.migrate.write import plain
from rlsguard.names import QualifiedName
from rlsguard.server import SUPERUSER
from servers import Database, dump

# The rows of the guard's that a map decides on. What is noted is when and by whom, besides.
_ROWS = {
    "manifest": "SELECT unit, statements_hash, objects, detail, made_in FROM rlsguard.manifest ORDER BY 1",
    "subject": "SELECT * FROM rlsguard.subject ORDER BY 1",
    "purpose": "SELECT * FROM rlsguard.purpose ORDER BY 1",
    "role_purpose": "SELECT * FROM rlsguard.role_purpose ORDER BY 1, 2",
    "exemption": "SELECT * FROM rlsguard.exemption ORDER BY 1",
}


def migration(
    db: Database, text: str, *, user: str = SUPERUSER, prune: tuple[str, ...] = (), **settings: Any
) -> Migration:
    """Return the migration that takes *db* to the map written in *text*, as *user* would have it written."""
    settings = {"lock_timeout": 0.5, **settings}
    names = [QualifiedName(*name.split(".")) for name in prune]
    with tempfile.TemporaryDirectory() as folder, db.connect(user, client_encoding="utf-8") as conn:
        path = Path(folder) / "map.yaml"
        path.write_text(text, encoding="utf-8")
        delta = apply(conn, load(text), prune=names, release=settings.get("release", ()), dry_run=True)
        return find_migration(delta, load(text), path, Settings(**settings))


def psql(db: Database, script: str, *, user: str = SUPERUSER) -> None:
    """Run *script* as psql runs a file of that name: it stops at the first error."""
    error = psql_fails(db, script, user=user)
    assert not error, error.partition("CONTEXT")[0]


def psql_fails(db: Database, script: str, *, user: str = SUPERUSER) -> str:
    """Run *script* and return what psql says of its error."""
    command = [db.server.bindir / "psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", "-d", db.dsn(user), "-f", "-"]
    result = subprocess.run(command, input=script, capture_output=True, encoding="utf-8")
    assert (result.returncode != 0) is ("ERROR" in result.stderr), result.stderr
    return result.stderr if result.returncode else ""


def up(db: Database, written: Migration, *, user: str = SUPERUSER) -> None:
    """Run *written*."""
    psql(db, files(written)[0], user=user)


def down(db: Database, written: Migration, *, user: str = SUPERUSER) -> None:
    """Undo it."""
    psql(db, files(written)[1], user=user)


def files(written: Migration) -> tuple[str, str]:
    """Return *written* as a file for psql, and the file that undoes it."""
    up, down = plain.files(written, "it", Path()).values()
    return up, down


def state(db: Database) -> dict[str, Any]:
    """Return the schema as pg_dump writes it, and the guard's rows that a map decides on."""
    # Alembic's own table is no concern of the guard's.
    found: dict[str, Any] = {"dump": dump(db, "--encoding=UTF8", "--exclude-table=public.alembic_version").splitlines()}
    (there,) = db.execute("SELECT to_regclass('rlsguard.manifest') IS NOT NULL")[0]
    if there:
        found |= {table: db.execute(query) for table, query in _ROWS.items()}
    return found


def would_change(db: Database, text: str, *, user: str = SUPERUSER, prune: tuple[str, ...] = ()) -> list[str]:
    """Return what an apply of the map written in *text* would do."""
    with db.connect(user, client_encoding="utf-8") as conn:
        names = [QualifiedName(*name.split(".")) for name in prune]
        return [str(change) for change in apply(conn, load(text), prune=names, dry_run=True).changes]


def findings(db: Database, text: str) -> list[str]:
    """Return what of the guard is not as it is where *text* is applied to nothing."""
    with db.connect() as conn:
        found = check(conn, load(text)).findings
    return [
        f"{f.kind.id} {f.about}: {f.why}" for f in found if f.kind.id.startswith("RG1") and f.kind.severity == "error"
    ]

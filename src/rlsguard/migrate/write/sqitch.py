"""A migration as a change of Sqitch, appended to the project's plan."""

from __future__ import annotations

import configparser
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

from psycopg import sql

from rlsguard.migrate.model import Migration
from rlsguard.migrate.write import plain
from rlsguard.migrate.write.wrapped import adapted, code, executed
from rlsguard.problems import RlsguardError
from rlsguard.render.template import text
from rlsguard.sqlfiles import read

_CHANGE = re.compile(r"^[ \t]*[+-]?[ \t]*([^\s%@#+-][^\s\[#]*)", re.MULTILINE)
_PROJECT = re.compile(r"^[ \t]*%[ \t]*project[ \t]*=[ \t]*(\S+)", re.MULTILINE)

# Sqitch runs psql with variables, which are written so, as are psql's commands.
_PSQL = re.compile(r"(?<!:):(?!:)|\\")

_VERIFY = sql.SQL("""\
SET LOCAL search_path = pg_catalog, pg_temp;
{become_owner}
-- Division by zero where the manifest does not note it so, unless a later change has been deployed since.
SELECT 1 / (NOT EXISTS (
    SELECT FROM (VALUES
        {rows}
    ) AS wanted (unit, statements_hash)
    WHERE wanted.statements_hash IS DISTINCT FROM (
        SELECT m.statements_hash FROM rlsguard.manifest AS m WHERE m.unit = wanted.unit
    )
) OR EXISTS (
    SELECT FROM :"registry".changes AS c
    WHERE c.project = {project} AND c.change = {name}
      AND c.committed_at < (SELECT max(m.applied_at) FROM rlsguard.manifest AS m)
))::int""")


def files(migration: Migration, name: str, folder: Path | None) -> Mapping[str, str]:
    """Return the change's scripts, and the plan of the project in *folder* with a line more.

    Raises:
        RlsguardError: there is no plan, it cannot be read, or it has a change of that name.
    """
    assert folder is not None
    plan = _read(folder / "sqitch.plan")
    if plan is None:
        raise RlsguardError(f"{folder / 'sqitch.plan'} is not there; `sqitch init PROJECT --engine pg` makes it")
    change = plain.slug(name)
    if change in _CHANGE.findall(plan):
        raise RlsguardError(f"{folder / 'sqitch.plan'} has a change {change} already; say another with -m")
    found_project = _PROJECT.search(plan)
    project = "" if found_project is None else found_project[1]
    scripts = {"Deploy": plain.up(adapted(migration, _kept)), "Revert": plain.down(adapted(migration, _kept))}
    if migration.noted:
        scripts["Verify"] = plain.script(("BEGIN", text(_verify(migration, project, change)), "ROLLBACK"))
    # Which psql would take it for is a matter of the database.
    head = f"{project}:{change}\n\\encoding UTF8\n"
    found = {f"{what.lower()}/{change}.sql": f"-- {what} {head}{script}" for what, script in scripts.items()}
    # Last: what it names is there.
    found["sqitch.plan"] = plan + _separator(plan) + _line(change, name, folder)
    return found


def _kept(statement: str) -> str:
    return executed(statement) if _PSQL.search(code(statement)) else statement


def _verify(migration: Migration, project: str, change: str) -> sql.Composed:
    rows = (sql.SQL("({}, {}::text)").format(unit, statements_hash) for unit, statements_hash in migration.noted)
    return _VERIFY.format(
        become_owner=sql.SQL(read("each/become_owner.sql").rstrip()),
        rows=sql.SQL(",\n        ").join(rows),
        project=project,
        name=change,
    )


def _separator(plan: str) -> str:
    """Return what must come between *plan* and a further change: an empty line ends the pragmas."""
    ended = "" if plan.endswith("\n") else "\n"
    return ended + ("\n" if plan.rstrip().rpartition("\n")[2].startswith("%") and "\n\n" not in plan else "")


def _line(change: str, name: str, folder: Path) -> str:
    note = "".join(c if c.isprintable() else " " for c in name).replace("\\", "\\\\").strip()
    return f"{change} {datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ} {_planner(folder)} # {note or change}\n"


def _planner(folder: Path) -> str:
    """Return who plans it: whom the project's own settings name, or rlsguard."""
    settings = configparser.ConfigParser(interpolation=None, strict=False, allow_no_value=True)
    try:
        settings.read_string(_read(folder / "sqitch.conf") or "")
    except configparser.Error as error:
        raise RlsguardError(f"{folder / 'sqitch.conf'}: {error}") from error
    name, email = (" ".join((settings.get("user", key, fallback=None) or "").split()) for key in ("name", "email"))
    return f"{name} <{email}>" if name and email else "rlsguard <rlsguard@localhost>"


def _read(file: Path) -> str | None:
    """Return the text of *file* with its own ends of lines; None where it does not exist."""
    try:
        return file.read_bytes().decode() if file.is_file() else None
    except (OSError, UnicodeDecodeError) as error:
        raise RlsguardError(f"{file}: {error}") from error

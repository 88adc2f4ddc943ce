"""Settings of the server, of databases and of roles that get in the way of the guard."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from psycopg import sql

from rlsguard.doctor.model import Finding
from rlsguard.doctor.scene import Scene
from rlsguard.names import quote

_CHECK = "settings"

_ROW_SECURITY = "reads of protected tables fail for every role that policies hold"
_REPLICATION_ROLE = "ordinary triggers and foreign keys are silent; the guard's own triggers are not"


def check(scene: Scene) -> Iterator[Finding]:
    """Look at what is set for all, and at what is set for a role or a database."""
    (server,) = scene.rows("settings")
    found = [*_of_session(server), *_of_roles(scene)]
    yield from found or (Finding(_CHECK, "ok", "", "no setting is in the way of policies, triggers or the audit.", ""),)
    if server.jit and server.jit_above_cost <= server.jit_above_cost_default:
        message = (
            f"jit is on from a cost of {server.jit_above_cost:g}: compiling can take longer than the query "
            "(412 ms for a scan of 4.7 ms on PostgreSQL 15)."
        )
        advice = (
            "SET jit = off, or a higher jit_above_cost, for roles with short queries: ALTER ROLE name SET jit = off;"
        )
        yield Finding("jit", "note", "jit", message, advice)
    else:
        yield Finding("jit", "ok", "jit", "jit is off, or begins later than by default.", "")


def _of_session(server: Any) -> Iterator[Finding]:
    if server.row_security == "off":
        yield _warning("row_security", f"row_security is off: {_ROW_SECURITY}.", "SET row_security = on;")
    if server.replication_role != "origin":
        message = f"session_replication_role is {server.replication_role}: {_REPLICATION_ROLE}."
        yield _warning("session_replication_role", message, "SET session_replication_role = origin;")
    if server.log_statement in ("mod", "all"):
        message = f"log_statement is {server.log_statement}: the server's log holds what statements say of persons."
        advice = "Guard the log as you do the tables, or set log_statement = ddl and leave the rest to pgaudit."
        yield Finding(_CHECK, "note", "log_statement", message, advice)


def _of_roles(scene: Scene) -> Iterator[Finding]:
    for row in scene.role_settings:
        what = f"{row.name} is set to {row.value!r} for {_whom(scene, row)}"
        advice = _reset(scene, row)
        if row.name == "row_security" and row.value in ("off", "false", "no", "0"):
            yield _warning(row.name, f"{what}: {_ROW_SECURITY}.", advice)
        elif row.name == "session_replication_role" and row.value != "origin":
            yield _warning(row.name, f"{what}: {_REPLICATION_ROLE}.", advice)
        elif row.name.startswith("pgaudit."):
            yield _warning(row.name, f"{what}: what it does may not be recorded like what others do.", advice)


def _whom(scene: Scene, row: Any) -> str:
    role = "all roles" if row.role is None else quote(row.role)
    return f"{role} in {quote(scene.catalog.database)}" if row.here else role


def _reset(scene: Scene, row: Any) -> str:
    database = sql.SQL(quote(scene.catalog.database))
    name = sql.SQL(".").join(sql.SQL(quote(part)) for part in row.name.split("."))
    if row.role is None:
        target = sql.SQL("DATABASE {}").format(database) if row.here else sql.SQL("ROLE ALL")
    else:
        target = sql.SQL("ROLE {}").format(sql.SQL(quote(row.role)))
        if row.here:
            target += sql.SQL(" IN DATABASE {}").format(database)
    return sql.SQL("ALTER {} RESET {};").format(target, name).as_string(scene.conn)


def _warning(about: str, message: str, advice: str) -> Finding:
    return Finding(_CHECK, "warning", about, message, advice)

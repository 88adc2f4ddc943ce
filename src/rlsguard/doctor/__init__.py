"""The doctor: is this server, with these rights and these settings, one on which opt-outs hold?"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import psycopg

from rlsguard import catalog
from rlsguard.connection import explain
from rlsguard.datamap.model import DataMap
from rlsguard.doctor import audit, exempt, gaps, guard, people, planner, rights, settings, version, views
from rlsguard.doctor.model import Finding, Severity
from rlsguard.doctor.scene import Scene
from rlsguard.problems import RlsguardError
from rlsguard.sqlfiles import read

__all__ = ["Finding", "Severity", "diagnose"]

_CHECKS: tuple[tuple[str, Callable[[Scene], Iterator[Finding]]], ...] = (
    ("server-version", version.check),
    ("rights", rights.check),
    ("guard", guard.check),
    ("partitions", gaps.partitions),
    ("shut", gaps.shut),
    ("pgaudit", audit.check),
    ("settings", settings.check),
    ("superusers", people.above),
    ("table-owners", people.owners),
    ("views", views.check),
    ("auditors", people.auditors),
    ("copy-from", people.loaders),
    ("truncate", people.emptiers),
    ("exemptions", exempt.exemptions),
    ("dropped-roles", exempt.dropped),
    ("statistics", planner.statistics),
    ("work-mem", planner.memory),
    ("index", planner.indexes),
)

# A look at a big table must not become a load of its own.
_SECONDS_A_STATEMENT = 15


def diagnose(conn: psycopg.Connection[Any], datamap: DataMap | None) -> tuple[Finding, ...]:
    """Examine the server and the database of *conn*, which must be idle; nothing is changed.

    Works as any login and on a hot standby. What the login may not see becomes a note that says so.

    Args:
        datamap: what is to be protected; without it, the tables that are protected already are looked at.

    Raises:
        RlsguardError: the connection broke.
    """
    found: list[Finding] = []
    try:
        with conn.transaction(force_rollback=True):
            conn.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
            conn.execute(read("each/session.sql"))
            # What is looked at is what sessions come with.
            conn.execute("SET LOCAL jit TO DEFAULT; SET LOCAL row_security TO DEFAULT")
            conn.execute(
                "SELECT pg_catalog.set_config('statement_timeout', %s, true)", [f"{_SECONDS_A_STATEMENT * 1000}ms"]
            )
            scene = Scene(conn, catalog.load(conn), datamap)
            for name, check in _CHECKS:
                found += _examine(scene, name, check)
    except psycopg.Error as error:
        raise RlsguardError(explain(error)) from error
    return tuple(found)


def _examine(scene: Scene, name: str, check: Callable[[Scene], Iterator[Finding]]) -> list[Finding]:
    """Run one check; what it may not see is a finding too, beside what it has seen before."""
    found: list[Finding] = []
    try:
        with scene.conn.transaction(force_rollback=True):
            for finding in check(scene):
                found.append(finding)
    except psycopg.Error as error:
        if scene.conn.broken:
            raise
        found.append(
            Finding(
                name,
                "note",
                "",
                f"could not look: {explain(error)}.",
                "Ask again as a superuser or a member of rlsguard_auditor.",
            )
        )
    return found

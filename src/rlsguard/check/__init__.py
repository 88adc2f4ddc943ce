"""Drift: a live database held against its data map, and what around the guard weakens it."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg

from rlsguard import catalog
from rlsguard.apply import explain
from rlsguard.check import around, guard, kinds, partitions, rows, state
from rlsguard.check.baseline import since
from rlsguard.check.expected import Expected, binaries, expected, without
from rlsguard.check.expected import rows as read_rows
from rlsguard.check.model import SEVERITIES, Finding, Kind, Outcome, Severity, Waived, in_order
from rlsguard.check.scene import Scene
from rlsguard.check.waivers import refuse_unknown, waive
from rlsguard.datamap.model import DataMap
from rlsguard.problems import RlsguardError, did_you_mean
from rlsguard.prove.scene import Scene as Surroundings
from rlsguard.prove.session import begin
from rlsguard.prove.survey import look_around

__all__ = ["SEVERITIES", "Finding", "Kind", "Outcome", "Severity", "Waived", "check", "since"]

_CHECKS: tuple[Callable[[Scene], Iterator[Finding]], ...] = (
    guard.check,
    rows.check,
    state.check,
    partitions.check,
    around.check,
)


def check(
    conn: psycopg.Connection[Any],
    datamap: DataMap,
    *,
    scratch: str | None = None,
    statement_timeout: float = 60.0,
    only: Collection[str] = (),
) -> Outcome:
    """Hold the database of *conn*, which must be idle, against *datamap*; it is only read, and may be a hot standby.

    Args:
        scratch: a server of the same major version to find out on how definitions should look: where its programs are,
            or a DSN to it as its superuser; by default what this machine has.
        statement_timeout: seconds that any one statement may take.
        only: ids of the findings to look for; by default all.

    Raises:
        MapError: the map does not fit the database.
        RlsguardError: the guard is not there, the login may not read it, or the connection broke.
    """
    for one in only:
        if one not in kinds.KINDS:
            raise RlsguardError(f"there is no finding {one}{did_you_mean(one, kinds.KINDS)}")
    refuse_unknown(datamap)
    started, clock = datetime.now(UTC), time.monotonic()
    try:
        with begin(conn, statement_timeout=statement_timeout) as session:
            surroundings = look_around(session, datamap, catalog.load(conn))
            should = _expected(surroundings, scratch)
            scene = Scene(surroundings, dict(read_rows(conn, "definitions")), should)
            findings = [*_not_compared(scene), *(found for look in _CHECKS for found in look(scene))]
            outcome = Outcome(
                database=f"{conn.info.host}:{conn.info.port}/{conn.info.dbname}",
                server=conn.info.parameter_status("server_version") or "",
                started_at=started,
                seconds=time.monotonic() - clock,
                compared=len(scene.expected.definitions),
                with_server=should.server,
                findings=in_order(f for f in findings if not only or f.kind.id in only),
            )
            return waive(outcome, datamap, surroundings.today, all_looked_for=not only)
    except psycopg.errors.InsufficientPrivilege as error:
        raise RlsguardError(f"{explain(error)}; check as a superuser, or as a member of rlsguard_auditor") from error
    except psycopg.Error as error:
        raise RlsguardError(explain(error)) from error


def _expected(place: Surroundings, scratch: str | None) -> Expected:
    major = place.catalog.major
    where = binaries(major) if scratch is None else Path(scratch) if Path(scratch).is_dir() else scratch
    if where is None:
        return without(place.wanted, f"there is no PostgreSQL {major} on this machine")
    types = {
        spelled: (extension, schema)
        for spelled, extension, schema in read_rows(place.session.conn, "check/extension_types")
    }
    return expected(place.wanted, place.catalog, types, where)


def _not_compared(scene: Scene) -> Iterator[Finding]:
    left_out = scene.expected.left_out
    if scene.expected.server is None:
        (why,) = {*left_out.values()}
        mend = "Name one by --scratch, or install it where rlsguard runs."
        yield scene.finding(
            kinds.NOT_COMPARED, "definitions", f"{why}: they were compared with the manifest alone.", mend
        )
        return
    for unit in scene.wanted.units:
        if unit.unit in left_out:
            why = f"{left_out[unit.unit]}: it was compared with the manifest alone."
            mend = "Name a server that has it by --scratch."
            yield scene.finding(kinds.NOT_COMPARED, unit.unit, why, mend, unit)

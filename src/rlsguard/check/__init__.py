"""Drift: a live database held against its data map, and what around the guard weakens it."""

from __future__ import annotations

import time
from collections.abc import Collection
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import psycopg

from rlsguard.check import kinds
from rlsguard.check.baseline import since
from rlsguard.check.examine import examine
from rlsguard.check.expected import on_scratch
from rlsguard.check.model import SEVERITIES, Finding, Kind, Outcome, Severity, Waived, in_order
from rlsguard.check.waivers import refuse_unknown, waive
from rlsguard.connection import explain, place_of
from rlsguard.datamap.model import DataMap
from rlsguard.problems import MapError, Problem, RlsguardError, did_you_mean
from rlsguard.prove.session import begin
from rlsguard.prove.survey import LedgerGoneError

__all__ = ["SEVERITIES", "Finding", "Kind", "Outcome", "Severity", "Waived", "check", "since"]


_LEDGER_GONE = Finding(
    kinds.TABLE_MISSING,
    "relation rlsguard.opt_out_event",
    "the ledger is gone: what people have opted out of cannot be told. Nothing else was looked at.",
    "Bring it back from a backup, then rlsguard apply MAP: docs/restore.md, If the ledger is gone.",
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
        MapError: a waiver is for a finding that there is none of.
        RlsguardError: the guard is not there, the login may not read it, or the connection broke.
    """
    for one in only:
        if one not in kinds.KINDS:
            raise RlsguardError(f"there is no finding {one}{did_you_mean(one, kinds.KINDS)}; docs/findings has all")
    refuse_unknown(datamap)
    started, clock = datetime.now(UTC), time.monotonic()
    try:
        with begin(conn, statement_timeout=statement_timeout, users_tables=False) as session:
            outcome = Outcome(
                database=place_of(conn),
                server=conn.info.parameter_status("server_version") or "",
                started_at=started,
                seconds=0.0,
                compared=0,
                with_server=None,
                findings=(),
            )
            try:
                scene, found = examine(session, datamap, lambda place: on_scratch(place, scratch))
            except MapError as error:
                return replace(
                    outcome, seconds=time.monotonic() - clock, findings=in_order(map(_unfit, error.problems))
                )
            except LedgerGoneError:
                return replace(outcome, seconds=time.monotonic() - clock, findings=(_LEDGER_GONE,))
            outcome = replace(
                outcome,
                seconds=time.monotonic() - clock,
                compared=len(scene.expected.definitions),
                with_server=scene.expected.server,
                findings=in_order(finding for finding in found if not only or finding.kind.id in only),
            )
            return waive(outcome, datamap, started.date(), all_looked_for=not only)
    except psycopg.errors.InsufficientPrivilege as error:
        raise RlsguardError(f"{explain(error)}; check as a superuser, or as a member of rlsguard_auditor") from error
    except psycopg.Error as error:
        raise RlsguardError(explain(error)) from error


def _unfit(problem: Problem) -> Finding:
    about = ".".join(str(step) for step in problem.location)
    why = f"{problem.message}; nothing else was looked at."
    mend = "Bring the map and the database together again."
    return Finding(kinds.UNFIT, about or "map", why, mend, position=problem.position)

"""A proof on a live database: one transaction, rolled back."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import psycopg

from rlsguard.connection import explain, place_of
from rlsguard.datamap.model import DataMap
from rlsguard.people import Person
from rlsguard.problems import RlsguardError
from rlsguard.prove import beside
from rlsguard.prove.around import search
from rlsguard.prove.direct import Direct
from rlsguard.prove.lens import key_lens
from rlsguard.prove.model import Assumption, Observation, Proof, WayAround
from rlsguard.prove.roles import Prober
from rlsguard.prove.scenario import Case
from rlsguard.prove.scene import Scene
from rlsguard.prove.session import begin
from rlsguard.prove.survey import cases, survey, tops
from rlsguard.prove.through import Through
from rlsguard.prove.ways import Way, ways

# Told before each step: how many are done, how many there are, and what comes next.
Progress = Callable[[int, int, str], None]


def prove(
    conn: psycopg.Connection[Any],
    datamap: DataMap,
    *,
    max_rows: int = 200,
    statement_timeout: float = 10.0,
    progress: Progress = lambda done, total, what: None,
) -> Proof:
    """Try every path in a transaction that is rolled back; *conn* must be idle, and see past row security.

    Args:
        max_rows: how many rows of each table to look at.
        statement_timeout: seconds that any one statement may take.

    Raises:
        MapError: the map does not fit the database.
        RlsguardError: the map is not applied, the login does not see every row, or the connection broke.
    """
    started, clock = datetime.now(UTC), time.monotonic()
    try:
        with begin(conn, statement_timeout=statement_timeout) as session:
            scene = survey(session, datamap)
            found = tuple(search(scene))
            observations: list[Observation] = []
            people: set[Person] = set()
            for seen, opted_out in observe(scene, max_rows=max_rows, progress=progress):
                observations += seen
                people |= opted_out
            return Proof(
                database=place_of(conn),
                server=conn.info.parameter_status("server_version") or "",
                mode="live",
                started_at=started,
                seconds=time.monotonic() - clock,
                opted_out=len(people),
                observations=tuple(observations),
                ways_around=tuple(dict.fromkeys(one for one in found if isinstance(one, WayAround))),
                assumptions=tuple(dict.fromkeys(one for one in found if isinstance(one, Assumption))),
            )
    except psycopg.errors.ReadOnlySqlTransaction as error:
        raise RlsguardError(
            "this database is read-only, and a proof opts people out; prove on the primary server, or with --clone"
        ) from error
    except psycopg.Error as error:
        raise RlsguardError(f"the proof could not be finished, and nothing was changed: {explain(error)}") from error


def observe(
    scene: Scene, *, max_rows: int, progress: Progress
) -> Iterator[tuple[list[Observation], frozenset[Person]]]:
    """Yield what each role sees of each table, and who was opted out for it."""
    session = scene.session
    session.admit([prober.name for prober in scene.probers])
    total = len(tops(scene)) * len(scene.probers)
    for number, case in enumerate(cases(scene, max_rows=max_rows)):
        beside_it = tuple(ways(scene, case.target))
        for place, prober in enumerate(scene.probers):
            progress(number * len(scene.probers) + place, total, f"{case.target.table.name} as {prober.name}")
            seen = list(Direct(session, scene.catalog, case, prober, scene.purposes).observe())
            seen += beside.observe(session, case.target, prober)
            for way in beside_it:
                seen += _through(scene, case, prober, way)
            yield seen, case.people
    progress(total, total, "done")


def _through(scene: Scene, case: Case, prober: Prober, way: Way) -> Iterator[Observation]:
    table = case.target.table.name
    if prober.name not in way.readers:
        yield Observation(table, prober.name, way.path, "closed", 0, "it may not use it")
    elif not way.key:
        yield Observation(table, prober.name, way.path, "not tried", 0, way.why_not)
    else:
        lens = key_lens(case.target, way.relation, way.key)
        yield from Through(scene.session, way, lens, case, prober, scene.purposes).observe()

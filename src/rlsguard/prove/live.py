"""A proof on a live database: one transaction, rolled back."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import psycopg

from rlsguard import catalog as catalogs
from rlsguard import plan
from rlsguard.apply import explain
from rlsguard.catalog.installed import load_installed
from rlsguard.catalog.model import Catalog
from rlsguard.datamap.model import DataMap
from rlsguard.people import Person, in_force, load_memberships
from rlsguard.plan.model import Protection
from rlsguard.problems import RlsguardError
from rlsguard.prove.direct import Direct, relatives
from rlsguard.prove.model import Observation, Proof
from rlsguard.prove.roles import above, probers
from rlsguard.prove.scenario import scenarios
from rlsguard.prove.session import Session, begin
from rlsguard.prove.target import sample

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
            catalog = catalogs.load(conn)
            _refuse_the_blind(catalog)
            installed = load_installed(conn)
            if not installed.manifest:
                raise RlsguardError("the map is not applied here: there is nothing to prove; run rlsguard apply first")
            wanted = plan.build(datamap, catalog, installed)
            observations = tuple(_observe(session, catalog, datamap, wanted, max_rows, progress))
            return Proof(
                database=f"{conn.info.host}:{conn.info.port}/{conn.info.dbname}",
                server=conn.info.parameter_status("server_version") or "",
                mode="live",
                started_at=started,
                seconds=time.monotonic() - clock,
                opted_out=0,
                observations=observations,
                ways_around=(),
                assumptions=(),
            )
    except psycopg.Error as error:
        raise RlsguardError(f"the proof could not be finished, and nothing was changed: {explain(error)}") from error


def _refuse_the_blind(catalog: Catalog) -> None:
    if not above(catalog, catalog.user):
        raise RlsguardError(
            f"{catalog.user} does not see every row, so it cannot tell which are missing;"
            " prove as a superuser, or as a role with BYPASSRLS that may set the roles of the map"
        )


def _observe(
    session: Session, catalog: Catalog, datamap: DataMap, wanted: plan.Plan, max_rows: int, progress: Progress
) -> Iterator[Observation]:
    protections = _tops(datamap, catalog, [unit for unit in wanted.units if isinstance(unit, Protection)])
    oids = {p.oid for p in protections}
    oids |= {oid for p in protections for oid in relatives(catalog, p.name).values()}
    memberships = load_memberships(session.conn)
    everyone = probers(session, catalog, datamap, memberships, oids, datetime.now(UTC).date())
    possible = frozenset(name for name, purpose in datamap.purposes.items() if purpose.opt_out)
    total = len(protections) * len(everyone)
    for number, target in enumerate(sample(session, catalog, protections, max_rows=max_rows)):
        people: set[Person] = set()
        for reached in target.people.values():
            people.update(*reached)
        opt_outs = in_force(session.conn, people)
        chosen = tuple(scenarios(target, opt_outs.keys()))
        for place, prober in enumerate(everyone):
            progress(number * len(everyone) + place, total, f"{target.table.name} as {prober.name}")
            yield from Direct(session, catalog, target, prober, opt_outs, possible).observe(chosen)


def _tops(datamap: DataMap, catalog: Catalog, protections: list[Protection]) -> list[Protection]:
    """Leave out partitions that follow a table of the map: they are read by way of that."""
    names = {p.name for p in protections}
    return [
        p
        for p in protections
        if p.name in datamap.tables or names.isdisjoint(catalog.lineage(catalog.tables[p.name]) - {p.name})
    ]

"""A proof on a live database: one transaction, rolled back."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import psycopg
from psycopg import sql

from rlsguard import catalog as catalogs
from rlsguard import plan
from rlsguard.apply import explain
from rlsguard.catalog.installed import Installed, load_installed
from rlsguard.catalog.model import Catalog, Table
from rlsguard.datamap.model import DataMap
from rlsguard.people import Person, in_force, load_memberships
from rlsguard.plan.model import Protection
from rlsguard.problems import RlsguardError
from rlsguard.prove import beside
from rlsguard.prove.around import search
from rlsguard.prove.direct import Direct, relatives
from rlsguard.prove.expect import OptOuts
from rlsguard.prove.lens import key_lens
from rlsguard.prove.model import Assumption, Observation, Proof, WayAround
from rlsguard.prove.roles import Prober, above, probers
from rlsguard.prove.routines import key_of, routines
from rlsguard.prove.scenario import Scenario, scenarios
from rlsguard.prove.scene import Scene
from rlsguard.prove.session import Session, begin
from rlsguard.prove.target import Target, sample
from rlsguard.prove.through import Through
from rlsguard.prove.windows import key_in, windows

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
            scene = _scene(session, catalog, datamap, installed)
            found = tuple(search(scene))
            observations: list[Observation] = []
            people: set[Person] = set()
            for seen, opted_out in _observe(scene, max_rows, progress):
                observations += seen
                people |= opted_out
            return Proof(
                database=f"{conn.info.host}:{conn.info.port}/{conn.info.dbname}",
                server=conn.info.parameter_status("server_version") or "",
                mode="live",
                started_at=started,
                seconds=time.monotonic() - clock,
                opted_out=len(people),
                observations=tuple(observations),
                ways_around=tuple(dict.fromkeys(one for one in found if isinstance(one, WayAround))),
                assumptions=tuple(dict.fromkeys(one for one in found if isinstance(one, Assumption))),
            )
    except psycopg.Error as error:
        raise RlsguardError(f"the proof could not be finished, and nothing was changed: {explain(error)}") from error


def _refuse_the_blind(catalog: Catalog) -> None:
    if not above(catalog, catalog.user):
        raise RlsguardError(
            f"{catalog.user} does not see every row, so it cannot tell which are missing;"
            " prove as a superuser, or as a role with BYPASSRLS that may set the roles of the map"
        )


def _scene(session: Session, catalog: Catalog, datamap: DataMap, installed: Installed) -> Scene:
    wanted = plan.build(datamap, _as_applied(catalog, datamap, installed), installed)
    protected = [unit for unit in wanted.units if isinstance(unit, Protection)]
    seen = windows(session, [unit.oid for unit in protected])
    oids = {unit.oid for unit in protected} | {window.oid for window in seen}
    oids |= {oid for unit in protected for oid in relatives(catalog, unit.name).values()}
    memberships = load_memberships(session.conn)
    today = datetime.now(UTC).date()
    everyone = probers(session, catalog, datamap, memberships, oids, today)
    definers = routines(session, catalog, [unit.oid for unit in protected], seen, [one.name for one in everyone])
    return Scene(session, catalog, datamap, wanted, installed, memberships, everyone, seen, definers, today)


def _observe(scene: Scene, max_rows: int, progress: Progress) -> Iterator[tuple[list[Observation], frozenset[Person]]]:
    """Yield what each role sees of each table, and who was opted out for it."""
    session, catalog = scene.session, scene.catalog
    protections = _tops(scene)
    possible = frozenset(name for name, purpose in scene.datamap.purposes.items() if purpose.opt_out)
    total = len(protections) * len(scene.probers)
    for number, target in enumerate(sample(session, catalog, protections, max_rows=max_rows)):
        people = {person for reached in target.people.values() for some in reached for person in some}
        opt_outs = in_force(session.conn, people)
        chosen = tuple(scenarios(target, opt_outs.keys()))
        ways = tuple(_ways(scene, target))
        for place, prober in enumerate(scene.probers):
            progress(number * len(scene.probers) + place, total, f"{target.table.name} as {prober.name}")
            seen = list(Direct(session, catalog, target, prober, opt_outs, possible).observe(chosen))
            seen += beside.observe(session, target, prober)
            for way in ways:
                seen += _through(session, target, prober, opt_outs, possible, way, chosen)
            yield seen, frozenset(person for scenario in chosen for person in scenario.people)
    progress(total, total, "done")


def _as_applied(catalog: Catalog, datamap: DataMap, installed: Installed) -> Catalog:
    """Return *catalog* without what a plan refuses and a proof is to show by what comes of it.

    That is roles of the map that no policy holds, and policies that others added to tables that had no row security.
    """
    roles = {
        name: replace(role, superuser=False, bypass_rls=False) if name in datamap.roles else role
        for name, role in catalog.roles.items()
    }
    tables = {name: _without_additions(table, datamap, installed) for name, table in catalog.tables.items()}
    return replace(catalog, roles=roles, tables=tables)


def _without_additions(table: Table, datamap: DataMap, installed: Installed) -> Table:
    detail = installed.details_of("protect", table.oid)
    entry = datamap.tables.get(table.name)
    decided = entry is not None and entry.existing_policies is not None
    if detail is None or detail["row_security_before"] or decided:
        return table
    return replace(table, policies=tuple(p for p in table.policies if p.name in detail["policies"]))


@dataclass(frozen=True, slots=True)
class _Way:
    """Something that shows rows of a table: `readers` may use it; `key` are its columns with the table's key."""

    path: str
    relation: sql.Composable
    readers: frozenset[str]
    key: tuple[str, ...]
    why_not: str


def _ways(scene: Scene, target: Target) -> Iterator[_Way]:
    windows = {window.name: window for window in scene.windows}
    for window in scene.windows:
        if target.table.oid in window.bases:
            kind = "materialised view" if window.copies else "view"
            readers = frozenset(one.name for one in scene.probers if one.right(window.oid).reads)
            key = key_in(window, target.table.name, target.key_columns, scene.catalog, windows)
            why_not = "its columns do not tell rows of the table apart"
            yield _Way(f"{kind} {window.name}", window.name.sql, readers, key, why_not)
    for routine in scene.routines:
        if target.table.oid in routine.tables:
            key = key_of(routine, target, scene.catalog, windows) if routine.harmless else ()
            why_not = (
                "its result does not tell rows of the table apart"
                if routine.harmless
                else "it is not called: it needs arguments, returns no rows, or may change something"
            )
            relation = sql.SQL("{}()").format(routine.name.sql)
            path = f"{routine.kind.lower()} {routine.signature}"
            yield _Way(path, relation, frozenset(routine.callers), key, why_not)


def _through(
    session: Session,
    target: Target,
    prober: Prober,
    opt_outs: OptOuts,
    possible: frozenset[str],
    way: _Way,
    chosen: tuple[Scenario, ...],
) -> Iterator[Observation]:
    if prober.name not in way.readers:
        yield Observation(target.table.name, prober.name, way.path, "closed", 0, "it may not use it")
    elif not way.key:
        yield Observation(target.table.name, prober.name, way.path, "not tried", 0, way.why_not)
    else:
        lens = key_lens(target, way.relation, way.key)
        yield from Through(session, way.path, lens, prober, opt_outs, possible).observe(chosen)


def _tops(scene: Scene) -> list[Protection]:
    """Leave out partitions that follow a table of the map: they are read by way of that."""
    names = {p.name for p in scene.protected.values()}
    return [
        p
        for p in scene.protected.values()
        if p.name in scene.datamap.tables
        or names.isdisjoint(scene.catalog.lineage(scene.catalog.tables[p.name]) - {p.name})
    ]

"""What a database holds that a proof has to look at."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime

from rlsguard import catalog as catalogs
from rlsguard import plan
from rlsguard.catalog.installed import Installed, load_installed
from rlsguard.catalog.model import Catalog, Table
from rlsguard.datamap.model import DataMap
from rlsguard.people import in_force, load_memberships
from rlsguard.plan.model import Protection
from rlsguard.problems import RlsguardError
from rlsguard.prove.direct import relatives
from rlsguard.prove.roles import above, probers
from rlsguard.prove.routines import routines
from rlsguard.prove.scenario import Case, scenarios
from rlsguard.prove.scene import Scene
from rlsguard.prove.session import Session
from rlsguard.prove.target import sample
from rlsguard.prove.windows import windows


def survey(session: Session, datamap: DataMap) -> Scene:
    """Read everything that a proof is about.

    Raises:
        MapError: the map does not fit the database.
        RlsguardError: the login does not see every row, or the guard is not there.
    """
    catalog = catalogs.load(session.conn)
    _refuse_the_blind(catalog)
    installed = load_installed(session.conn)
    if not any(name == "relation rlsguard.opt_out_event" for name in installed.objects):
        raise RlsguardError("the map is not applied here: there is nothing to prove; run rlsguard apply first")
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


def cases(scene: Scene, *, max_rows: int) -> Iterator[Case]:
    """Yield each protected table with some of its rows, and people whose opting out is to hide some of these."""
    for target in sample(scene.session, scene.catalog, tops(scene), max_rows=max_rows):
        people = {person for reached in target.people.values() for some in reached for person in some}
        opt_outs = {person: frozenset(of) for person, of in in_force(scene.session.conn, people).items()}
        yield Case(target, opt_outs, tuple(scenarios(target, opt_outs.keys())))


def _refuse_the_blind(catalog: Catalog) -> None:
    if not above(catalog, catalog.user):
        raise RlsguardError(
            f"{catalog.user} does not see every row, so it cannot tell which are missing;"
            " prove as a superuser, or as a role with BYPASSRLS that may set the roles of the map"
        )


def _as_applied(catalog: Catalog, datamap: DataMap, installed: Installed) -> Catalog:
    """Return *catalog* without what a plan refuses and a proof is to show by what comes of it.

    That is roles of the map that no policy holds, and policies that others added to tables that had no row security.
    """
    roles = {
        name: replace(role, superuser=False, bypass_rls=False, replication=False) if name in datamap.roles else role
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


def tops(scene: Scene) -> list[Protection]:
    """Leave out partitions that follow a table of the map: they are read by way of that."""
    names = {p.name for p in scene.protected.values()}
    return [
        p
        for p in scene.protected.values()
        if p.name in scene.datamap.tables
        or names.isdisjoint(scene.catalog.lineage(scene.catalog.tables[p.name]) - {p.name})
    ]

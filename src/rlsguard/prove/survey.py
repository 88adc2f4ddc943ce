"""What a database holds that a proof has to look at."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

from rlsguard import catalog as catalogs
from rlsguard import plan
from rlsguard.catalog.installed import load_installed
from rlsguard.catalog.model import Catalog
from rlsguard.datamap.model import DataMap
from rlsguard.delta import LEDGER_GONE, ledger_gone
from rlsguard.people import in_force, load_memberships
from rlsguard.plan.model import Protection
from rlsguard.problems import RlsguardError
from rlsguard.prove.applied import as_applied
from rlsguard.prove.direct import relatives
from rlsguard.prove.roles import above, probers
from rlsguard.prove.routines import routines
from rlsguard.prove.scenario import Case, scenarios
from rlsguard.prove.scene import Scene
from rlsguard.prove.session import Session
from rlsguard.prove.target import sample
from rlsguard.prove.users_code import users_code
from rlsguard.prove.windows import windows


class LedgerGoneError(RlsguardError):
    """There is a guard, and no ledger that would say what it is to enforce."""


def survey(session: Session, datamap: DataMap) -> Scene:
    """Read everything that a proof is about.

    Raises:
        MapError: the map does not fit the database.
        RlsguardError: the login does not see every row, or the guard is not there.
    """
    catalog = catalogs.load(session.conn)
    _refuse_the_blind(catalog)
    return look_around(session, datamap, catalog)


def look_around(session: Session, datamap: DataMap, catalog: Catalog) -> Scene:
    """Read what the search for ways around looks at; any login may that may read the guard's manifest.

    Raises:
        MapError: the map does not fit the database.
        LedgerGoneError: the guard is there, without its ledger.
        RlsguardError: the guard is not there.
    """
    installed = load_installed(session.conn)
    if ledger_gone(installed):
        raise LedgerGoneError(LEDGER_GONE)
    if not any(name == "relation rlsguard.opt_out_event" for name in installed.objects):
        raise RlsguardError("the map is not applied here: there is nothing to prove; run rlsguard apply first")
    as_it_was, settled = as_applied(catalog, datamap, installed)
    wanted = plan.build(settled, as_it_was, installed)
    protected = [unit for unit in wanted.units if isinstance(unit, Protection)]
    seen = windows(session, [unit.oid for unit in protected])
    oids = {unit.oid for unit in protected} | {window.oid for window in seen}
    oids |= {oid for unit in protected for oid in relatives(catalog, unit.name).values()}
    memberships = load_memberships(session.conn)
    today = datetime.now(UTC).date()
    everyone = probers(session, catalog, datamap, memberships, oids, today)
    definers = routines(session, catalog, {unit.oid for unit in protected}, seen, [one.name for one in everyone])
    return Scene(session, catalog, datamap, wanted, installed, memberships, everyone, seen, definers, today)


def cases(scene: Scene, *, max_rows: int) -> Iterator[Case]:
    """Yield each protected table with some of its rows, and people whose opting out is to hide some of these."""
    protections = tops(scene)
    code = users_code(scene, protections)
    for target in sample(scene.session, scene.catalog, protections, code, max_rows=max_rows):
        people = {person for reached in target.people.values() for some in reached for person in some}
        opt_outs = {person: frozenset(of) for person, of in in_force(scene.session.conn, people).items()}
        yield Case(target, opt_outs, tuple(scenarios(target, opt_outs.keys())))


def _refuse_the_blind(catalog: Catalog) -> None:
    if not above(catalog, catalog.user):
        raise RlsguardError(
            f"{catalog.user} does not see every row, so it cannot tell which are missing;"
            " prove as a superuser, or as a role with BYPASSRLS that may set the roles of the map"
        )


def tops(scene: Scene) -> list[Protection]:
    """Leave out partitions that follow a table of the map: they are read by way of that."""
    names = {p.name for p in scene.protected.values()}
    return [
        p
        for p in scene.protected.values()
        if p.name in scene.datamap.tables
        or names.isdisjoint(scene.catalog.lineage(scene.catalog.tables[p.name]) - {p.name})
    ]

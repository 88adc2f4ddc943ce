"""Asking a live database why: one transaction, rolled back."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import psycopg
from psycopg import sql

from rlsguard import catalog as catalogs
from rlsguard import plan
from rlsguard.catalog.installed import Installed, load_installed
from rlsguard.catalog.model import Catalog
from rlsguard.connection import explain
from rlsguard.datamap.model import DataMap
from rlsguard.names import Name, QualifiedName, quote
from rlsguard.people import Person, in_force, load_memberships, reach
from rlsguard.plan.model import Protection, Route, state_table
from rlsguard.problems import RlsguardError, did_you_mean
from rlsguard.prove.roles import above
from rlsguard.prove.session import Session, begin
from rlsguard.render.policy import equals
from rlsguard.why.model import Why, agree
from rlsguard.why.reason import Case, reason
from rlsguard.why.row import find, table_of
from rlsguard.why.sight import look
from rlsguard.why.suspects import Scene, changed, suspects

_SECONDS = 60.0


def why(
    conn: psycopg.Connection[Any],
    datamap: DataMap,
    name: QualifiedName,
    row: Sequence[str] | Mapping[str, str],
    role: str,
) -> Why:
    """Tell why a row of table *name* is hidden from *role*, or visible to it; *conn* must be a superuser's.

    Nothing is changed, and no lock is stronger than ACCESS SHARE. In a transaction that is open on *conn*, what it has
    not committed yet counts.

    Args:
        row: values of the table's key, or `column=value` pairs; or values by column.

    Raises:
        MapError: the map does not fit the database.
        RlsguardError: there is no such table, row or role, the map is not applied, or the login may not look.
    """
    try:
        with begin(conn, statement_timeout=_SECONDS) as session:
            return _why(session, datamap, name, row, role)
    except psycopg.errors.InsufficientPrivilege as error:
        raise RlsguardError(f"{explain(error)}; ask as a superuser") from error
    except psycopg.Error as error:
        raise RlsguardError(f"the answer could not be found, and nothing was changed: {explain(error)}") from error


def _why(
    session: Session, datamap: DataMap, name: QualifiedName, words: Sequence[str] | Mapping[str, str], role: str
) -> Why:
    conn = session.conn
    catalog = catalogs.load(conn)
    if not above(catalog, catalog.user):
        raise RlsguardError(f"{catalog.user} does not see past row security, so it cannot tell; ask as a superuser")
    if role not in catalog.roles:
        raise RlsguardError(f"there is no role {quote(role)}{did_you_mean(role, catalog.roles)}")
    installed = load_installed(conn)
    if not installed.manifest:
        raise RlsguardError("the map is not applied here, so it hides nothing; run rlsguard apply first")
    table = table_of(catalog, name)
    session.admit([role])
    wanted = plan.build(datamap, _without_obstacles(catalog, datamap), installed)
    unit = next((u for u in wanted.units if isinstance(u, Protection) and u.oid == table.oid), None)
    lookups = () if unit is None else unit.lookups
    routes = [one.route for one in lookups]

    row = find(session, table, words)
    reached = reach(session.read, table.name, routes, [row.id])[row.id]
    memberships = load_memberships(conn)
    opt_outs = in_force(conn, frozenset[Person]().union(*reached))
    at = _now(session)
    case = Case(
        datamap, memberships, catalog.roles[role], table.name, lookups, reached, opt_outs, at.astimezone(UTC).date()
    )
    reasoning = reason(case)
    sight = look(session, table, row, role)
    if agree(reasoning.expected, sight.measured):
        causes = tuple(changed(Scene(table, role, memberships, wanted, unit, installed, ())))
    else:
        told = {person: frozenset(purposes) for person, purposes in opt_outs.items()}
        unlike = [
            line
            for route, people in zip(routes, reached, strict=True)
            for line in _unlike_ledger(session, datamap, installed, route, people, told)
        ]
        scene = Scene(table, role, memberships, wanted, unit, installed, tuple(dict.fromkeys(unlike)))
        causes = suspects(scene, sight)
    detail = installed.details_of("protect", table.oid)
    policy = None if detail is None else str(detail["policies"][0])
    if policy not in {one.name for one in table.policies}:
        policy = None
    return Why(table.name, row.columns, role, at, policy, reasoning, sight, causes)


def _without_obstacles(catalog: Catalog, datamap: DataMap) -> Catalog:
    """Return *catalog* without what a plan refuses and an answer must explain.

    That is roles of the map that no policy holds, and policies of others.
    """
    roles = {
        name: replace(role, superuser=False, bypass_rls=False, replication=False) if name in datamap.roles else role
        for name, role in catalog.roles.items()
    }
    tables = {name: replace(table, policies=()) for name, table in catalog.tables.items()}
    return replace(catalog, roles=roles, tables=tables)


def _now(session: Session) -> datetime:
    ((now,),) = session.rows(sql.SQL("SELECT pg_catalog.transaction_timestamp()").format())
    assert isinstance(now, datetime)
    return now


def _unlike_ledger(
    session: Session,
    datamap: DataMap,
    installed: Installed,
    route: Route,
    people: frozenset[Person],
    told: dict[Person, frozenset[str]],
) -> Iterator[str]:
    """Yield what the state that policies ask says otherwise than the ledger, of *people* at the end of *route*."""
    state = state_table(route.kind)
    if f"relation {state.schema}.{state.name}" not in installed.objects:
        return
    query = sql.SQL(
        "SELECT k.key, s.purpose FROM unnest({keys}::text[]) AS k (key)"
        " JOIN {state} AS s ON s.subject_key {equal} {typed}(k.key) WHERE s.in_force"
    ).format(
        keys=sql.Literal([person.key for person in people]),
        state=state.sql,
        equal=equals(route.key_equality),
        typed=Name("rlsguard", f"key_{route.kind}"),
    )
    held: dict[str, set[str]] = {}
    for key, purpose in session.rows(query):
        held.setdefault(key, set()).add(purpose)
    for person in sorted(people):
        by_ledger, by_state = told.get(person, frozenset()), held.get(person.key, set())
        for purpose in sorted((by_ledger ^ by_state) & datamap.purposes.keys()):
            has, lacks = ("the ledger", state) if purpose in by_ledger else (state, "the ledger")
            yield f"{person.kind} {person.key} opted out of {purpose} by {has}, but not by {lacks}"

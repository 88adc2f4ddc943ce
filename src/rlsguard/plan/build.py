"""DataMap x Catalog -> Plan. Pure: no I/O, and the same input gives the same plan."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection, Iterable

from rlsguard.catalog.installed import NOTHING_INSTALLED, Installed
from rlsguard.catalog.model import Catalog, Table
from rlsguard.datamap.model import DataMap, TableEntry
from rlsguard.names import MAX_IDENTIFIER_BYTES, QualifiedName, quote, split_identifiers
from rlsguard.plan.audit import audit_triggers
from rlsguard.plan.event_triggers import event_triggers
from rlsguard.plan.guard import GUARD_FILES
from rlsguard.plan.kept import Kept, find_kept
from rlsguard.plan.model import (
    Before,
    Grants,
    HopColumns,
    Lookup,
    MapRows,
    Notice,
    Plan,
    Protection,
    Roles,
    Route,
    State,
    SubjectRow,
    Unit,
    View,
    policy_view,
)
from rlsguard.plan.notices import notices_of
from rlsguard.plan.resolve import Resolver, hop_cycles
from rlsguard.problems import MapError

_OURS = re.compile(r"!+rlsguard|rlsguard (baseline|present|owner|hop)")


def build(
    datamap: DataMap,
    catalog: Catalog,
    installed: Installed = NOTHING_INSTALLED,
    prune: Collection[QualifiedName] = (),
) -> Plan:
    """Return what must exist in the database for *datamap*.

    Args:
        installed: what rlsguard has made there before; a table's row security as it was before comes from it.
        prune: tables that are no longer in the map, and are not to stay guarded either.

    Raises:
        MapError: the map does not fit the database. Carries every problem.
    """
    resolver = Resolver(datamap, catalog)
    resolver.check_subjects()
    resolver.check_roles()
    bypass = _bypass(resolver, datamap, catalog)

    entries: list[tuple[TableEntry, Table, tuple[Route, ...]]] = []
    for entry in datamap.tables.values():
        table = resolver.table(entry.table, entry.location)
        if table is None:
            continue
        resolver.check_columns(entry, table)
        resolver.check_descendants(entry, table)
        routes = [resolver.route(entry, table, path) for path in entry.paths]
        entries.append((entry, table, tuple(r for r in routes if r is not None)))

    guarded = _guarded(entries, catalog)
    kept = find_kept(datamap, catalog, installed, prune)
    every_route = [*(route for _, _, routes in entries for route in routes), *kept.routes]
    hops = {step.table for route in every_route for step in route.steps}
    if not kept.told:
        hops.update(table.name for _, table, _ in guarded)
    _check_cycles(resolver, guarded, entries)
    if not bypass:
        _check_kept(resolver, kept, entries)
    protections = [
        protection
        for entry, table, routes in guarded
        if (protection := _protect(resolver, installed, entry, table, routes, marker=not bypass and table.name in hops))
    ]
    all_guarded = kept.tables.union(table.name for _, table, _ in guarded)
    grants = _grants(resolver, every_route, all_guarded, installed, bypass)
    if resolver.problems:
        raise MapError(dict.fromkeys(resolver.problems))

    views = {view.name: view for p in protections for look in p.lookups for view in _views(look)}
    units: list[Unit] = [
        Roles(bypass),
        *GUARD_FILES,
        _map_rows(resolver, datamap),
        grants,
        *_states(resolver, datamap),
        *(views[name] for name in sorted(views)),
        *sorted(protections, key=lambda p: p.name),
        *(a for entry, table, _ in entries for a in audit_triggers(entry, table, catalog)),
        # Last: from here on they refuse what the others do.
        *((event_triggers(guarded, protections),) if datamap.event_trigger else ()),
    ]
    opened = frozenset(protection.name for protection in protections if protection.baseline)
    notices: tuple[Notice, ...] = notices_of(datamap, catalog, entries, opened)
    return Plan(tuple(units), bypass, notices)


def _bypass(resolver: Resolver, datamap: DataMap, catalog: Catalog) -> bool:
    """Decide whether the guard's owner gets BYPASSRLS.

    Up to 15 only a superuser can give it, from 16 a role that has it itself
    (https://www.postgresql.org/docs/current/sql-createrole.html).
    """
    applier = catalog.roles[catalog.user]
    owner = catalog.roles.get("rlsguard_owner")
    can = applier.superuser or (owner is not None and owner.bypass_rls)
    can = can or (catalog.major >= 16 and applier.bypass_rls and applier.create_role)
    if datamap.bypass == "attribute" and not can:
        resolver.problem(
            ("guard", "bypass"),
            f"role {quote(catalog.user)} cannot give BYPASSRLS to the guard; say marker, or apply as a superuser",
        )
    return can if datamap.bypass is None else datamap.bypass == "attribute"


def _guarded(
    entries: list[tuple[TableEntry, Table, tuple[Route, ...]]], catalog: Catalog
) -> list[tuple[TableEntry, Table, tuple[Route, ...]]]:
    """Return the tables that get policies: those with a subject, and all that inherits from them.

    What inherits follows the nearest table above it that is in the map; from several parents, all of them.
    """
    guarded = {table.name: (entry, table, routes) for entry, table, routes in entries if entry.paths}
    mapped = frozenset(guarded)

    def inherit(entry: TableEntry, table: Table, routes: tuple[Route, ...]) -> None:
        for name in table.children:
            child = catalog.tables[name]
            if name in mapped or child.kind not in "rp":
                continue
            first, _, more = guarded.get(name, (entry, child, ()))
            guarded[name] = (first, child, tuple(dict.fromkeys((*more, *routes))))
            inherit(entry, child, routes)

    for name in sorted(mapped):
        inherit(*guarded[name])
    return list(guarded.values())


def _check_cycles(
    resolver: Resolver,
    guarded: list[tuple[TableEntry, Table, tuple[Route, ...]]],
    entries: list[tuple[TableEntry, Table, tuple[Route, ...]]],
) -> None:
    """Refuse tables whose policies would need each other: PostgreSQL calls that infinite recursion."""
    hops = {table.name: {s.table for r in routes for s in r.steps} for _, table, routes in guarded}
    ring = hop_cycles(hops)
    if ring:
        location = next((e.location for e, t, _ in entries if t.name == ring[0]), entries[0][0].location)
        resolver.problem(location, "the paths go in a circle: " + " -> ".join(str(name) for name in ring))


def _check_kept(resolver: Resolver, kept: Kept, entries: list[tuple[TableEntry, Table, tuple[Route, ...]]]) -> None:
    """Refuse paths over a table that keeps its policy of before, where that may not let the guard by."""
    for entry, _, routes in entries:
        for name in {step.table for route in routes for step in route.steps} & kept.tables:
            resolver.problem(
                entry.location,
                f"a path leads over {name}, which is guarded and not in the map; put it into the map, or --prune it",
            )


def _protect(
    resolver: Resolver,
    installed: Installed,
    entry: TableEntry,
    table: Table,
    routes: tuple[Route, ...],
    *,
    marker: bool,
) -> Protection | None:
    before = _before(table, installed)
    theirs = [p for p in table.policies if not _OURS.fullmatch(p.name)]
    governed = before.row_security or (entry.existing_policies == "wake" and bool(theirs))
    if theirs and not before.row_security:
        named = ", ".join(quote(p.name) for p in theirs)
        restrictive = [p.name for p in theirs if not p.permissive]
        if entry.existing_policies is None:
            resolver.problem(
                entry.location,
                f"{table.name} has policies that sleep, because its row security is off: {named}; "
                "say existing_policies: wake or existing_policies: keep_dormant",
            )
        elif entry.existing_policies == "keep_dormant" and restrictive:
            resolver.problem(
                entry.location,
                f"{table.name} has a restrictive policy that cannot be kept dormant: {quote(restrictive[0])}; "
                "drop it, or say existing_policies: wake",
            )
    policy = _first_name([p.name for p in theirs if not p.permissive])
    if policy is None:
        resolver.problem(
            entry.location,
            f"{table.name} has a restrictive policy that sorts before any other name; rename it",
        )
        return None
    return Protection(
        name=table.name,
        oid=table.oid,
        owner=table.owner,
        holds=entry.holds,
        lookups=tuple(_lookup(route, entry) for route in routes),
        policy=policy,
        marker=marker,
        baseline=not governed,
        present=governed,
        owner_policy=governed and not before.force,
        before=before,
        theirs=tuple(sorted((p.name for p in theirs), key=str.encode)),
    )


def _before(table: Table, installed: Installed) -> Before:
    """Return the table's row security as it was before rlsguard: noted, or told by the policies it has made."""
    detail = installed.details_of("protect", table.oid)
    if detail is not None:
        return Before(bool(detail["row_security_before"]), bool(detail["force_before"]))
    ours = {p.name for p in table.policies if _OURS.fullmatch(p.name)}
    if ours <= {"rlsguard hop"}:  # which any table of a path can have
        return Before(table.row_security, table.force_row_security)
    return before_ours(ours)


def before_ours(policies: Collection[str]) -> Before:
    """Return a table's row security as it was before, by which *policies* rlsguard made there."""
    had = "rlsguard baseline" not in policies
    return Before(had, had and "rlsguard owner" not in policies)


def _first_name(others: list[str]) -> str | None:
    """Return a policy name that sorts (by bytes, as the server does) before *others*."""
    for marks in range(1, MAX_IDENTIFIER_BYTES - len("rlsguard")):
        name = "!" * marks + "rlsguard"
        if all(name.encode() < other.encode() for other in others):
            return name
    return None


def _lookup(route: Route, entry: TableEntry) -> Lookup:
    hide_unknown = entry.when_unknown == "hide"
    known = policy_view(_view_name("known", route)) if hide_unknown and route.steps else None
    # A row of columns is compared with a list by one operator, so a mixture cannot be.
    scans = entry.reads == "scans" and len(set(route.entry_equalities)) == 1
    return Lookup(route, policy_view(_view_name("suppressed", route)), known, hide_unknown, scans)


def _view_name(what: str, route: Route) -> str:
    """Return the name of a route's view: the same for every table that enters the route at the same place."""
    if not route.steps:
        return f"{what}_{route.kind}"
    joint = route.joint if what == "suppressed" else ""
    spelled = [route.kind, joint, route.key]
    for number, step in enumerate(route.steps):
        spelled += [step.table.schema, step.table.name]
        spelled += [f"{j.here if number else ''}={j.there}" for j in step.joins]
    digest = hashlib.sha256("\0".join(spelled).encode()).hexdigest()[:8]
    tables = "_".join(re.sub(r"[^a-z0-9]+", "", step.table.name.lower()) for step in route.steps)
    stem = f"{what}_{route.kind}_by_{tables}"
    return f"{stem[: MAX_IDENTIFIER_BYTES - 9]}_{digest}"


def _views(look: Lookup) -> tuple[View, ...]:
    suppressed = View(look.suppressed, "suppressed", look.route)
    return (suppressed,) if look.known is None else (suppressed, View(look.known, "known", look.route))


def _map_rows(resolver: Resolver, datamap: DataMap) -> MapRows:
    subjects = []
    for kind, subject in datamap.subjects.items():
        key = resolver.subject_key(kind)
        if key is not None:
            subjects.append(SubjectRow(kind, subject.table, subject.key, key[1].type))
    return MapRows(
        subjects=tuple(subjects),
        purposes=tuple((p.name, p.opt_out, p.description) for p in datamap.purposes.values()),
        roles=tuple((role.name, p) for role in datamap.roles.values() for p in role.purposes),
        exempt=tuple((e.role, e.reason, e.until) for e in datamap.exempt.values()),
    )


def _states(resolver: Resolver, datamap: DataMap) -> list[State]:
    found = ((kind, resolver.subject_key(kind)) for kind in datamap.subjects)
    return [State(kind, key[0].name, key[1]) for kind, key in found if key is not None]


def _grants(
    resolver: Resolver,
    routes: Iterable[Route],
    guarded: frozenset[QualifiedName],
    installed: Installed,
    bypass: bool,
) -> Grants:
    """Collect the columns that the guard reads, and how it gets past the hop tables' own policies."""
    columns: dict[QualifiedName, dict[str, None]] = {}
    types: set[str] = set()
    collations: set[str] = set()
    for kind in resolver.datamap.subjects:
        key = resolver.subject_key(kind)
        if key is not None and "." in key[1].type.sql:
            types.add(split_identifiers(re.sub(r"(\[\])+$", "", key[1].type.sql))[0])
        if key is not None and key[1].collation is not None:
            collations.add(key[1].collation.schema)
    for route in routes:
        for step, used in route.columns_along:
            columns.setdefault(step.table, {}).update(dict.fromkeys(used))
    tables = []
    for name in sorted(columns):
        table = resolver.catalog.tables[name]
        theirs = [p for p in table.policies if not _OURS.fullmatch(p.name)]
        held = not bypass and (name in guarded or _before(table, installed).row_security or bool(theirs))
        restrictive = [p.name for p in theirs if not p.permissive]
        if held and restrictive:
            resolver.problem(
                ("tables",),
                f"policy {quote(restrictive[0])} of {name} would hide rows from the guard; "
                "apply as a role that can give BYPASSRLS (guard: {bypass: attribute})",
            )
        tables.append(HopColumns(name, tuple(columns[name]), held))
    schemas = {name.schema for name in columns} | types | collations - {"pg_catalog"}
    return Grants(bypass, tuple(sorted(schemas)), tuple(sorted(types)), tuple(tables))

"""What could make a database show something else than the data map and the ledger ask for. Pure: no I/O."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from rlsguard import render
from rlsguard.catalog.installed import Installed
from rlsguard.catalog.model import Policy, Table
from rlsguard.names import quote
from rlsguard.people import Memberships
from rlsguard.plan.model import MapRows, Plan, Protection
from rlsguard.why.model import Sight


@dataclass(frozen=True, slots=True)
class Scene:
    """A table and a role for which the database does something else than it should.

    Attributes:
        wanted: what the map asks for.
        unit: its part for this table, if any.
        unlike_ledger: sentences on opt-outs that the policies' state and the ledger tell differently.
    """

    table: Table
    role: str
    memberships: Memberships
    wanted: Plan
    unit: Protection | None
    installed: Installed
    unlike_ledger: tuple[str, ...]


def suspects(scene: Scene, sight: Sight) -> tuple[str, ...]:
    """Return what could be the cause, the likeliest first."""
    found = [] if sight.obstacle is None else [sight.obstacle]
    if sight.measured == "hidden":
        found += _other_policies(scene)
    found += _guard(scene)
    if sight.measured == "visible":
        found += _row_security(scene)
    found += _map(scene)
    found += scene.unlike_ledger
    found += changed(scene)
    return tuple(found) or ("none of the usual causes is to be seen; ask rlsguard doctor and rlsguard prove",)


def _other_policies(scene: Scene) -> Iterator[str]:
    """Name the policies of others that can hide a row from the role."""
    table, role = scene.table, quote(scene.role)
    privileges = scene.memberships.privileges_of(scene.role)
    reading = [
        policy
        for policy in table.policies
        if policy.command in ("SELECT", "ALL") and (not policy.roles or not privileges.isdisjoint(policy.roles))
    ]
    detail = scene.installed.details_of("protect", table.oid) or {}
    others = [policy for policy in reading if policy.name not in detail.get("policies", ())]
    if table.row_security and not any(policy.permissive for policy in reading):
        yield f"no permissive policy of {table.name} lets {role} read any row"
    for policy in sorted(others, key=lambda policy: policy.permissive):
        yield f"policy {quote(policy.name)} on {table.name}, {_kind(policy)}, which is not the guard's"


def _kind(policy: Policy) -> str:
    return f"{'permissive' if policy.permissive else 'restrictive'}, for {policy.command}"


def _guard(scene: Scene) -> Iterator[str]:
    table = scene.table
    detail = scene.installed.details_of("protect", table.oid)
    if detail is None and scene.unit is not None:
        yield f"{table.name} is not guarded: the map asks for it, and it was not applied; run rlsguard apply"
    if detail is not None and scene.unit is None:
        yield f"{table.name} is still guarded, as an earlier map asked; un-guard it with rlsguard apply --prune"
    there = {policy.name for policy in table.policies}
    for policy in () if detail is None else detail["policies"]:
        if policy not in there:
            yield f"the guard's policy {quote(policy)} on {table.name} is gone; run rlsguard apply"


def _row_security(scene: Scene) -> Iterator[str]:
    table = scene.table
    if not table.row_security:
        yield f"row security of {table.name} is off: no policy of it holds anybody; run rlsguard apply"
    elif not table.force_row_security and table.owner in scene.memberships.privileges_of(scene.role):
        how = "which it is" if table.owner == scene.role else f"whose privileges {quote(scene.role)} has"
        yield (
            f"row security of {table.name} is not forced, so its policies do not hold its owner"
            f" {quote(table.owner)}, {how}; run rlsguard apply"
        )


def _map(scene: Scene) -> Iterator[str]:
    """Say where the map is not the one that was applied."""
    (rows,) = (unit for unit in scene.wanted.units if isinstance(unit, MapRows))
    entry = scene.installed.manifest.get(rows.unit)
    if entry is not None and entry.statements_hash != render.statements_hash(rows):
        what = "subjects, purposes, roles or exemptions"
        yield f"the map says other {what} than the one that was applied; run rlsguard apply"
    detail = scene.installed.details_of("protect", scene.table.oid)
    if detail is not None and scene.unit is not None and detail["views"] != scene.unit.detail["views"]:
        yield f"the map says other paths for {scene.table.name} than the one that was applied; run rlsguard apply"


def changed(scene: Scene) -> Iterator[str]:
    """Name what of the guard, beside the policies named above, is gone or not as it was right after it was applied."""
    for entry in scene.installed.manifest.values():
        kind = entry.detail.get("kind")
        if kind == "audit" or (kind == "protect" and entry.detail["oid"] != scene.table.oid) or not entry.made_here:
            continue
        for name, applied in entry.objects.items():
            now = scene.installed.objects.get(name)
            if name.startswith("row security ") or (now is None and kind == "protect"):
                continue
            if now is None:
                yield f"{name}, of the guard, is gone; run rlsguard apply"
            elif now != applied:
                yield f"{name}, of the guard, is not defined as it was when it was applied; run rlsguard apply"

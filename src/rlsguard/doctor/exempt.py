"""Exemptions and roles in the guard's rows: who is exempt, until when, and who is no more."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta

from rlsguard.doctor.model import Finding
from rlsguard.doctor.scene import Scene
from rlsguard.names import quote

_SOON = timedelta(days=30)
_EDIT = "Change the map, then run rlsguard apply MAP."


def exemptions(scene: Scene) -> Iterator[Finding]:
    """Name every exemption; warn of those that have ended or lost their role."""
    if not scene.here.installed:
        return
    rows = scene.rows("exemptions")
    for row in rows:
        if row.role is None:
            yield Finding("exemptions", "warning", str(row.oid), f"the exempt role {row.oid} was dropped.", _EDIT)
        else:
            yield exemption(row.role, row.reason, row.until, scene.here.today)
    if not rows:
        yield Finding("exemptions", "ok", "", "no role is exempt.", "")


def exemption(role: str, reason: str, until: date | None, today: date) -> Finding:
    """Judge one exemption, which lasts through the day *until*, as of *today* (UTC)."""
    name = quote(role)
    if until is not None and until < today:
        message = f"the exemption of {name} ended on {until}: opt-outs hide rows from it again."
        return Finding("exemptions", "warning", role, message, _EDIT)
    if until is not None and until - today <= _SOON:
        message = f"the exemption of {name} ({reason}) ends in {(until - today).days} days, with {until}."
        return Finding("exemptions", "note", role, message, _EDIT)
    end = "without an end" if until is None else f"until {until}"
    return Finding("exemptions", "note", role, f"no opt-out hides rows from {name}: {reason}, {end}.", "")


def dropped(scene: Scene) -> Iterator[Finding]:
    """Name roles with purposes that were dropped; one made anew under the name counts as nobody that the map names."""
    if not scene.here.installed:
        return
    rows = scene.rows("dropped_roles")
    for row in rows:
        message = f"a role with the purposes {', '.join(row.purposes)} was dropped; it had the number {row.oid}."
        yield Finding("dropped-roles", "warning", str(row.oid), message, _EDIT)
    if not rows:
        yield Finding("dropped-roles", "ok", "", "every role of the map is there.", "")

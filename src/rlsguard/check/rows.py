"""The rows that the guard has of the map: subjects, purposes, roles and exemptions."""

from __future__ import annotations

from collections.abc import Iterator

from rlsguard.check import kinds
from rlsguard.check.manifest import APPLY
from rlsguard.check.model import Finding
from rlsguard.check.scene import Scene
from rlsguard.names import quote
from rlsguard.plan.model import MapRows

_TABLES = {f"relation rlsguard.{name}" for name in ("subject", "purpose", "role_purpose", "exemption")}


def check(scene: Scene) -> Iterator[Finding]:
    """Compare each row with what the map says."""
    for unit in scene.wanted.units:
        if isinstance(unit, MapRows) and scene.found.keys() >= _TABLES:
            wanted = set(_wanted(scene, unit))
            found = {(kind, name, what) for kind, name, what in scene.rows("check/map_rows")}
            for kind, name in sorted({row[:2] for row in wanted ^ found}):
                expected = _said(wanted, kind, name)
                yield scene.finding(
                    kinds.MAP_ROWS,
                    f"{kind} {name}",
                    "the guard goes by other words than the map's.",
                    APPLY,
                    unit,
                    expected=expected,
                    found=_said(found, kind, name),
                )


def _wanted(scene: Scene, unit: MapRows) -> Iterator[tuple[str, str, str]]:
    for row in unit.subjects:
        table = scene.catalog.tables[row.table]
        yield "subject", row.kind, f"{table.name}.{quote(row.key)} {row.type.sql}"
    for name, opt_out, _ in unit.purposes:
        yield "purpose", name, "people can opt out" if opt_out else "nobody can opt out"
    for role, purpose in unit.roles:
        yield "role", quote(role), purpose
    for role, reason, until in unit.exempt:
        yield "exempt", quote(role), reason if until is None else f"{reason} (until {until})"


def _said(rows: set[tuple[str, str, str]], kind: str, name: str) -> str | None:
    said = sorted(what for of, who, what in rows if (of, who) == (kind, name))
    return "\n".join(said) if said else None

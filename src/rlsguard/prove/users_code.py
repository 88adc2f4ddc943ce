"""Code of users' that reading a table may run, as far as the catalog tells.

Where statements run as a role by functions, it does no harm. COPY TO STDOUT cannot: there it would have the login's
power.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from rlsguard.names import QualifiedName
from rlsguard.plan.model import Protection
from rlsguard.prove.scene import Scene
from rlsguard.sqlfiles import read


def users_code(scene: Scene, protections: Collection[Protection]) -> Mapping[int, str]:
    """Return, by OID, what may run code of users' when one of *protections* is read, where anything may."""
    reads = {one.oid: _read_with(scene, one.name, set()) for one in protections}
    oids = {scene.catalog.tables[name].oid: name for names in reads.values() for name in names}
    policies = [
        name
        for entry in scene.installed.manifest.values()
        for name, applied in entry.objects.items()
        if name.startswith("policy ") and scene.installed.objects.get(name) == applied
    ]
    with scene.session.conn.cursor() as cursor:
        found = cursor.execute(read("prove/users_code.sql"), {"relations": [*oids], "policies": policies}).fetchall()
    first: dict[QualifiedName, str] = {}
    for oid, what in found:
        first.setdefault(oids[oid], f"{what} of {oids[oid]}")
    told = {oid: next((first[name] for name in sorted(names) if name in first), None) for oid, names in reads.items()}
    return {oid: what for oid, what in told.items() if what is not None}


def _read_with(scene: Scene, name: QualifiedName, found: set[QualifiedName]) -> set[QualifiedName]:
    """Add to *found*, and return, all that is read or planned for when *name* is: its kin, and what its paths cross."""
    if name in found:
        return found
    table = scene.catalog.tables[name]
    kin = {*scene.catalog.lineage(table), *(one.name for one in scene.catalog.descendants(table))}
    found |= kin
    for one in kin:
        protection = scene.protected.get(scene.catalog.tables[one].oid)
        for look in () if protection is None else protection.lookups:
            for step in look.route.steps:
                _read_with(scene, step.table, found)
    return found

"""The audit of reads, where it was set up: is pgaudit there, does it watch every table, are its settings in force?"""

from __future__ import annotations

from collections.abc import Iterator

from rlsguard.check import kinds
from rlsguard.check.model import Finding
from rlsguard.check.scene import Scene
from rlsguard.names import quote
from rlsguard.render.pgaudit import ROLES, settings_in_force

_CONFIGURE = "rlsguard pgaudit MAP  -- and follow what it writes"


def check(scene: Scene) -> Iterator[Finding]:
    """Look only where the role of object auditing is: elsewhere nobody has asked for reads to be recorded."""
    role = next((role for role in ROLES if role in scene.catalog.roles), None)
    if role is None:
        return
    settings = dict(scene.rows("check/pgaudit_settings"))
    if "pgaudit.role" not in settings:
        yield scene.finding(kinds.AUDIT_OFF, "pgaudit", "it is not loaded: no read is recorded.", _CONFIGURE)
        return
    for name, wanted in {"pgaudit.role": role, **settings_in_force(scene.catalog.server_version)}.items():
        found = settings.get(name, "")
        if not _covers(name, found, wanted):
            why = "it is not in force as it was set up: reads are recorded otherwise, or not at all."
            yield scene.finding(
                kinds.AUDIT_OFF, f"setting {name}", why, _CONFIGURE, expected=wanted, found=found or "(not set)"
            )
    if scene.catalog.roles[role].can_login:
        why = "it can log in; it only exists for its rights to be compared with."
        yield scene.finding(kinds.AUDIT_OFF, f"role {quote(role)}", why, f"ALTER ROLE {quote(role)} NOLOGIN;")
    for (oid,) in scene.rows("doctor/not_audited", [[*scene.protected], role]):
        table = scene.protected[oid].name
        why = f"{quote(role)} may read nothing of it: reads of it are not recorded."
        yield scene.finding(kinds.AUDIT_OFF, f"table {table}", why, f"GRANT SELECT ON {table} TO {quote(role)};")


def _covers(name: str, found: str, wanted: str) -> bool:
    """Tell whether a setting does what is wanted: of a list, at least."""
    if name != "pgaudit.log":
        return found == wanted
    classes = {one.strip() for one in found.lower().split(",")}
    return "all" in classes or {one.strip() for one in wanted.split(",")} <= classes

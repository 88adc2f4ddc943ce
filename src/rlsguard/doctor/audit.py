"""pgaudit: are reads of the protected tables recorded?"""

from __future__ import annotations

from collections.abc import Iterator

from rlsguard.doctor.model import Finding
from rlsguard.doctor.scene import Scene
from rlsguard.names import quote

_CHECK = "pgaudit"
_CONFIGURE = "Run rlsguard pgaudit MAP and follow what it writes."


def check(scene: Scene) -> Iterator[Finding]:
    """Say which step of setting up object auditing is missing."""
    (found,) = scene.rows("pgaudit")
    if not found.loaded:
        missing = "" if found.installed else " First install its package on the server's machine."
        yield _warning("", "pgaudit is not loaded: reads are not recorded.", _CONFIGURE + missing)
        return
    if not found.created:
        yield _warning("", "the extension pgaudit is not in this database.", "CREATE EXTENSION pgaudit;")
    if not found.role:
        yield _warning("pgaudit.role", "pgaudit.role is not set: reads of single tables are not recorded.", _CONFIGURE)
    elif not found.role_exists:
        message = f"pgaudit.role names {quote(found.role)}, which is no role: reads of tables are not recorded."
        yield _warning("pgaudit.role", message, _CONFIGURE)
    else:
        yield from _grants(scene, found.role, found.role_can_login, found.created)


def _grants(scene: Scene, role: str, can_login: bool, created: bool) -> Iterator[Finding]:
    names = {table.oid: str(table.name) for table in scene.tables}
    silent = sorted(names[row.oid] for row in scene.rows("not_audited", [list(names), role]))
    for name in silent:
        yield _warning(name, f"{quote(role)} may read nothing of {name}: reads of it are not recorded.", _CONFIGURE)
    if can_login:
        message = f"{quote(role)} can log in; it only exists for its grants to be compared with."
        yield _warning(role, message, f"ALTER ROLE {quote(role)} NOLOGIN;")
    if created and not silent and not can_login:
        yield Finding(_CHECK, "ok", role, f"reads are recorded by way of {quote(role)}.", "")


def _warning(about: str, message: str, advice: str) -> Finding:
    return Finding(_CHECK, "warning", about, message, advice)

"""SQL that takes rights back, those too that were passed on by somebody who had them with the grant option."""

from __future__ import annotations

from collections.abc import Collection

from rlsguard.names import quote
from rlsguard.prove.scene import Scene


def listed(roles: Collection[str]) -> str:
    """Return *roles* as a REVOKE lists them."""
    return ", ".join(role if role == "PUBLIC" else quote(role) for role in roles)


def revoke(rights: str, on: str, roles: Collection[str], passers: Collection[str] = ()) -> str:
    """Return the SQL that takes *rights* from *roles*.

    What somebody passed on stays unless it is taken from him too, with CASCADE
    (https://www.postgresql.org/docs/current/sql-revoke.html).
    """
    everybody = sorted({*roles, *passers})
    if not passers:
        return f"REVOKE {rights} ON {on} FROM {listed(everybody)};"
    return f"REVOKE {rights} ON {on} FROM {listed(everybody)} CASCADE;  -- {listed(passers)} passed it on"


def leave(scene: Scene, role: str, login: str) -> str:
    """Return the SQL by which *login* is no longer a member of *role*: at the end of every chain that leads to it."""
    grants = {
        (group, member): (grantors, passed) for group, member, grantors, passed in scene.session.file("around/grants")
    }
    statements = []
    for member in _last_members(scene, role, login):
        grantors, passed = grants.get((role, member), ([""], False))
        notes = [] if member == login else [f"{quote(login)} is a member of {quote(member)}"]
        notes += [f"{quote(member)} passed it on"] if passed else []
        for grantor in grantors:
            by = f" GRANTED BY {quote(grantor)}" if grantor else ""
            statement = f"REVOKE {quote(role)} FROM {quote(member)}{by}{' CASCADE' if passed else ''};"
            statements.append("  -- ".join([statement, ", ".join(notes)] if notes else [statement]))
    return "\n".join(statements)


def _last_members(scene: Scene, role: str, login: str) -> list[str]:
    """Return who is a member of *role* without a remove: *login*, or what it is a member of."""
    has, found = scene.memberships.direct, [login]
    for member in found:
        found += sorted(has.get(member, frozenset()).difference(found))
    return [member for member in found if role in has.get(member, ())]

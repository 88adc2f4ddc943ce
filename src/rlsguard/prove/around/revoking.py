"""SQL that takes rights back, those too that were passed on by somebody who had them with the grant option."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from rlsguard.names import quote
from rlsguard.prove.scene import Scene


def listed(roles: Collection[str]) -> str:
    """Return *roles* as a REVOKE lists them."""
    return ", ".join(role if role == "PUBLIC" else quote(role) for role in roles)


def passed_on(scene: Scene) -> Mapping[tuple[int, str], tuple[str, ...]]:
    """Return, by relation and right, who passed the right on without being the owner."""
    return {(oid, right): tuple(grantors) for oid, right, grantors in scene.session.file("around/passed_on")}


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
    """Return the SQL by which *login* is no longer a member of *role*: at the end of the shortest chain to it."""
    member = _last_before(scene, role, login)
    whose = [] if member == login else [f"{quote(login)} is a member of {quote(member)}"]
    statements = []
    for grantor, passed in _grants(scene, role, member):
        cascade = " CASCADE" if passed else ""
        by = f" GRANTED BY {quote(grantor)}" if grantor else ""
        statements.append(f"REVOKE {quote(role)} FROM {quote(member)}{by}{cascade};")
        if passed:
            whose.append(f"{quote(member)} passed it on")
    return "\n".join(statements) + (f"  -- {', '.join(dict.fromkeys(whose))}" if whose else "")


def _grants(scene: Scene, role: str, member: str) -> list[tuple[str, bool]]:
    for group, name, grantors, passed in scene.session.file("around/grants"):
        if (group, name) == (role, member):
            # What it granted itself goes with what it was granted.
            return [(grantor, passed) for grantor in grantors if grantor != member]
    return [("", False)]


def _last_before(scene: Scene, role: str, login: str) -> str:
    has, seen, queue = scene.memberships.direct, {login}, [login]
    while queue:
        member = queue.pop(0)
        if role in has.get(member, ()):
            return member
        new = sorted(has.get(member, frozenset()) - seen)
        seen.update(new)
        queue += new
    return login

"""What lies around the guard and weakens it: the search for ways around, as findings."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import psycopg

from rlsguard.check import kinds
from rlsguard.check.model import Finding, Kind
from rlsguard.check.scene import Scene
from rlsguard.connection import explain
from rlsguard.names import quote
from rlsguard.prove.around import SEARCHES, copies, guard
from rlsguard.prove.model import Assumption, WayAround
from rlsguard.prove.scene import Scene as Surroundings

_KINDS: dict[str, Kind] = {
    "guard": kinds.STRANGER,
    "guard-owner": kinds.GUARD_OWNER,
    "view": kinds.VIEW,
    "materialised-view": kinds.MATERIALISED_VIEW,
    "partition": kinds.PARTITION,
    "policy-order": kinds.POLICY_ORDER,
    "foreign-table": kinds.FOREIGN_TABLE,
    "publication": kinds.PUBLICATION,
    "rule": kinds.RULE,
    "definer": kinds.DEFINER,
    "leakproof": kinds.LEAKPROOF,
    "code-of-others": kinds.CODE_OF_OTHERS,
    "privilege": kinds.PRIVILEGE,
    "role": kinds.ROLE,
    "exempt-member": kinds.EXEMPT_MEMBER,
    "member": kinds.MEMBER,
    "predefined-role": kinds.PREDEFINED_ROLE,
    "auditor": kinds.AUDITOR,
    "role-setting": kinds.ROLE_SETTING,
    "server-function": kinds.SERVER_FUNCTION,
    "statistics": kinds.STATISTICS,
    "parameter": kinds.PARAMETER,
    "prepared-transaction": kinds.PREPARED,
}
# Done more thoroughly in modules of their own.
_LEFT_OUT = (guard.changed, guard.state, copies.unmapped)


def check(scene: Scene) -> Iterator[Finding]:
    """Yield every way around that the catalog shows."""
    # Nothing is written: there is something to undo only where a search fails.
    with scene.surroundings.session.savepoint():
        for find in SEARCHES:
            if find not in _LEFT_OUT:
                yield from _found(scene, find)
    yield from _above(scene)


def _found(scene: Scene, find: Callable[[Surroundings], Iterator[WayAround | Assumption]]) -> Iterator[Finding]:
    place = scene.surroundings
    try:
        for one in find(place):
            if isinstance(one, WayAround):
                position = scene.position(one.tables[0] if one.tables else None)
                yield Finding(_KINDS[one.check], one.about, one.why, one.mend, one.tables, one.roles, position=position)
    except psycopg.Error as error:
        if place.session.conn.broken:
            raise
        place.session.back_to_savepoint()
        about = f"search {find.__module__.rpartition('.')[2]}.{find.__name__}"
        mend = "Check as a superuser, or as a member of rlsguard_auditor."
        yield scene.finding(kinds.NOT_LOOKED, about, f"could not look: {explain(error)}.", mend)


def _above(scene: Scene) -> Iterator[Finding]:
    """Name logins that no policy holds and that nobody answers for; the server's first superuser has to be."""
    place = scene.surroundings
    for name, superuser, bypass, replication in scene.rows("check/above"):
        exemption = scene.datamap.exempt.get(name)
        if (exemption is not None and exemption.in_force(place.today)) or name in scene.datamap.roles:
            continue
        what = "a superuser" if superuser else "BYPASSRLS" if bypass else "REPLICATION"
        has = f"it is {what}" if superuser else f"it has {what}"
        mend = (
            f"ALTER ROLE {quote(name)} NO{'SUPERUSER' if superuser else what};"
            "  -- or name it under exempt: in the map, and why"
        )
        if superuser or bypass:
            why = f"{has}: it sees every row, whoever opted out."
            yield scene.finding(kinds.BYPASSER, f"role {quote(name)}", why, mend)
        elif replication:
            why = f"{has}: it can copy the whole server, whoever opted out."
            yield scene.finding(kinds.REPLICATOR, f"role {quote(name)}", why, mend)

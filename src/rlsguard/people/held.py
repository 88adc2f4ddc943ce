"""Which purposes' opt-outs a role is held to, from the data map and the memberships of roles."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

import psycopg
from psycopg.rows import tuple_row

from rlsguard.datamap.model import DataMap
from rlsguard.sqlfiles import read


@dataclass(frozen=True, slots=True)
class Memberships:
    """Direct memberships, by member: all; whose privileges it has at once; whom it may become by SET ROLE."""

    direct: Mapping[str, frozenset[str]]
    inherits: Mapping[str, frozenset[str]]
    may_set: Mapping[str, frozenset[str]]

    def privileges_of(self, role: str) -> frozenset[str]:
        """Return *role* and every role whose privileges it has without SET ROLE."""
        return _closure(self.inherits, role)

    def may_become(self, role: str) -> frozenset[str]:
        """Return every other role that *role* can set, at any remove."""
        # SET ROLE asks for membership at any remove by grants that allow it
        # (https://www.postgresql.org/docs/current/sql-set-role.html).
        return _closure(self.may_set, role) - {role}


@dataclass(frozen=True, slots=True)
class Held:
    """What a role is held to.

    Attributes:
        purposes: people who opted out of any of these are hidden from it.
        by: the roles of the map that decide: itself, or those whose privileges it has; empty where it is held to
            everything because the map names none of them.
        exempt: the exemption that frees it, if that is why it is held to nothing.
    """

    purposes: frozenset[str]
    by: tuple[str, ...]
    exempt: str | None


def load_memberships(conn: psycopg.Connection[Any]) -> Memberships:
    """Read the memberships of all roles of the cluster; any role may do it."""
    direct: dict[str, set[str]] = {}
    inherits: dict[str, set[str]] = {}
    may_set: dict[str, set[str]] = {}
    with conn.cursor(row_factory=tuple_row) as cursor:
        for member, role, with_inherit, with_set in cursor.execute(read("people/memberships.sql")):
            direct.setdefault(member, set()).add(role)
            if with_inherit:
                inherits.setdefault(member, set()).add(role)
            if with_set:
                may_set.setdefault(member, set()).add(role)
    return Memberships(_frozen(direct), _frozen(inherits), _frozen(may_set))


def _frozen(edges: Mapping[str, set[str]]) -> Mapping[str, frozenset[str]]:
    return {member: frozenset(roles) for member, roles in edges.items()}


def held(datamap: DataMap, memberships: Memberships, role: str, today: date) -> Held:
    """Return what *role* is held to by the rules of the map; superusers and BYPASSRLS are not regarded.

    Args:
        today: the day, in UTC, that exemptions are judged on.
    """
    possible = frozenset(name for name, purpose in datamap.purposes.items() if purpose.opt_out)
    counts = memberships.privileges_of(role)
    named = tuple(sorted(one for one in counts if one in datamap.roles and datamap.roles[one].purposes))
    if named:
        purposes = frozenset(p for one in named for p in datamap.roles[one].purposes)
        return Held(purposes & possible, named, None)
    for one in sorted(counts & datamap.exempt.keys()):
        if datamap.exempt[one].in_force(today):
            return Held(frozenset(), (), one)
    return Held(possible, (), None)


def _closure(edges: Mapping[str, frozenset[str]], start: str) -> frozenset[str]:
    found = {start}
    queue = [start]
    while queue:
        new = edges.get(queue.pop(), frozenset()) - found
        found |= new
        queue.extend(new)
    return frozenset(found)

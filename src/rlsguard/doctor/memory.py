"""The cliff: a list of opt-outs that does not fit into hash memory is looked into row by row."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from rlsguard.doctor.model import Finding, Severity, named
from rlsguard.names import quote

_MAXALIGN = 8
_TUPLE_HEADER = 24
_UNITS = {"b": 1, "kb": 1024, "mb": 1024**2, "gb": 1024**3, "tb": 1024**4}


@dataclass(frozen=True, slots=True)
class HashedList:
    """A list that is hashed to be looked into.

    Attributes:
        name: the table or view that it comes from.
        rows: as the planner reckons.
        width: of an entry, in bytes.
        scanned: tables whose policies have no other way than this list; of all others each row can be looked up.
    """

    name: str
    rows: float
    width: int
    scanned: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class HashMemory:
    """What one role may hash in: work_mem in bytes, and its multiplier."""

    work_mem: int
    multiplier: float

    @property
    def limit(self) -> float:
        """Bytes."""
        return self.work_mem * self.multiplier


def needed(rows: float, key_width: int) -> float:
    """Return the bytes that the planner reckons for a hashed list (subplan_is_hashable, optimizer/plan/subselect.c)."""
    aligned = -(-key_width // _MAXALIGN) * _MAXALIGN
    return rows * (aligned + _TUPLE_HEADER)


def cliffs(
    lists: Iterable[HashedList], server: Any, role_settings: Iterable[Any], readers: Iterable[str]
) -> Iterator[Finding]:
    """Yield a finding for each list and amount of memory that it does not fit into, or that it fills by half and must.

    Args:
        server: the row of `sql/doctor/settings.sql`, for whom nothing else is set.
        readers: roles whose own settings are looked at.
    """
    memories: dict[HashMemory, list[str]] = {of_role(None, server, role_settings): []}
    for role in readers:
        memories.setdefault(of_role(role, server, role_settings), []).append(role)
    for one in lists:
        bytes_needed = needed(one.rows, one.width)
        for memory, roles in memories.items():
            if bytes_needed > memory.limit or (one.scanned and bytes_needed > memory.limit / 2):
                yield _cliff(one, bytes_needed, memory, roles)


def of_role(role: str | None, server: Any, role_settings: Iterable[Any]) -> HashMemory:
    """Return what *role* gets; None is a role without settings of its own.

    The more special setting wins: a role's in this database, a role's, the database's, the server's
    (https://www.postgresql.org/docs/current/view-pg-db-role-setting.html).
    """
    special = {(row.role, row.here, row.name): row.value for row in role_settings}

    def setting(name: str) -> str | None:
        places = ((role, True), (role, False), (None, True), (None, False))
        return next((special[(*place, name)] for place in places if (*place, name) in special), None)

    work_mem, multiplier = setting("work_mem"), setting("hash_mem_multiplier")
    return HashMemory(
        server.work_mem if work_mem is None else in_bytes(work_mem),
        server.hash_mem_multiplier if multiplier is None else float(multiplier),
    )


def in_bytes(setting: str) -> int:
    """Return a memory setting in bytes; without a unit it is in kB."""
    number = setting.strip().rstrip("kKmMgGtTbB ")
    unit = setting.strip()[len(number) :].strip().lower() or "kb"
    return int(float(number) * _UNITS[unit])


def _cliff(one: HashedList, size: float, memory: HashMemory, roles: list[str]) -> Finding:
    enough = 1
    while enough * 1024**2 * memory.multiplier < (2 * size if one.scanned else size):
        enough *= 2
    who = f" of {named(roles)}" if roles else ""
    does_not_fit = size > memory.limit
    if not one.scanned:
        then = "scans probe it row by row"
    else:
        tables = ", ".join(one.scanned)
        then = f"queries of {tables} {'go' if does_not_fit else 'will go'} through all of it for each row"
        then += "" if does_not_fit else ", once it does not fit"
    message = (
        f"{one.name} has about {one.rows:.0f} rows, {size / 1024**2:.1f} MB hashed, and work_mem x hash_mem_multiplier"
        f"{who} is {memory.limit / 1024**2:.1f} MB: {then}."
    )
    advice = " ".join(f"ALTER ROLE {quote(role)} SET work_mem = '{enough}MB';" for role in roles)
    advice = advice or f"Set work_mem = '{enough}MB' for roles that scan."
    severity: Severity = "error" if one.scanned and does_not_fit else "warning"
    return Finding("work-mem", severity, one.name, message, advice)

"""What a data map says, as plain frozen data. No database is needed to build or to read it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Literal

from rlsguard.names import QualifiedName
from rlsguard.problems import Location, Position

Joint = Literal["any", "all"]
WhenUnknown = Literal["hide", "show"]
Bypass = Literal["attribute", "marker"]
# What the queries of a table mostly do: find a few rows by a key, or read many.
Reads = Literal["lookups", "scans"]
ExistingPolicies = Literal["wake", "keep_dormant"]


@dataclass(frozen=True, slots=True)
class Subject:
    """A kind of person: the table that lists them and the column that identifies one."""

    kind: str
    table: QualifiedName
    key: str
    location: Location


@dataclass(frozen=True, slots=True)
class Purpose:
    """Why a role reads. `opt_out` is False where contract or law leaves no choice."""

    name: str
    opt_out: bool
    description: str
    location: Location


@dataclass(frozen=True, slots=True)
class Role:
    """A database role and the purposes it reads for."""

    name: str
    purposes: tuple[str, ...]
    location: Location


@dataclass(frozen=True, slots=True)
class Exemption:
    """A role that no opt-out hides rows from, until the end of the day `until` (UTC)."""

    role: str
    reason: str
    until: date | None
    location: Location

    def in_force(self, today: date) -> bool:
        """Tell whether it still counts on the day *today* (UTC)."""
        return self.until is None or today <= self.until


@dataclass(frozen=True, slots=True)
class Waiver:
    """A finding of a check that somebody answers for, until the end of the day `until` (UTC).

    Attributes:
        finding: the id of the finding, a space, and its object.
    """

    finding: str
    reason: str
    owner: str
    until: date
    location: Location


@dataclass(frozen=True, slots=True)
class Join:
    """One equality of a hop: the column on this side, the column of the table hopped to."""

    here: str
    there: str


@dataclass(frozen=True, slots=True)
class Hop:
    """A step of a subject path: over to `table`, where all `joins` hold."""

    table: QualifiedName
    joins: tuple[Join, ...]
    location: Location


@dataclass(frozen=True, slots=True)
class SubjectPath:
    """How a row leads to its subject: the hops in order, then the key column in the last table."""

    kind: str
    hops: tuple[Hop, ...]
    key: str
    location: Location


@dataclass(frozen=True, slots=True)
class Audit:
    """What the audit trigger of a table leaves out (`redact`) or stores as a salted hash (`hash`)."""

    redact: tuple[str, ...]
    hash: tuple[str, ...]
    location: Location


@dataclass(frozen=True, slots=True)
class TableEntry:
    """One table of the map. No `paths`: reviewed, and nobody's."""

    table: QualifiedName
    holds: tuple[str, ...]
    paths: tuple[SubjectPath, ...]
    joint: Joint
    when_unknown: WhenUnknown | None
    reads: Reads
    existing_policies: ExistingPolicies | None
    columns: Mapping[str, str]
    audit: Audit | None
    location: Location


@dataclass(frozen=True, slots=True)
class DataMap:
    """A whole data map, merged from its files. Mappings keep the document's order.

    Attributes:
        event_trigger: whether event triggers keep the guard.
    """

    subjects: Mapping[str, Subject]
    purposes: Mapping[str, Purpose]
    roles: Mapping[str, Role]
    exempt: Mapping[str, Exemption]
    tables: Mapping[QualifiedName, TableEntry]
    waivers: Mapping[str, Waiver]
    bypass: Bypass | None
    event_trigger: bool
    positions: Mapping[Location, Position]

    def position(self, location: Location) -> Position:
        """Return where *location* stands, or its nearest parent that has a place."""
        while location and location not in self.positions:
            location = location[:-1]
        return self.positions[location]

"""What a check finds."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime
from functools import cached_property
from typing import Literal, Protocol

from rlsguard.names import QualifiedName
from rlsguard.problems import Position

# From the gravest on. An error is a weakening; a warning may be one; a note should be known.
Severity = Literal["error", "warning", "note"]
SEVERITIES: tuple[Severity, ...] = ("error", "warning", "note")


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of finding.

    Attributes:
        id: stays the same for ever, such as "RG105"; its page is docs/findings/<id>.md.
        title: what is wrong, in a few words without an object.
    """

    id: str
    severity: Severity
    title: str


@dataclass(frozen=True, slots=True)
class Finding:
    """One difference between a database and its map, or one thing around the guard that weakens it.

    Attributes:
        about: the object, as SQL spells it.
        why: what is wrong with it, in a sentence.
        mend: SQL or a command that ends it.
        tables: the protected tables that it concerns.
        roles: who can use it; empty where that is not a matter of roles.
        expected, found: definitions, where two were compared.
        since: the time of the last apply that noted the object as it should be: it has changed later.
        position: where the map speaks of it, or as near to that as it does.
    """

    kind: Kind
    about: str
    why: str
    mend: str
    tables: tuple[QualifiedName, ...] = ()
    roles: tuple[str, ...] = ()
    expected: str | None = None
    found: str | None = None
    since: datetime | None = None
    position: Position | None = None

    @property
    def key(self) -> str:
        """What a finding is recognised by in a baseline and in waivers: its id and its object."""
        return f"{self.kind.id} {self.about}"


@dataclass(frozen=True, slots=True)
class Waived:
    """A finding that somebody answers for: by whom, why, and until when."""

    finding: Finding
    reason: str
    owner: str
    until: date


@dataclass(frozen=True)
class Outcome:
    """What one check found.

    Attributes:
        database: as `host:port/name`.
        server: the server's version.
        compared: how many definitions were held against what they should be.
        with_server: the version of the scratch server that said what they should be; None where there was none.
        waived: findings that a waiver of the map covers.
        known: findings that the baseline has already.
    """

    database: str
    server: str
    started_at: datetime
    seconds: float
    compared: int
    with_server: str | None
    findings: tuple[Finding, ...]
    waived: tuple[Waived, ...] = ()
    known: tuple[Finding, ...] = ()

    @cached_property
    def counts(self) -> dict[Severity, int]:
        """How many findings there are of each severity."""
        return {severity: sum(f.kind.severity == severity for f in self.findings) for severity in SEVERITIES}

    def fails(self, least: Severity) -> bool:
        """Tell whether there is a finding of severity *least* or graver."""
        return any(SEVERITIES.index(f.kind.severity) <= SEVERITIES.index(least) for f in self.findings)


class Reported(Protocol):
    """What a CI system is told of: by check, and by whatever else makes findings."""

    @property
    def database(self) -> str:
        """What was looked at."""

    @property
    def started_at(self) -> datetime:
        """When."""

    @property
    def seconds(self) -> float:
        """How long it took."""

    @property
    def findings(self) -> tuple[Finding, ...]:
        """What counts."""

    @property
    def waived(self) -> tuple[Waived, ...]:
        """What somebody answers for."""


def in_order(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Return *findings*, each once, the gravest first."""
    unique = {(f.key, f.why): f for f in findings}
    return tuple(sorted(unique.values(), key=lambda f: (SEVERITIES.index(f.kind.severity), f.kind.id, f.about, f.why)))

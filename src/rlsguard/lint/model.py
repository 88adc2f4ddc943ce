"""What is read, and what is found in it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Any

from rlsguard.check.model import SEVERITIES, Finding, Severity, Waived
from rlsguard.lint.claims import Claim
from rlsguard.problems import MapError, Position

# Stands for a name or value that only whoever runs the migration knows: ${schema}, :'table', format('%I', x). It is a
# letter, so that what is put together with it still reads as one name.
UNKNOWN = "\u0294"


class SqlError(MapError):
    """Files that cannot be read as SQL; each problem has its file, line and column."""


@dataclass(frozen=True, eq=False)
class Statement:
    """One statement, and where it stands.

    Attributes:
        tree: as pglast reads it.
        called: whether it is the body of a function, which is run later or never, and not by this migration.
        claimed: whether the file says that rlsguard wrote it.
    """

    text: str
    position: Position
    tree: Any
    called: bool = False
    claimed: bool = False


@dataclass(frozen=True, slots=True)
class Unreadable:
    """What cannot be read before it is run.

    Attributes:
        claimed: whether the file says that rlsguard wrote it.
    """

    position: Position
    about: str
    why: str
    claimed: bool = False


@dataclass(frozen=True, slots=True)
class Script:
    """One file.

    Attributes:
        claim: what it says that rlsguard wrote, if anything.
    """

    file: str
    statements: tuple[Statement, ...]
    unreadable: tuple[Unreadable, ...]
    claim: Claim | None = None

    @property
    def name(self) -> str:
        """The file's own name, which no other migration beside it has."""
        return self.file.replace("\\", "/").rsplit("/", 1)[-1]

    @property
    def claimed_at(self) -> Position:
        """Where it says what rlsguard wrote of it."""
        return Position(self.file, 1 if self.claim is None else self.claim.line, 1)


@dataclass(frozen=True, slots=True)
class Skipped:
    """What was left out of a file, which says that rlsguard wrote it.

    Attributes:
        place: of where it says so.
        whole: whether that is all of the file.
    """

    place: Position
    statements: int
    whole: bool


@dataclass(frozen=True)
class Linted:
    """What was found in some files.

    Attributes:
        files: how many were read.
        statements: how many statements they have, those within other statements counted too.
        skipped: what rlsguard wrote, where that was to be skipped.
    """

    files: int
    statements: int
    started_at: datetime
    seconds: float
    findings: tuple[Finding, ...]
    waived: tuple[Waived, ...] = ()
    skipped: tuple[Skipped, ...] = ()
    database: str = field(default="migrations", init=False)

    @cached_property
    def counts(self) -> Mapping[Severity, int]:
        """How many findings there are of each severity."""
        return {severity: sum(f.kind.severity == severity for f in self.findings) for severity in SEVERITIES}

    @property
    def fails(self) -> bool:
        """Whether anything was found that is more than a note."""
        return any(finding.kind.severity != "note" for finding in self.findings)

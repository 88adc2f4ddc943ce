"""The answer to why a row is hidden from a role or visible to it, as plain frozen data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from rlsguard.datamap.model import Joint
from rlsguard.names import QualifiedName
from rlsguard.people import OptOut, Person

Expected = Literal["hidden", "visible"]
# Refused: the role may not read the table, or not that part of it. Unknown: it may not tell the row from others.
Measured = Literal["hidden", "visible", "refused", "error", "unknown"]


@dataclass(frozen=True, slots=True)
class HeldTo:
    """A purpose whose opt-outs hold the role; `by` are the roles of the map that it comes from, itself first.

    Empty where the map names no role whose privileges it has: then it is held to every purpose.
    """

    purpose: str
    by: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Found:
    """A person that a row is about, and all that they have opted out of, by purpose."""

    person: Person
    opt_outs: tuple[OptOut, ...]


@dataclass(frozen=True, slots=True)
class Path:
    """A subject path followed from the row.

    Attributes:
        spelled: as the data map writes it, with `->` between its steps.
        hides: whether the row is to be hidden by this path.
    """

    kind: str
    spelled: str
    joint: Joint
    people: tuple[Found, ...]
    hides: bool


@dataclass(frozen=True, slots=True)
class Reasoning:
    """What the data map and the ledger say of one row and one role; `because` are sentences for people."""

    expected: Expected
    held_to: tuple[HeldTo, ...]
    paths: tuple[Path, ...]
    because: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Sight:
    """What the role really sees of the row; `obstacle` is what kept it from reading, or us from telling."""

    measured: Measured
    obstacle: str | None = None


@dataclass(frozen=True, slots=True)
class Why:
    """Why a row is hidden from a role, or visible to it.

    Attributes:
        row: the columns that identify the row, with their values as text.
        at: the moment of the one snapshot that all of this was read in.
        policy: the guard's policy on the table; None where it has none.
        suspects: sentences on what could make `sight` differ from `reasoning`; where they agree, on what of the
            guard is not as it was applied: another session may see something else.
    """

    table: QualifiedName
    row: Mapping[str, str | None]
    role: str
    at: datetime
    policy: str | None
    reasoning: Reasoning
    sight: Sight
    suspects: tuple[str, ...]

    @property
    def agrees(self) -> bool:
        """Whether the database does what the map and the ledger ask for, as far as it could be measured."""
        return agree(self.reasoning.expected, self.sight.measured)


def agree(expected: Expected, measured: Measured) -> bool:
    """Tell whether what was measured is as expected: who may not read at all is told so, and nothing is wrong."""
    return measured in (expected, "unknown", "refused")

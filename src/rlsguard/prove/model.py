"""What a proof consists of: observations, ways around, and what is assumed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Literal

from rlsguard.names import QualifiedName

# Of several observations of one cell the last of these counts: a look that could not be taken leaves the cell untried.
Verdict = Literal["closed", "empty", "passed", "not tried", "over-blocked", "leaked"]
VERDICTS: tuple[Verdict, ...] = ("closed", "empty", "passed", "not tried", "over-blocked", "leaked")


# The path that every role is tried on that may read a table, with some people opted out for it.
PLAIN = "SELECT"


@dataclass(frozen=True, slots=True)
class Observation:
    """What a role saw of a table by one access path.

    Attributes:
        table: the protected table.
        role: the database role that looked.
        path: the access path, such as "SELECT" or "view bank.v".
        verdict: "leaked": a row was shown, or could be written, that should be hidden; "over-blocked": a row was
            hidden, or could not be written, that the role should see or write; "closed": the role has no right to go
            that way; "empty": there is no row, or nobody left to opt out, to try it with; "not tried": there is no
            telling.
        rows: how many rows were compared with what they should be.
        detail: which rows, or why it was not tried.
    """

    table: QualifiedName
    role: str
    path: str
    verdict: Verdict
    rows: int = 0
    detail: str = ""


@dataclass(frozen=True, slots=True)
class WayAround:
    """An object or a right that leads to protected rows past their policies.

    Attributes:
        check: a short name that stays the same, such as "materialised-view".
        about: the object's name as SQL spells it.
        tables: the protected tables that it leads to.
        roles: who can use it; empty where that is not a matter of roles.
        why: what it does, in a sentence.
        mend: SQL that ends it, for a DBA to read and to run.
    """

    check: str
    about: str
    tables: tuple[QualifiedName, ...]
    roles: tuple[str, ...]
    why: str
    mend: str


@dataclass(frozen=True, slots=True)
class Assumption:
    """What the proof takes for granted: `about` is the role or object, `text` a sentence."""

    about: str
    text: str


@dataclass(frozen=True)
class Proof:
    """The outcome of one run.

    Attributes:
        database: the database that was examined, as `host:port/name`.
        server: the server's version.
        mode: "live" where everything happened in one transaction that was rolled back; "clone" on a copy.
        opted_out: how many people were opted out for the proof, one after the other.
        seconds: how long it took.
    """

    database: str
    server: str
    mode: Literal["live", "clone"]
    started_at: datetime
    seconds: float
    opted_out: int
    observations: tuple[Observation, ...]
    ways_around: tuple[WayAround, ...]
    assumptions: tuple[Assumption, ...]

    @cached_property
    def cells(self) -> Mapping[tuple[QualifiedName, str, str], Observation]:
        """One observation for each table, role and path: the worst, with the rows of all."""
        cells: dict[tuple[QualifiedName, str, str], Observation] = {}
        for seen in self.observations:
            key = (seen.table, seen.role, seen.path)
            cells[key] = _worse(cells[key], seen) if key in cells else seen
        return cells

    def count(self, verdict: Verdict) -> int:
        """Return how many cells have *verdict*."""
        return sum(cell.verdict == verdict for cell in self.cells.values())

    @property
    def leaked(self) -> int:
        """Cells that leaked and ways around that were found."""
        return self.count("leaked") + len(self.ways_around)

    @property
    def wrong(self) -> bool:
        """Whether anything leaked, or was blocked that should not be."""
        return self.leaked > 0 or self.count("over-blocked") > 0

    @property
    def open_questions(self) -> tuple[Observation, ...]:
        """The tables that a role reads, and of which it could not be told whether opt-outs hold there."""
        plain = [cell for cell in self.cells.values() if cell.path == PLAIN]
        return tuple(cell for cell in plain if cell.verdict == "not tried")

    @property
    def right(self) -> bool:
        """Whether nothing is wrong, nothing is left open, and anything was tried at all."""
        tried = any(cell.verdict == "passed" for cell in self.cells.values() if cell.path == PLAIN)
        return tried and not self.wrong and not self.open_questions


def _worse(one: Observation, other: Observation) -> Observation:
    worst = max((one, other), key=lambda seen: VERDICTS.index(seen.verdict))
    rows = one.rows + other.rows
    return Observation(worst.table, worst.role, worst.path, worst.verdict, rows, worst.detail)


def in_order(names: Iterable[QualifiedName]) -> tuple[QualifiedName, ...]:
    """Return *names* sorted, each once."""
    return tuple(sorted(set(names)))

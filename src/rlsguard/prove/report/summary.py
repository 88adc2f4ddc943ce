"""A proof counted and grouped, for every kind of report."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from rlsguard.names import QualifiedName
from rlsguard.prove.model import Observation, Proof, Verdict

Counts = Mapping[Verdict, int]


@dataclass(frozen=True, slots=True)
class Failure:
    """Cells of one table and path that failed for the same reason."""

    verdict: Verdict
    table: QualifiedName
    path: str
    roles: tuple[str, ...]
    detail: str


@dataclass(frozen=True, slots=True)
class Untried:
    """Paths that could not be tried, for one reason."""

    reason: str
    cells: int
    example: Observation


def tables(proof: Proof) -> tuple[QualifiedName, ...]:
    """Return the tables looked at, sorted."""
    return tuple(sorted({table for table, _, _ in proof.cells}))


def roles(proof: Proof) -> tuple[str, ...]:
    """Return the roles that looked, in the order of the map."""
    return tuple(dict.fromkeys(role for _, role, _ in proof.cells))


def paths(proof: Proof) -> tuple[str, ...]:
    """Return the access paths, in the order in which they were tried."""
    return tuple(dict.fromkeys(path for _, _, path in proof.cells))


def count(cells: Iterable[Observation]) -> Counts:
    """Return how many of *cells* have each verdict."""
    return Counter(cell.verdict for cell in cells)


def failures(proof: Proof) -> tuple[Failure, ...]:
    """Return what leaked, then what was blocked without need."""
    grouped: dict[tuple[Verdict, QualifiedName, str], list[Observation]] = {}
    for cell in proof.cells.values():
        if cell.verdict in ("leaked", "over-blocked"):
            grouped.setdefault((cell.verdict, cell.table, cell.path), []).append(cell)
    return tuple(
        Failure(verdict, table, path, tuple(cell.role for cell in cells), cells[0].detail)
        for (verdict, table, path), cells in sorted(grouped.items(), key=lambda item: item[0][0])
    )


def untried(proof: Proof) -> tuple[Untried, ...]:
    """Return why paths were not tried, the most frequent reason first."""
    grouped: dict[str, list[Observation]] = {}
    for cell in proof.cells.values():
        if cell.verdict == "not tried":
            grouped.setdefault(cell.detail, []).append(cell)
    found = [Untried(reason, len(cells), cells[0]) for reason, cells in grouped.items()]
    return tuple(sorted(found, key=lambda one: -one.cells))

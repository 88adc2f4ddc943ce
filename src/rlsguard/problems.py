"""Errors that a person can act on: where, what is wrong, and the nearest right thing."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass

# Of 1. What has only its schema in common with a short table name stays below.
_ALIKE = 0.65

# Where a value stands in the document: ("tables", "bank.trans", "subject", "client", 0)
Location = tuple[str | int, ...]


@dataclass(frozen=True, slots=True, order=True)
class Position:
    """A place in a file; line and column count from 1."""

    file: str
    line: int
    column: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong with a data map."""

    position: Position
    location: Location
    message: str

    def __str__(self) -> str:
        where = ".".join(str(step) for step in self.location)
        return f"{self.position}: {where + ': ' if where else ''}{self.message}"


class RlsguardError(Exception):
    """An error whose text is meant for the person at the terminal; the command ends with exit code 2."""


class MapError(RlsguardError):
    """The data map cannot be used. Carries every problem found, in the order of the files."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(sorted(problems, key=lambda p: (p.position, p.message)))
        super().__init__("\n".join(str(p) for p in self.problems))


def did_you_mean(wrong: str, right: Iterable[str]) -> str:
    """Return `; did you mean X?` for the nearest of *right*, or an empty string."""
    near = difflib.get_close_matches(wrong, list(right), n=1, cutoff=_ALIKE)
    return f"; did you mean {near[0]}?" if near else ""

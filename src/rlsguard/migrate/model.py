"""A migration: transactions in their order, each with the one that undoes it."""

from __future__ import annotations

from dataclasses import dataclass

from rlsguard.names import QualifiedName
from rlsguard.plan.model import Notice


@dataclass(frozen=True, slots=True)
class Step:
    """One transaction, without its BEGIN and COMMIT. The steps' `down` are run in the opposite order.

    Attributes:
        title: what it does, in words.
        about: what it is about, for the name of a file: a table, or a word.
        up: statements, each with the remarks before it and without a semicolon.
        down: the same, to undo it.
    """

    title: str
    about: str
    up: tuple[str, ...]
    down: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Index:
    """An index that a path misses, made and dropped without a lock that keeps anybody from writing."""

    table: QualifiedName
    columns: tuple[str, ...]
    up: tuple[str, ...]
    down: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Migration:
    """The way from a database as it is to what a map says, and back.

    Attributes:
        remarks: what whoever reviews it should know first, by line.
        indexes: to be made before, outside of any transaction.
        changes: what is done, by line, as an apply tells it.
        noted: units and the hash of their statements, as the manifest notes them in the end; None: not at all.
    """

    remarks: tuple[str, ...]
    steps: tuple[Step, ...]
    indexes: tuple[Index, ...]
    changes: tuple[str, ...]
    notices: tuple[Notice, ...]
    noted: tuple[tuple[str, str | None], ...] = ()

    def __bool__(self) -> bool:
        return bool(self.steps or self.indexes)

"""What a verification finds."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Wrong:
    """Something that is not as it was.

    Attributes:
        about: the entry, checkpoint or place.
    """

    about: str
    why: str

    def __str__(self) -> str:
        return f"{self.about}: {self.why}"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a verification found.

    Attributes:
        entries: how many sealed entries were recomputed.
        checkpoints: how many published checkpoints they were held against.
        covered: how many entries the largest of these covers.
        retired: how many of the entries are row changes that are gone, which is on record: their hashes alone are here.
        waiting: entries that are committed and not sealed: nothing proves anything of them yet.
        lost: published entries that are gone, where the next tree records that they were lost: whoever can begin a tree
            can claim so, and a person should know why.
        wrong: in the order of the log, the gravest of each kind first.
    """

    entries: int
    checkpoints: int
    covered: int
    retired: int
    waiting: int
    lost: tuple[Wrong, ...]
    wrong: tuple[Wrong, ...]

"""What a rule says of a statement; where that stands is added by whoever asks."""

from __future__ import annotations

from dataclasses import dataclass

from rlsguard.check.model import Kind
from rlsguard.lint.state import Ending
from rlsguard.names import QualifiedName


@dataclass(frozen=True, slots=True)
class Found:
    """What would happen.

    Attributes:
        ending: what would end it, if it came later in the same migrations.
        own: whether rlsguard's own migrations do such.
        goes: whether what it is about is then no more.
    """

    kind: Kind
    about: str
    why: str
    mend: str
    tables: tuple[QualifiedName, ...] = ()
    roles: tuple[str, ...] = ()
    ending: Ending | None = None
    own: bool = False
    goes: bool = False


def listed(tables: object) -> str:
    """Return names in order, with commas."""
    assert isinstance(tables, (frozenset, set, list, tuple))
    return ", ".join(map(str, sorted(tables)))

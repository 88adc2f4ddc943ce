"""What the doctor says."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Literal

from rlsguard.names import quote

Severity = Literal["ok", "note", "warning", "error"]

_MOST_NAMES = 20


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at.

    Attributes:
        check: a short name that stays the same, such as "server-version".
        severity: "error" where rows can be seen that should be hidden, or where nothing can work; "warning" where
            something should be changed; "note" where it should be known.
        about: the object or setting; empty for the server as a whole.
        message: what is found, in one sentence.
        advice: what to do, as SQL or a sentence; empty where all is well.
    """

    check: str
    severity: Severity
    about: str
    message: str
    advice: str


def named(roles: Collection[str]) -> str:
    """Return *roles* as one list for people, cut off where it would go on for ever."""
    names = [role if role == "PUBLIC" else quote(role) for role in sorted(roles)]
    more = len(names) - _MOST_NAMES
    return ", ".join(names[:_MOST_NAMES]) + (f" and {more} more" if more > 0 else "")

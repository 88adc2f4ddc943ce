"""The SQL that ships with rlsguard."""

from __future__ import annotations

from functools import cache

from rlsguard.shipped import folder

FOLDER = folder("sql")


@cache
def read(name: str) -> str:
    """Return the text of `sql/<name>`."""
    return (FOLDER / name).read_text(encoding="utf-8")

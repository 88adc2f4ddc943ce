"""The SQL that ships with rlsguard: found in the wheel, and in a checkout."""

from __future__ import annotations

from functools import cache
from pathlib import Path

_INSTALLED = Path(__file__).parent / "sql"
_CHECKOUT = Path(__file__).parents[2] / "sql"

FOLDER = _INSTALLED if _INSTALLED.is_dir() else _CHECKOUT


@cache
def read(name: str) -> str:
    """Return the text of `sql/<name>`."""
    return (FOLDER / name).read_text(encoding="utf-8")

"""Names of a log's trees, as their checkpoints begin."""

from __future__ import annotations

from rlsguard.problems import RlsguardError


def origin(name: str, epoch: int) -> str:
    """Return the name of a tree, as its checkpoints begin: the first is called like the log."""
    return name if epoch == 1 else f"{name}/{epoch}"


def epoch(name: str, origin: str) -> int:
    """Return which tree of the log *name* is called *origin*.

    Raises:
        RlsguardError: it is another log's.
    """
    number = origin.removeprefix(f"{name}/")
    if origin == name:
        return 1
    if number != origin and number.isdecimal():
        return int(number)
    raise RlsguardError(f"{origin} is no tree of the log {name}")

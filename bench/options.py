"""What the commands have in common."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from rlsguard.server import find_binaries


def numbers(text: str) -> list[int]:
    """Read a list of numbers, for an option."""
    try:
        return sorted({int(part) for part in text.split(",")})
    except ValueError:
        raise click.BadParameter(f"{text!r} is no list of numbers such as 1,10") from None


def installed(majors: Sequence[int]) -> dict[int, Path]:
    """Return where the programs of each major version on this machine are.

    Raises:
        UsageError: one of *majors* is not there.
    """
    binaries = find_binaries()
    missing = [str(major) for major in majors if major not in binaries]
    if missing:
        raise click.UsageError(f"not on this machine: PostgreSQL {', '.join(missing)}; see --majors")
    return binaries


def say(text: str) -> None:
    """Tell how far it has come."""
    click.echo(text, err=True)

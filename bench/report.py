"""Measurements as Markdown."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence

from bench.reading import TOO_LONG, Reading
from bench.variants import BY_HAND, DEFINER, NO_POLICY, READERS, RLSGUARD, SCANS
from bench.writing import ROWS, Writing


def reading_table(readings: Sequence[Reading]) -> Iterator[str]:
    """Yield a table of *readings*, which are of one server."""
    names = [variant.name for variant in READERS]
    yield from heading(
        ["query", "workers", "opted out", *names, "to by hand", "scans to by hand", "definer to rlsguard"]
    )
    for reading in readings:
        lookup = reading.query == "point look-up"
        cells = [_time(reading.seconds[name], lookup) for name in names]
        yield row(
            [
                reading.query,
                str(reading.workers),
                f"{reading.rate}%",
                *cells,
                f"**{reading.ratio(RLSGUARD.name, BY_HAND.name):.2f}**",
                f"**{reading.ratio(SCANS.name, BY_HAND.name):.2f}**",
                f"{reading.ratio(DEFINER.name, RLSGUARD.name):.0f}x",
            ]
        )


def writing_table(writings: Iterable[Writing]) -> Iterator[str]:
    """Yield a table of *writings*, one line for each server."""
    writings = list(writings)
    names = list(writings[0].seconds)
    yield from heading(["PostgreSQL", *names])
    for writing in writings:
        none = writing.seconds[NO_POLICY.name]
        cells = [f"{writing.seconds[name] * 1e3:,.0f} ms ({writing.seconds[name] / none:.1f}x)" for name in names]
        yield row([str(writing.major), *cells])


def insert_title() -> str:
    """Return what the table of writings is about."""
    return f"Insert of {ROWS:,} rows, rolled back"


def _time(seconds: float, lookup: bool) -> str:
    if math.isinf(seconds):
        return f"> {TOO_LONG} s"
    return f"{seconds * 1e6:,.0f} µs" if lookup else f"{seconds * 1e3:,.0f} ms"


def heading(names: Sequence[str]) -> Iterator[str]:
    """Yield the first two lines of a table; all but its first column are of numbers."""
    yield row(names)
    yield row(["---", *("---:" for _ in names[1:])])


def row(cells: Sequence[str]) -> str:
    """Return a line of a table."""
    return f"| {' | '.join(cells)} |"

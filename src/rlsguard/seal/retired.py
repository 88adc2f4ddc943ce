"""Row changes that may be gone: those that a retention on record names, which came after them in the log."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from heapq import heappop, heappush
from typing import Any

import psycopg
from psycopg.rows import namedtuple_row

from rlsguard.seal.entry import read_payload, spans
from rlsguard.sqlfiles import read
from rlsguard.tlog import leaf_hash

# Behind every leaf: what is not sealed yet.
_NOT_YET = (2**31, 0)


@dataclass(frozen=True, slots=True)
class Retired:
    """The numbers that retentions name, cut where another begins or ends: a few for each retention.

    Attributes:
        starts: the first number of each piece, in their order.
        until: tree and leaf of the latest retention that names the piece; None where there is none.
    """

    starts: Sequence[int]
    until: Sequence[tuple[int, int] | None]

    def names(self, entry: int, epoch: int, index: int) -> bool:
        """Return whether a retention names *entry*, and that was a leaf before the retention was one.

        What comes later no retention can have known of.
        """
        piece = bisect_right(self.starts, entry) - 1
        until = self.until[piece] if piece >= 0 else None
        return until is not None and (epoch, index) < until


def load_retired(conn: psycopg.Connection[Any]) -> Retired:
    """Return what the retentions name, by their bytes as they were sealed: their columns have no say."""
    with conn.cursor(row_factory=namedtuple_row) as cursor:
        return _pieces(_named(cursor.execute(read("seal/retentions.sql"))))


def _named(rows: Iterable[Any]) -> Iterator[tuple[int, int, tuple[int, int]]]:
    """Yield the first number, the one behind the last, and the leaf of the retention."""
    for row in rows:
        if leaf_hash(row.payload) == row.hash:
            leaf = _NOT_YET if row.index is None else (row.epoch, row.index)
            for start, stop in spans(read_payload(row.payload).get("entries")):
                yield start, stop, leaf


def _pieces(named: Iterable[tuple[int, int, tuple[int, int]]]) -> Retired:
    ahead = sorted(named, reverse=True)
    edges = sorted({edge for start, stop, _ in ahead for edge in (start, stop)})
    until: list[tuple[int, int] | None] = []
    # Those that have begun: tree and leaf, negative so that the latest comes first, and where it ends.
    begun: list[tuple[int, int, int]] = []
    for edge in edges:
        while ahead and ahead[-1][0] == edge:
            _, stop, (epoch, index) = ahead.pop()
            heappush(begun, (-epoch, -index, stop))
        while begun and begun[0][2] <= edge:
            heappop(begun)
        until.append((-begun[0][0], -begun[0][1]) if begun else None)
    return Retired(edges, until)

"""The definitions of RFC 6962, section 2.1, word for word, to hold the tree against; and a store in memory."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import cache

from rlsguard.tlog import Frontier, Grown, TiledNodes

# Leaf hashes are only ever moved about, so any will do.
LEAVES = tuple(hashlib.sha256(b"leaf %d" % n).digest() for n in range(70_000))


def _sha256(*parts: bytes) -> bytes:
    return hashlib.sha256(b"".join(parts)).digest()


def _split(size: int) -> int:
    k = 1
    while k * 2 < size:
        k *= 2
    return k


@cache
def mth(low: int, high: int) -> bytes:
    """MTH(D[low:high]), of LEAVES."""
    if low == high:
        return _sha256(b"")
    if low + 1 == high:
        return LEAVES[low]
    k = _split(high - low)
    return _sha256(b"\x01", mth(low, low + k), mth(low + k, high))


def path(m: int, high: int, low: int = 0) -> list[bytes]:
    """PATH(m, D[low:high])."""
    if low + 1 == high:
        return []
    k = _split(high - low)
    if m < k:
        return [*path(m, low + k, low), mth(low + k, high)]
    return [*path(m - k, high, low + k), mth(low, low + k)]


def proof(m: int, high: int) -> list[bytes]:
    """PROOF(m, D[0:high])."""
    return _subproof(m, 0, high, True)


def _subproof(m: int, low: int, high: int, whole: bool) -> list[bytes]:
    if m == high - low:
        return [] if whole else [mth(low, high)]
    k = _split(high - low)
    if m <= k:
        return [*_subproof(m, low, low + k, whole), mth(low + k, high)]
    return [*_subproof(m - k, low + k, high, False), mth(low, low + k)]


class Store:
    """What a database would hold: leaf hashes, and a hash for each complete subtree of 2**8, 2**16, ... leaves."""

    def __init__(self, leaves: Sequence[bytes] = ()) -> None:
        self.frontier = Frontier()
        self.levels: dict[int, list[bytes]] = {0: []}
        self.reads: list[tuple[int, int, int]] = []
        self.add(leaves)

    def add(self, leaves: Sequence[bytes]) -> Grown:
        grown = self.frontier.extend(leaves)
        self.frontier = grown.frontier
        self.levels[0] += leaves
        for node in grown.nodes:
            level = self.levels.setdefault(node.level, [])
            assert node.index == len(level)  # gapless, in order
            level.append(node.hash)
        return grown

    def hashes(self, level: int, start: int, stop: int) -> Sequence[bytes]:
        self.reads.append((level, start, stop))
        return self.levels[level][start:stop]

    def nodes(self, size: int) -> TiledNodes:
        return TiledNodes(size, self)


STORE = Store(LEAVES)

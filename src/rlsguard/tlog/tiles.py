"""Nodes of the tree from tiles of 256 hashes: https://c2sp.org/tlog-tiles.

Stored are the leaf hashes, and one hash for each complete subtree of 2**8, 2**16, 2**24, ... leaves. What lies between
is computed from at most 256 of them, so that a proof in a tree of ten million leaves reads six tiles at most.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from rlsguard.tlog.problem import TlogError
from rlsguard.tlog.text import HASH_BYTES, MAX_SIZE
from rlsguard.tlog.tree import TILE_HEIGHT, node_hash

TILE_WIDTH = 1 << TILE_HEIGHT


class HashStore(Protocol):
    """Where the stored hashes are read from."""

    def hashes(self, level: int, start: int, stop: int) -> Sequence[bytes]:
        """Return the hashes from *start* up to *stop* of the subtrees of 2**level leaves; *level* is 0, 8, 16, ..."""
        ...


class TiledNodes:
    """The nodes of one tree, for one or more proofs; a tile is read once."""

    def __init__(self, size: int, store: HashStore) -> None:
        if not 0 <= size <= MAX_SIZE:
            raise TlogError(f"a tree cannot have {size} leaves")
        self._size = size
        self._store = store
        # Level and index of a tile -> its hashes, then the hashes of their pairs, and so on up.
        self._tiles: dict[tuple[int, int], list[list[bytes]]] = {}

    def hash_at(self, level: int, index: int) -> bytes:
        """Return the hash of the subtree over the leaves from index * 2**level up to (index + 1) * 2**level.

        Raises:
            TlogError: the tree has not all of these leaves, or the store lacks hashes.
        """
        if level < 0 or index < 0 or (index + 1) << level > self._size:
            raise TlogError(f"a tree of {self._size} leaves has no complete subtree {index} at level {level}")
        above = level % TILE_HEIGHT
        tile, place = divmod(index, TILE_WIDTH >> above)
        return self._tile(level - above, tile)[above][place]

    def tile(self, level: int, index: int) -> Sequence[bytes]:
        """Return the hashes of a tile as tlog-tiles numbers them, as many as the tree has.

        Raises:
            TlogError: the tree has none there, or the store lacks hashes.
        """
        if level < 0:
            raise TlogError(f"there are no tiles of level {level}")
        return tuple(self._tile(level * TILE_HEIGHT, index)[0])

    def _tile(self, level: int, index: int) -> list[list[bytes]]:
        if (level, index) not in self._tiles:
            start = index * TILE_WIDTH
            stop = min(start + TILE_WIDTH, self._size >> level)
            if not 0 <= start < stop:
                raise TlogError(f"a tree of {self._size} leaves has no tile {index} of level {level // TILE_HEIGHT}")
            hashes = list(self._store.hashes(level, start, stop))
            if len(hashes) != stop - start or any(len(one) != HASH_BYTES for one in hashes):
                raise TlogError(f"the stored hashes from {start} up to {stop} of level {level} are not complete")
            self._tiles[level, index] = _reduced(hashes)
        return self._tiles[level, index]


def _reduced(hashes: list[bytes]) -> list[list[bytes]]:
    rows = [hashes]
    # The root of a whole tile is stored at the next level.
    for _ in range(TILE_HEIGHT - 1):
        pairs = rows[-1][: len(rows[-1]) // 2 * 2]
        rows.append([node_hash(pairs[i], pairs[i + 1]) for i in range(0, len(pairs), 2)])
    return rows

"""The Merkle tree of RFC 6962, section 2.1: growing it, and proving from its stored nodes."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Protocol

from rlsguard.tlog.problem import TlogError
from rlsguard.tlog.text import HASH_BYTES, MAX_SIZE

EMPTY_ROOT = hashlib.sha256().digest()
# A tile is a subtree of this height: https://c2sp.org/tlog-tiles. Between tiles' roots nothing is stored.
TILE_HEIGHT = 8

_SIZE_BYTES = 8


def leaf_hash(payload: bytes) -> bytes:
    """Return the hash of a leaf: RFC 6962, section 2.1."""
    return hashlib.sha256(b"\x00" + payload).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Return the hash of an inner node: RFC 6962, section 2.1."""
    return hashlib.sha256(b"\x01" + left + right).digest()


@dataclass(frozen=True, slots=True)
class Node:
    """The hash of the complete subtree over the leaves from index * 2**level up to (index + 1) * 2**level."""

    level: int
    index: int
    hash: bytes


class Nodes(Protocol):
    """Where the hashes of complete subtrees are read from."""

    def hash_at(self, level: int, index: int) -> bytes:
        """Return the hash of the subtree over the leaves from index * 2**level up to (index + 1) * 2**level."""
        ...


@dataclass(frozen=True, slots=True)
class Frontier:
    """All of a tree that is needed to add leaves to it: the hashes of the largest complete subtrees.

    Attributes:
        size: how many leaves the tree has.
        hashes: a hash for each bit that is set in *size*, the largest subtree first.
    """

    size: int = 0
    hashes: tuple[bytes, ...] = ()

    def __post_init__(self) -> None:
        _check_size(self.size)
        if len(self.hashes) != self.size.bit_count():
            raise TlogError(
                f"{len(self.hashes)} hashes for a tree of {self.size} leaves; it takes {self.size.bit_count()}"
            )
        _check_hashes(self.hashes)

    def root(self) -> bytes:
        """Return MTH of RFC 6962, section 2.1."""
        return _folded(self.hashes) if self.hashes else EMPTY_ROOT

    def extend(self, leaves: Sequence[bytes]) -> Grown:
        """Add leaf hashes, in order.

        Memory goes by how many there are: hand over large numbers in batches.

        Raises:
            TlogError: not all of them are SHA-256 hashes, or the tree gets too large.
        """
        _check_hashes(leaves)
        size = self.size + len(leaves)
        _check_size(size)
        before = dict(zip(_levels(self.size), self.hashes, strict=True))
        after: dict[int, bytes] = {}
        nodes: list[Node] = []
        fresh = list(leaves)
        # Level by level: all that is new at one makes all that is new at the next.
        for level in range(size.bit_length()):
            first = self.size >> level
            if level and level % TILE_HEIGHT == 0:
                nodes += [Node(level, first + place, new) for place, new in enumerate(fresh)]
            if level in before:
                fresh.insert(0, before[level])
            if len(fresh) % 2:
                after[level] = fresh.pop()
            pairs = iter(fresh)
            fresh = [hashlib.sha256(b"\x01" + left + right).digest() for left, right in zip(pairs, pairs, strict=True)]
        return Grown(Frontier(size, tuple(after[level] for level in _levels(size))), tuple(nodes))

    def to_bytes(self) -> bytes:
        """Return the size as 8 bytes, big-endian, and the hashes."""
        return self.size.to_bytes(_SIZE_BYTES, "big") + b"".join(self.hashes)

    @classmethod
    def from_bytes(cls, data: bytes) -> Frontier:
        """Read what `to_bytes` wrote.

        Raises:
            TlogError: it did not write that.
        """
        hashes = data[_SIZE_BYTES:]
        if len(data) < _SIZE_BYTES or len(hashes) % HASH_BYTES:
            raise TlogError(f"a frontier cannot have {len(data)} bytes")
        parts = (hashes[start : start + HASH_BYTES] for start in range(0, len(hashes), HASH_BYTES))
        return cls(int.from_bytes(data[:_SIZE_BYTES], "big"), tuple(parts))

    @classmethod
    def of(cls, size: int, nodes: Nodes) -> Frontier:
        """Read the frontier of the tree that the first *size* leaves make.

        Raises:
            TlogError: there is no such tree.
        """
        _check_size(size)
        return cls(size, tuple(nodes.hash_at(*position) for position in _cover(0, size)))


@dataclass(frozen=True, slots=True)
class Grown:
    """A frontier after leaves were added.

    Attributes:
        nodes: what has come to be stored: the complete subtrees of level 8, 16, 24, ..., in order of level and index.
    """

    frontier: Frontier
    nodes: tuple[Node, ...]


def inclusion_proof(index: int, size: int, nodes: Nodes) -> tuple[bytes, ...]:
    """Return PATH of RFC 6962, section 2.1.1: that leaf *index* is in the tree of the first *size* leaves.

    Raises:
        TlogError: there is no such leaf.
    """
    _check_size(size)
    if not 0 <= index < size:
        raise TlogError(f"a tree of {size} leaves has no leaf {index}")
    low, high = 0, size
    siblings: list[tuple[int, int]] = []
    while high - low > 1:
        middle = low + _split(high - low)
        if index < middle:
            siblings.append((middle, high))
            high = middle
        else:
            siblings.append((low, middle))
            low = middle
    return _hashes(siblings, nodes)


def consistency_proof(old: int, new: int, nodes: Nodes) -> tuple[bytes, ...]:
    """Return PROOF of RFC 6962, section 2.1.2: that the tree of the first *new* leaves begins with the first *old*.

    It is empty where nothing is to be proven: from no leaves, or from the same.

    Raises:
        TlogError: there are no such trees.
    """
    _check_size(new)
    if not 0 <= old <= new:
        raise TlogError(f"a tree of {new} leaves does not begin with one of {old}")
    if old == 0:
        return ()
    low, high = 0, new
    siblings: list[tuple[int, int]] = []
    while old != high:
        middle = low + _split(high - low)
        if old <= middle:
            siblings.append((middle, high))
            high = middle
        else:
            siblings.append((low, middle))
            low = middle
    if low:
        siblings.append((low, high))
    return _hashes(siblings, nodes)


def _hashes(ranges: Sequence[tuple[int, int]], nodes: Nodes) -> tuple[bytes, ...]:
    """Hash each range of leaves, the last range first: proofs go from the leaves to the root."""
    return tuple(_folded([nodes.hash_at(*position) for position in _cover(*r)]) for r in reversed(ranges))


def _cover(low: int, high: int) -> list[tuple[int, int]]:
    """Return level and index of the complete subtrees that make up a range of leaves which begins a subtree."""
    positions: list[tuple[int, int]] = []
    for level in _levels(high - low):
        positions.append((level, low >> level))
        low += 1 << level
    return positions


def _folded(hashes: Sequence[bytes]) -> bytes:
    return reduce(lambda right, left: node_hash(left, right), reversed(hashes))


def _levels(size: int) -> list[int]:
    """Return the bits that are set, the highest first."""
    return [level for level in reversed(range(size.bit_length())) if size >> level & 1]


def _split(size: int) -> int:
    """Return the largest power of two that is less than *size*."""
    return 1 << (size - 1).bit_length() - 1


def _check_size(size: int) -> None:
    if not 0 <= size <= MAX_SIZE:
        raise TlogError(f"a tree cannot have {size} leaves")


def _check_hashes(hashes: Sequence[bytes]) -> None:
    for place, one in enumerate(hashes):
        if len(one) != HASH_BYTES:
            raise TlogError(f"hash {place} has {len(one)} bytes; a SHA-256 hash has {HASH_BYTES}")

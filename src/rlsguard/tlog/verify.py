"""Checking proofs against roots: RFC 9162, sections 2.1.3.2 and 2.1.4.2."""

from __future__ import annotations

from collections.abc import Sequence

from rlsguard.tlog.problem import TlogError
from rlsguard.tlog.text import HASH_BYTES, MAX_SIZE
from rlsguard.tlog.tree import EMPTY_ROOT, node_hash


def verify_inclusion(leaf: bytes, index: int, size: int, proof: Sequence[bytes], root: bytes) -> None:
    """Check that *leaf* is the hash of leaf *index* of the tree with that size and root: RFC 9162, section 2.1.3.2.

    Raises:
        TlogError: the proof does not show it.
    """
    if not 0 <= index < size <= MAX_SIZE:
        raise TlogError(f"inclusion proof: a tree of {size} leaves has no leaf {index}")
    _check_hashes("inclusion proof", [leaf, root, *proof])
    place, last = index, size - 1
    computed = leaf
    for sibling in proof:
        if last == 0:
            raise TlogError(f"inclusion proof: {len(proof)} hashes are too many for leaf {index} of {size}")
        if place & 1 or place == last:
            computed = node_hash(sibling, computed)
            # A subtree at the right edge stands for itself as long as nothing is to its left.
            place, last = _without_zeroes(place, last)
        else:
            computed = node_hash(computed, sibling)
        place, last = place >> 1, last >> 1
    if last:
        raise TlogError(f"inclusion proof: {len(proof)} hashes are too few for leaf {index} of {size}")
    if computed != root:
        raise TlogError(
            f"inclusion proof: leaf {index} with this hash does not lead to the root of these {size} leaves"
        )


def verify_consistency(old: int, old_root: bytes, new: int, new_root: bytes, proof: Sequence[bytes]) -> None:
    """Check that the tree of *new* leaves begins with that of *old* leaves: RFC 9162, section 2.1.4.2.

    A tree without leaves is the beginning of every tree, and each tree its own: these take an empty proof.

    Raises:
        TlogError: the proof does not show it.
    """
    if not 0 <= old <= new <= MAX_SIZE:
        raise TlogError(f"consistency proof: a tree of {new} leaves does not begin with one of {old}")
    _check_hashes("consistency proof", [old_root, new_root, *proof])
    if 0 < old < new:
        _verify_growth(old, old_root, new, new_root, proof)
        return
    if proof:
        raise TlogError(f"consistency proof: from {old} to {new} leaves it must be empty, and has {len(proof)} hashes")
    if old == 0 and old_root != EMPTY_ROOT:
        raise TlogError("consistency proof: the root of no leaves is not the hash of nothing")
    if old == new and old_root != new_root:
        raise TlogError(f"consistency proof: two roots for the same {new} leaves")


def _verify_growth(old: int, old_root: bytes, new: int, new_root: bytes, proof: Sequence[bytes]) -> None:
    # A tree of 2**n leaves is a subtree of the new one, and its root need not be told.
    path = [old_root, *proof] if old.bit_count() == 1 else list(proof)
    place, last = old - 1, new - 1
    while place & 1:
        place, last = place >> 1, last >> 1
    if not proof:
        raise TlogError(f"consistency proof: from {old} to {new} leaves it cannot be empty")
    from_old = from_new = path[0]
    for sibling in path[1:]:
        if last == 0:
            raise TlogError(f"consistency proof: {len(proof)} hashes are too many from {old} to {new} leaves")
        if place & 1 or place == last:
            from_old = node_hash(sibling, from_old)
            from_new = node_hash(sibling, from_new)
            place, last = _without_zeroes(place, last)
        else:
            from_new = node_hash(from_new, sibling)
        place, last = place >> 1, last >> 1
    if last:
        raise TlogError(f"consistency proof: {len(proof)} hashes are too few from {old} to {new} leaves")
    if from_old != old_root:
        raise TlogError(f"consistency proof: it does not lead to the root of the {old} leaves")
    if from_new != new_root:
        raise TlogError(f"consistency proof: it does not lead to the root of the {new} leaves")


def _without_zeroes(place: int, last: int) -> tuple[int, int]:
    while place and not place & 1:
        place, last = place >> 1, last >> 1
    return place, last


def _check_hashes(what: str, hashes: Sequence[bytes]) -> None:
    for one in hashes:
        if len(one) != HASH_BYTES:
            raise TlogError(f"{what}: a hash has {len(one)} bytes instead of {HASH_BYTES}")

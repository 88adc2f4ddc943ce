"""What hashing takes by itself: no database, no JSON, nothing else that verifying does."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

from bench.measure import take_turns, timed


def hash_alone(payloads: Mapping[int, int]) -> float:
    """Return the seconds of hashing payloads, given how many there are of each length, and the tree over them."""
    return take_turns({"": lambda: timed(lambda: _hash(payloads))})[""]


def _hash(payloads: Mapping[int, int]) -> None:
    for length, number in payloads.items():
        payload = bytes(length)
        for _ in range(number):
            hashlib.sha256(b"\x00" + payload).digest()
    left = right = bytes(32)
    # RFC 6962: a tree has one inner node less than leaves.
    for _ in range(sum(payloads.values()) - 1):
        hashlib.sha256(b"\x01" + left + right).digest()

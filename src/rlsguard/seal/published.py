"""The checkpoints that were published, read from every place and held against each other."""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from rlsguard.seal.places import Place
from rlsguard.seal.verdict import Wrong
from rlsguard.tlog import Checkpoint, Keys, TlogError, verify_checkpoint

_ROOT_BYTES = 32


@dataclass(frozen=True, slots=True)
class Published:
    """Sizes and roots of one tree, the smallest first.

    Forty bytes each: a log that is sealed every ten seconds has three million in a year.
    """

    origin: str
    sizes: array[int] = field(default_factory=lambda: array("Q"))
    roots: bytearray = field(default_factory=bytearray)

    def __len__(self) -> int:
        return len(self.sizes)

    def __iter__(self) -> Iterator[Checkpoint]:
        return (Checkpoint(self.origin, size, self._root(number)) for number, size in enumerate(self.sizes))

    @property
    def largest(self) -> int:
        """How many entries were published."""
        return self.sizes[-1] if self.sizes else 0

    def up_to(self, size: int) -> int:
        """Return how many entries the largest covers that has no more than *size*."""
        number = bisect_left(self.sizes, size + 1)
        return self.sizes[number - 1] if number else 0

    def root(self, size: int) -> bytes | None:
        """Return the root that was published with *size*, if any was."""
        number = bisect_left(self.sizes, size)
        return self._root(number) if number < len(self) and self.sizes[number] == size else None

    def add(self, checkpoint: Checkpoint) -> bool:
        """Add one; return whether it is the first of its size, or says the same."""
        there = self.root(checkpoint.size)
        if there is None:
            number = bisect_left(self.sizes, checkpoint.size)
            self.sizes.insert(number, checkpoint.size)
            self.roots[number * _ROOT_BYTES : number * _ROOT_BYTES] = checkpoint.root
        return there in (None, checkpoint.root)

    def _root(self, number: int) -> bytes:
        return bytes(self.roots[number * _ROOT_BYTES : (number + 1) * _ROOT_BYTES])


def load_published(places: Sequence[Place], keys: Keys, wrong: list[Wrong]) -> Published:
    """Return what was published of a log; add to *wrong* what is no checkpoint of it, or contradicts another.

    Raises:
        RlsguardError: a place cannot be read.
    """
    published = Published(keys.origin)
    for place in places:
        before = -1
        for number, data in enumerate(place.checkpoints(keys.origin), 1):
            try:
                checkpoint = verify_checkpoint(data, keys).checkpoint
            except TlogError as error:
                wrong.append(Wrong(f"checkpoint {number} in {place}", f"{error}."))
                continue
            size = checkpoint.size
            if size <= before:
                why = f"it is of {size:,} entries, and the one before it of {before:,}: another was published there."
                wrong.append(Wrong(f"checkpoint {number} in {place}", why))
            before = size
            if not published.add(checkpoint):
                why = "the log's key has signed another tree of the same size: a fork."
                wrong.append(Wrong(f"checkpoint of {size:,} entries in {place}", why))
    return published

"""Proofs that an entry is in a log, for use offline: https://c2sp.org/tlog-proof."""

from __future__ import annotations

from dataclasses import dataclass

from rlsguard.tlog.checkpoint import Keys, SignedCheckpoint, verify_checkpoint
from rlsguard.tlog.note import MAX_NOTE_BYTES
from rlsguard.tlog.problem import TlogError
from rlsguard.tlog.text import (
    HASH_BYTES,
    MAX_SIZE,
    decode_base64,
    decode_decimal,
    decode_hash,
    decode_utf8,
    encode_base64,
    shown,
)
from rlsguard.tlog.verify import verify_inclusion

# In a tree of fewer than 2**63 leaves, none is deeper.
MAX_HASHES = 63

_HEADER = "c2sp.org/tlog-proof@v1"
_INDEX = "index "
_EXTRA = "extra "
_MAX_BYTES = 2 * MAX_NOTE_BYTES


@dataclass(frozen=True, slots=True)
class InclusionProof:
    """What shows that an entry is in a log.

    Attributes:
        index: the leaf of the tree, counted from 0.
        hashes: from the leaf's sibling up to the root's child.
        checkpoint: the exact bytes of the signed checkpoint.
        extra: what goes along, and is proven by nothing.
    """

    index: int
    hashes: tuple[bytes, ...]
    checkpoint: bytes
    extra: bytes | None = None

    def __post_init__(self) -> None:
        if not 0 <= self.index < MAX_SIZE:
            raise TlogError(f"there is no leaf {self.index}")
        if len(self.hashes) > MAX_HASHES:
            raise TlogError(f"a proof of {len(self.hashes)} hashes; {MAX_HASHES} are allowed")
        if any(len(one) != HASH_BYTES for one in self.hashes):
            raise TlogError(f"hashes of a proof have {HASH_BYTES} bytes")

    def to_bytes(self) -> bytes:
        """Return the proof as text: tlog-proof, "Format"."""
        lines = [_HEADER]
        if self.extra is not None:
            lines.append(_EXTRA + encode_base64(self.extra))
        lines += [f"{_INDEX}{self.index}", *map(encode_base64, self.hashes), "", ""]
        return "\n".join(lines).encode() + self.checkpoint

    @classmethod
    def parse(cls, data: bytes) -> InclusionProof:
        """Read a proof. Nothing of it is checked: `verify` does that.

        Raises:
            TlogError: it is none.
        """
        if len(data) > _MAX_BYTES:
            raise TlogError(f"a proof of {len(data)} bytes; {_MAX_BYTES} are allowed")
        head, blank, checkpoint = data.partition(b"\n\n")
        if not blank:
            raise TlogError("the proof has no empty line before its checkpoint")
        lines = decode_utf8(head, "the proof").split("\n")
        if lines.pop(0) != _HEADER:
            raise TlogError(f"the first line of a proof is {_HEADER}")
        extra = None
        if lines and lines[0].startswith(_EXTRA):
            extra = decode_base64(lines.pop(0).removeprefix(_EXTRA), "the extra data of the proof")
        if not lines or not lines[0].startswith(_INDEX):
            raise TlogError(f"the proof has no line with its index: {shown(lines[0] if lines else '')}")
        index = decode_decimal(lines.pop(0).removeprefix(_INDEX), "the index of the proof")
        if len(lines) > MAX_HASHES:
            raise TlogError(f"a proof of {len(lines)} hashes; {MAX_HASHES} are allowed")
        return cls(index, tuple(decode_hash(line, "a hash of the proof") for line in lines), checkpoint, extra)

    def verify(self, leaf: bytes, keys: Keys) -> SignedCheckpoint:
        """Check that *leaf* is the hash of an entry of the log: tlog-proof, "Verifying a tlog proof".

        Returns:
            The checkpoint that it is in, and who signed that.

        Raises:
            TlogError: the proof does not show it, or a signature is missing or wrong.
        """
        signed = verify_checkpoint(self.checkpoint, keys)
        verify_inclusion(leaf, self.index, signed.checkpoint.size, self.hashes, signed.checkpoint.root)
        return signed

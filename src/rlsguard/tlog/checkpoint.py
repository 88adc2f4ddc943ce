"""Checkpoints, the signed heads of a tree: https://c2sp.org/tlog-checkpoint."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime

from rlsguard.tlog.keys import KeyType, VerifierKey
from rlsguard.tlog.note import Note, Verified
from rlsguard.tlog.problem import TlogError
from rlsguard.tlog.text import HASH_BYTES, MAX_SIZE, decode_decimal, decode_hash, encode_base64, shown

# Control characters, and halves of characters, which UTF-8 does not have.
_NO_TEXT = re.compile("[\x00-\x1f\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """What a log says of itself: its name, how many leaves it has, and the root of their tree."""

    origin: str
    size: int
    root: bytes
    extensions: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for line in (self.origin, *self.extensions):
            if not line or _NO_TEXT.search(line):
                raise TlogError(f"no line of a checkpoint: {shown(line)}")
        if not 0 <= self.size <= MAX_SIZE:
            raise TlogError(f"a checkpoint cannot be of {self.size} leaves")
        if len(self.root) != HASH_BYTES:
            raise TlogError(f"the root of a checkpoint has {HASH_BYTES} bytes, not {len(self.root)}")

    def __str__(self) -> str:
        lines = (self.origin, str(self.size), encode_base64(self.root), *self.extensions)
        return "".join(f"{line}\n" for line in lines)

    @classmethod
    def parse(cls, text: str) -> Checkpoint:
        """Read the text of a note: tlog-checkpoint, "Note text".

        Raises:
            TlogError: it is no checkpoint.
        """
        if not text.endswith("\n"):
            raise TlogError("a checkpoint ends with a newline")
        lines = text[:-1].split("\n")
        if len(lines) < 3:
            raise TlogError(f"a checkpoint has three lines or more, not {len(lines)}")
        size = decode_decimal(lines[1], "the size of the checkpoint")
        return cls(lines[0], size, decode_hash(lines[2], "the root of the checkpoint"), tuple(lines[3:]))


@dataclass(frozen=True, slots=True)
class Keys:
    """Whom a verifier trusts.

    Attributes:
        origin: the log's name, as its checkpoints begin.
        log: the log's keys. One signature by any of them will do: keys are replaced now and then.
        witnesses: the keys of witnesses that are known.
        quorum: how many of these must have cosigned.
    """

    origin: str
    log: tuple[VerifierKey, ...]
    witnesses: tuple[VerifierKey, ...] = ()
    quorum: int = 0

    def __post_init__(self) -> None:
        if not self.log or any(key.type is not KeyType.ED25519 for key in self.log):
            raise TlogError("a log has one key or more, of type 0x01")
        if any(key.type is not KeyType.COSIGNATURE for key in self.witnesses):
            raise TlogError("keys of witnesses are of type 0x04")
        # A cosignature does not say whose it is: one key under two names would count twice.
        public = [key.public for key in (*self.log, *self.witnesses)]
        if len(set(public)) != len(public):
            raise TlogError("one key is there under two names")
        if not 0 <= self.quorum <= len(self.witnesses):
            raise TlogError(f"{self.quorum} of {len(self.witnesses)} witnesses cannot have cosigned")


@dataclass(frozen=True, slots=True)
class Cosigned:
    """That a witness saw the log in this state, and saw it grow only: https://c2sp.org/tlog-cosignature."""

    witness: str
    time: datetime


@dataclass(frozen=True, slots=True)
class SignedCheckpoint:
    """A checkpoint whose signatures hold.

    Attributes:
        signed_by: the log's keys that signed.
        cosigned: the known witnesses that cosigned, and when.
        note: the exact bytes.
    """

    checkpoint: Checkpoint
    signed_by: tuple[VerifierKey, ...]
    cosigned: tuple[Cosigned, ...]
    note: bytes


def verify_checkpoint(data: bytes, keys: Keys) -> SignedCheckpoint:
    """Read a signed checkpoint and check who signed it.

    Raises:
        TlogError: it is no checkpoint or another log's; the log or too few witnesses signed; a signature is wrong.
    """
    note = Note.parse(data)
    checkpoint = Checkpoint.parse(note.text)
    if checkpoint.origin != keys.origin:
        raise TlogError(f"the checkpoint is of the log {shown(checkpoint.origin)}, not of {shown(keys.origin)}")
    verified = note.verify((*keys.log, *keys.witnesses))
    signed_by = tuple(v.key for v in verified if v.key in keys.log)
    if not signed_by:
        raise TlogError(f"no key of the log {shown(keys.origin)} signed the checkpoint")
    cosigned = tuple(cosigned_by(v) for v in verified if v.time is not None)
    if len(cosigned) < keys.quorum:
        raise TlogError(f"{len(cosigned)} known witnesses cosigned the checkpoint; {keys.quorum} must have")
    return SignedCheckpoint(checkpoint, signed_by, cosigned, data)


def cosigned_by(verified: Verified) -> Cosigned:
    """Return who cosigned and when, of a witness's signature."""
    assert verified.time is not None
    return Cosigned(verified.key.name, datetime.fromtimestamp(verified.time, UTC))

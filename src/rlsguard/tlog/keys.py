"""Keys of logs and witnesses, Ed25519: https://c2sp.org/signed-note and https://c2sp.org/tlog-cosignature.

A key signs either notes (type 0x01) or, as a witness, checkpoints with a time (type 0x04).
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, field
from enum import IntEnum

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from rlsguard.tlog.problem import TlogError
from rlsguard.tlog.text import decode_base64, encode_base64, shown

_KEY_BYTES = 32
_SIGNATURE_BYTES = 64
_TIME_BYTES = 8
# 9999-12-31T23:59:59Z: no later time can be shown, and none of them has come.
_LATEST = 253402300799
_KEY_ID = re.compile("[0-9a-f]{8}")
# White space, a plus, control characters, and halves of characters, which UTF-8 does not have.
_NO_NAME = re.compile(r"[\s+\x00-\x1f\ud800-\udfff]")
_PRIVATE = "PRIVATE+KEY+"


class KeyType(IntEnum):
    """What a key signs: https://c2sp.org/signed-note, "Signature types"."""

    ED25519 = 0x01
    COSIGNATURE = 0x04


@dataclass(frozen=True, slots=True)
class VerifierKey:
    """A public key under its name."""

    name: str
    public: bytes
    type: KeyType = KeyType.ED25519

    def __post_init__(self) -> None:
        check_name(self.name)
        _check_length(self.public)

    @property
    def key_id(self) -> bytes:
        """The four bytes that tell keys of one name apart: signed-note, "Signatures"."""
        return hashlib.sha256(self.name.encode() + b"\n" + bytes([self.type]) + self.public).digest()[:4]

    def __str__(self) -> str:
        return f"{self.name}+{self.key_id.hex()}+{encode_base64(bytes([self.type]) + self.public)}"

    @classmethod
    def parse(cls, text: str) -> VerifierKey:
        """Read a vkey, `name+id+base64`: signed-note, "Verifier keys".

        Raises:
            TlogError: it is none, its id does not fit, or it is of another type than those above.
        """
        name, key_id, type_, public = _parts(text, "a verifier key")
        key = cls(name, public, type_)
        _check_key_id(key, key_id)
        return key

    def verify(self, text: bytes, value: bytes) -> int | None:
        """Check the signature *value*, without its key id, of a note's text.

        Returns:
            When it was cosigned, in seconds since 1970, or None from a key that signs without a time.

        Raises:
            TlogError: the signature is not this key's over this text.
        """
        time: int | None = None
        if self.type is KeyType.COSIGNATURE:
            if len(value) != _TIME_BYTES + _SIGNATURE_BYTES:
                raise TlogError(f"the cosignature of {self.name} has {len(value)} bytes instead of 72")
            time = int.from_bytes(value[:_TIME_BYTES], "big")
            if not 0 < time <= _LATEST:
                raise TlogError(f"the cosignature of {self.name} has no time: {time} seconds since 1970")
            text, value = _with_time(text, time), value[_TIME_BYTES:]
        try:
            Ed25519PublicKey.from_public_bytes(self.public).verify(value, text)
        except (InvalidSignature, ValueError):
            raise TlogError(f"the signature of {self.name} ({self.key_id.hex()}) is wrong") from None
        return time


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A private key under its name."""

    name: str
    seed: bytes = field(repr=False)
    type: KeyType = KeyType.ED25519

    def __post_init__(self) -> None:
        check_name(self.name)
        _check_length(self.seed)

    @classmethod
    def generate(cls, name: str, type_: KeyType = KeyType.ED25519) -> SigningKey:
        """Make a new key from the operating system's random numbers."""
        return cls(name, Ed25519PrivateKey.generate().private_bytes_raw(), type_)

    @classmethod
    def parse(cls, text: str) -> SigningKey:
        """Read `PRIVATE+KEY+name+id+base64`, as golang.org/x/mod/sumdb/note writes keys of type 0x01.

        Raises:
            TlogError: it is none; the message holds nothing of it.
        """
        if not text.startswith(_PRIVATE):
            raise TlogError(f"a private key begins with {_PRIVATE}")
        try:
            name, key_id, type_, seed = _parts(text.removeprefix(_PRIVATE), "a private key")
            key = cls(name, seed, type_)
        except TlogError:
            raise TlogError(f"this is no private key, {_PRIVATE}name+id+base64") from None
        _check_key_id(key.verifier, key_id)
        return key

    def reveal(self) -> str:
        """Return the private key as text. Whoever has it can sign."""
        secret = encode_base64(bytes([self.type]) + self.seed)
        return f"{_PRIVATE}{self.name}+{self.verifier.key_id.hex()}+{secret}"

    @property
    def verifier(self) -> VerifierKey:
        """The public key that goes with it."""
        public = Ed25519PrivateKey.from_private_bytes(self.seed).public_key().public_bytes_raw()
        return VerifierKey(self.name, public, self.type)

    def sign(self, text: bytes, time: int | None = None) -> bytes:
        """Sign a note's text; a witness also says when, in seconds since 1970.

        Returns:
            The signature without its key id.

        Raises:
            TlogError: there is a time where none belongs, or the other way round.
        """
        private = Ed25519PrivateKey.from_private_bytes(self.seed)
        if self.type is KeyType.ED25519:
            if time is not None:
                raise TlogError(f"{self.name} signs without a time")
            return private.sign(text)
        if time is None or not 0 < time <= _LATEST:
            raise TlogError(f"{self.name} cosigns with a time since 1970")
        return time.to_bytes(_TIME_BYTES, "big") + private.sign(_with_time(text, time))


def check_name(name: str) -> None:
    """Check that *name* can be a key's: signed-note, "Format".

    Raises:
        TlogError: it is empty, or has white space, a plus or a control character in it.
    """
    if not name or _NO_NAME.search(name):
        raise TlogError(f"no name of a key: {shown(name)}")


def _with_time(text: bytes, time: int) -> bytes:
    """Return the message that a witness signs: tlog-cosignature, "Ed25519 signed message"."""
    return b"cosignature/v1\ntime %d\n%b" % (time, text)


def _parts(text: str, what: str) -> tuple[str, str, KeyType, bytes]:
    parts = text.split("+", 2)
    if len(parts) != 3 or not _KEY_ID.fullmatch(parts[1]):
        raise TlogError(f"{what} is written name+id+base64, with an id of 8 hexadecimal digits: {shown(text)}")
    material = decode_base64(parts[2], what)
    if not material or material[0] not in set(KeyType):
        number = f"0x{material[0]:02x}" if material else "none"
        raise TlogError(f"{what} is of type {number}; known are 0x01 (Ed25519) and 0x04 (cosignatures with Ed25519)")
    return parts[0], parts[1], KeyType(material[0]), material[1:]


def _check_key_id(key: VerifierKey, key_id: str) -> None:
    if key.key_id.hex() != key_id:
        raise TlogError(f"the id of the key {key.name} is {key.key_id.hex()}, not {key_id}")


def _check_length(material: bytes) -> None:
    if len(material) != _KEY_BYTES:
        raise TlogError(f"an Ed25519 key has {_KEY_BYTES} bytes, not {len(material)}")

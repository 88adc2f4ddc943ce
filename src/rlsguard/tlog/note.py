"""Signed notes: https://c2sp.org/signed-note."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from rlsguard.tlog.keys import SigningKey, VerifierKey, check_name
from rlsguard.tlog.problem import TlogError
from rlsguard.tlog.text import decode_base64, decode_utf8, encode_base64, shown

# Go reads a hundred; the specification asks for sixteen at least. Signatures of other types can have 5 kB.
MAX_SIGNATURES = 100
MAX_NOTE_BYTES = 2**20

_CONTROL = re.compile("[\x00-\x09\x0b-\x1f]")
_KEY_ID_BYTES = 4
_DASH = "\u2014 "


@dataclass(frozen=True, slots=True)
class Signature:
    """One line of a note: what key is said to have signed, and the signature without the key's id."""

    name: str
    key_id: bytes
    value: bytes

    def __str__(self) -> str:
        return f"{_DASH}{self.name} {encode_base64(self.key_id + self.value)}"

    @classmethod
    def parse(cls, line: str) -> Signature:
        """Read a signature line, without its newline: signed-note, "Format".

        Raises:
            TlogError: it is none.
        """
        if not line.startswith(_DASH):
            raise TlogError(f"no signature line, which begins with an em dash and a space: {shown(line)}")
        name, space, encoded = line.removeprefix(_DASH).partition(" ")
        if not space:
            raise TlogError(f"no signature line, which has a name and base64: {shown(line)}")
        check_name(name)
        data = decode_base64(encoded, f"the signature of {name}")
        if len(data) <= _KEY_ID_BYTES:
            raise TlogError(f"the signature of {name} has {len(data)} bytes, of which {_KEY_ID_BYTES} are the key's id")
        return cls(name, data[:_KEY_ID_BYTES], data[_KEY_ID_BYTES:])


@dataclass(frozen=True, slots=True)
class Note:
    """A text, which ends with a newline, and what is said to be signatures of it."""

    text: str
    signatures: tuple[Signature, ...] = ()

    @classmethod
    def parse(cls, data: bytes) -> Note:
        """Read a note. Its signatures are not checked: `verify` does that.

        Raises:
            TlogError: it is none.
        """
        if len(data) > MAX_NOTE_BYTES:
            raise TlogError(f"a note of {len(data)} bytes; {MAX_NOTE_BYTES} are allowed")
        text = decode_utf8(data, "the note")
        if control := _CONTROL.search(text):
            raise TlogError(f"the note has a control character: {control[0]!a}")
        # The text itself can have empty lines; the last one ends it.
        body, blank, signatures = text.rpartition("\n\n")
        if not blank:
            raise TlogError("the note has no empty line before its signatures")
        return cls(body + "\n", parse_signatures(signatures))

    def to_bytes(self) -> bytes:
        """Return the note as text in UTF-8.

        Raises:
            TlogError: it has no signature, or the text cannot be a note's.
        """
        if not self.signatures:
            raise TlogError("a note without a signature")
        data = "\n".join([self.text, *map(str, self.signatures), ""]).encode("utf-8", "surrogatepass")
        if Note.parse(data) != self:
            raise TlogError("the text of a note ends with a newline")
        return data

    def sign(self, key: SigningKey, time: int | None = None) -> Note:
        """Return the note with one more signature; a witness's comes with a time, in seconds since 1970.

        An earlier signature by the same key is left out.
        """
        value = key.sign(self.text.encode(), time)
        return self.with_signature(Signature(key.name, key.verifier.key_id, value))

    def with_signature(self, signature: Signature) -> Note:
        """Return the note with one more signature line, in place of an earlier one by the same key."""
        others = (s for s in self.signatures if (s.name, s.key_id) != (signature.name, signature.key_id))
        return Note(self.text, (*others, signature))

    def verify(self, keys: Iterable[VerifierKey]) -> tuple[Verified, ...]:
        """Check every signature by one of *keys*; those by others are passed over: signed-note, "Signatures".

        Returns:
            Who signed, each key once, in the order of the note. Empty where none of *keys* did.

        Raises:
            TlogError: a signature by one of the keys is wrong, or two keys have the same name and id.
        """
        known: dict[tuple[str, bytes], VerifierKey] = {}
        for key in keys:
            if known.setdefault((key.name, key.key_id), key) != key:
                raise TlogError(f"two keys are called {key.name}+{key.key_id.hex()}")
        verified: dict[VerifierKey, Verified] = {}
        for signature in self.signatures:
            if by := known.get((signature.name, signature.key_id)):
                time = by.verify(self.text.encode(), signature.value)
                verified.setdefault(by, Verified(by, time, signature))
        return tuple(verified.values())


@dataclass(frozen=True, slots=True)
class Verified:
    """A signature that holds.

    Attributes:
        time: when it was cosigned, in seconds since 1970; None from a key that signs without a time.
    """

    key: VerifierKey
    time: int | None
    signature: Signature


def parse_signatures(text: str) -> tuple[Signature, ...]:
    """Read signature lines, one or more: signed-note, "Format".

    Raises:
        TlogError: they are none, or too many.
    """
    if not text.endswith("\n"):
        raise TlogError("the last signature line does not end with a newline")
    if (count := text.count("\n")) > MAX_SIGNATURES:
        raise TlogError(f"{count} signatures; {MAX_SIGNATURES} are allowed")
    return tuple(Signature.parse(line) for line in text[:-1].split("\n"))

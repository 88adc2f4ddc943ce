"""A receipt: one file that shows, offline, that one entry is in the log, and what it says.

It is JSON, so that `jq` and `sha256sum` can take it apart too:

    {"rlsguard_receipt": 1,
     "payload": the exact bytes of the entry, in base64,
     "disclosed": [{"field": "subject_key", "salt": 32 bytes in hexadecimal, "value": "42"}, ...],
     "proof": a c2sp.org/tlog-proof@v1 as text}

A payload, which is JSON as well, holds a personal value as `{"sha256": hash}`: of the salt and the value in UTF-8.
Whoever is given the salt and the value can tell that it was this one; nobody can guess it from the hash.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from rlsguard.tlog.checkpoint import Cosigned, Keys, SignedCheckpoint
from rlsguard.tlog.problem import TlogError
from rlsguard.tlog.proof import InclusionProof
from rlsguard.tlog.text import decode_base64, decode_utf8, encode_base64, shown
from rlsguard.tlog.tree import leaf_hash

MAX_RECEIPT_BYTES = 2**20
# Of one length, always: otherwise the end of the salt could pass for the beginning of the value.
SALT_BYTES = 32

_VERSION = 1
_MEMBERS = frozenset({"rlsguard_receipt", "payload", "disclosed", "proof"})
_HASH = "sha256"
_SALT = re.compile(f"[0-9a-f]{{{2 * SALT_BYTES}}}")


@dataclass(frozen=True, slots=True)
class Disclosed:
    """A value of which the entry holds the salted hash only."""

    field: str
    salt: bytes
    value: str


@dataclass(frozen=True, slots=True)
class Receipt:
    """What a receipt holds: an entry, the values behind its hashes, and the proof that the log has it."""

    payload: bytes
    disclosed: tuple[Disclosed, ...]
    proof: InclusionProof

    def to_bytes(self) -> bytes:
        """Return the receipt as JSON.

        Raises:
            TlogError: it gets too large, or is none that `parse` would read.
        """
        document = {
            "rlsguard_receipt": _VERSION,
            "payload": encode_base64(self.payload),
            "disclosed": [{"field": d.field, "salt": d.salt.hex(), "value": d.value} for d in self.disclosed],
            "proof": decode_utf8(self.proof.to_bytes(), "the proof"),
        }
        data = (json.dumps(document, indent=2) + "\n").encode()
        if Receipt.parse(data) != self:
            raise TlogError("the receipt would be read as another one")
        return data

    @classmethod
    def parse(cls, data: bytes) -> Receipt:
        """Read a receipt. Nothing of it is checked: `verify` does that.

        Raises:
            TlogError: it is none.
        """
        if len(data) > MAX_RECEIPT_BYTES:
            raise TlogError(f"a receipt of {len(data)} bytes; {MAX_RECEIPT_BYTES} are allowed")
        members = _object(data, "the receipt")
        if members.keys() != _MEMBERS:
            raise TlogError(f"a receipt has the members {', '.join(sorted(_MEMBERS))}")
        version, disclosed = members["rlsguard_receipt"], members["disclosed"]
        if type(version) is not int or version != _VERSION:
            raise TlogError(f"a receipt of version {shown(str(version))}; this reads version {_VERSION}")
        if not isinstance(disclosed, list):
            raise TlogError('the member "disclosed" of the receipt is no list')
        return cls(
            decode_base64(_text(members, "payload"), "the payload"),
            tuple(map(_disclosed, disclosed)),
            InclusionProof.parse(_text(members, "proof").encode()),
        )

    def verify(self, keys: Keys) -> Proven:
        """Check everything that the receipt says. It reads no clock and asks nobody.

        Raises:
            TlogError: something of it does not hold.
        """
        signed = self.proof.verify(leaf_hash(self.payload), keys)
        entry = _object(self.payload, "the payload")
        values: dict[str, str] = {}
        for disclosed in self.disclosed:
            if disclosed.field in values:
                raise TlogError(f"{shown(disclosed.field)} is disclosed twice")
            held = entry.get(disclosed.field)
            if not isinstance(held, dict) or held.keys() != {_HASH} or not isinstance(held[_HASH], str):
                raise TlogError(f"the entry has no hash of {shown(disclosed.field)}")
            if held[_HASH] != salted_hash(disclosed.salt, disclosed.value):
                raise TlogError(f"{shown(disclosed.field)} is not {shown(disclosed.value)}: the entry has another hash")
            values[disclosed.field] = disclosed.value
        return Proven(self.payload, entry, values, self.proof.index, signed)


@dataclass(frozen=True, slots=True)
class Proven:
    """What a receipt proves: that the log had this entry when it signed, and who saw it then.

    Attributes:
        payload: the exact bytes of the entry.
        entry: the same, read.
        disclosed: the values of fields that *entry* holds as hashes.
        index: the leaf of the tree.
        signed: the checkpoint, which keys of the log signed it, and which witnesses cosigned it and when.
    """

    payload: bytes
    entry: Mapping[str, Any]
    disclosed: Mapping[str, str]
    index: int
    signed: SignedCheckpoint

    @property
    def size(self) -> int:
        """How many entries the log had."""
        return self.signed.checkpoint.size

    @property
    def cosigned(self) -> tuple[Cosigned, ...]:
        """The witnesses that cosigned, and when."""
        return self.signed.cosigned


def verify_receipt(data: bytes, keys: Keys) -> Proven:
    """Read a receipt and check everything that it says, offline.

    Raises:
        TlogError: it is none, or something of it does not hold.
    """
    return Receipt.parse(data).verify(keys)


def salted_hash(salt: bytes, value: str) -> str:
    """Return the hash that stands for a value in a payload, in hexadecimal.

    Raises:
        TlogError: the salt is not of its length, or the value is no text.
    """
    if len(salt) != SALT_BYTES:
        raise TlogError(f"a salt has {SALT_BYTES} bytes, not {len(salt)}")
    try:
        return hashlib.sha256(salt + value.encode()).hexdigest()
    except UnicodeEncodeError:
        raise TlogError(f"no text: {shown(value)}") from None


def _disclosed(item: object) -> Disclosed:
    if not isinstance(item, dict) or item.keys() != {"field", "salt", "value"}:
        raise TlogError("a disclosed value has the members field, salt, value")
    salt = _text(item, "salt")
    if not _SALT.fullmatch(salt):
        raise TlogError(f"a salt is {SALT_BYTES} bytes in lower-case hexadecimal: {shown(salt)}")
    return Disclosed(_text(item, "field"), bytes.fromhex(salt), _text(item, "value"))


def _text(members: Mapping[str, Any], name: str) -> str:
    value = members[name]
    if not isinstance(value, str):
        raise TlogError(f'the member "{name}" is no text')
    try:
        value.encode()
    except UnicodeEncodeError:
        raise TlogError(f'the member "{name}" has half a character in it') from None
    return value


def _object(data: bytes, what: str) -> dict[str, Any]:
    """Read a JSON object in which no name stands twice, so that all who read it find the same."""
    text = decode_utf8(data, what)
    try:
        value = json.loads(text, object_pairs_hook=_unique, parse_constant=_no_constant)
    except TlogError as error:
        raise TlogError(f"{what} is not JSON that can mean one thing only: {error}") from None
    except RecursionError:
        raise TlogError(f"{what} is nested too deeply") from None
    # Also of numbers with thousands of digits.
    except ValueError as error:
        raise TlogError(f"{what} is not JSON: {error}") from None
    if not isinstance(value, dict):
        raise TlogError(f"{what} is no JSON object")
    return value


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise TlogError("a name is there twice in one object")
    return members


def _no_constant(name: str) -> Any:
    raise TlogError(f"{name} is no number of JSON")

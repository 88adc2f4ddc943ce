"""A log and its witnesses with keys that never change, and a signed log to prove from."""

from __future__ import annotations

import hashlib
import json

from rlsguard.tlog import (
    Checkpoint,
    Disclosed,
    Frontier,
    InclusionProof,
    Keys,
    KeyType,
    Note,
    Receipt,
    SigningKey,
    inclusion_proof,
    leaf_hash,
    salted_hash,
)
from tlog.trees import Store

ORIGIN = "bank.example/opt-outs"
TIME = 1_764_000_000
SALT = bytes(range(32))
SIZE = 300


def key(name: str, type_: KeyType = KeyType.ED25519) -> SigningKey:
    return SigningKey(name, hashlib.sha256(f"seed of {name}".encode()).digest(), type_)


LOG = key(ORIGIN)
WITNESSES = tuple(key(f"witness{n}.example/w", KeyType.COSIGNATURE) for n in range(3))
STRANGER = key("stranger.example")
KEYS = Keys(ORIGIN, (LOG.verifier,), tuple(w.verifier for w in WITNESSES), quorum=2)


def payload(number: int) -> bytes:
    """Return an entry as the ledger writes one."""
    entry = {
        "id": number,
        "subject_kind": "client",
        "subject_key": {"sha256": salted_hash(SALT, f"C-{number}")},
        "reason": {"sha256": salted_hash(SALT, "Straße")} if number % 2 else None,
        "context": {"channel": ["phone", 1.5]},
        "previous_hash": None,
    }
    return json.dumps(entry, ensure_ascii=False).encode()


STORE = Store([leaf_hash(payload(number)) for number in range(SIZE)])


def checkpoint(size: int = SIZE, origin: str = ORIGIN) -> Checkpoint:
    return Checkpoint(origin, size, Frontier.of(size, STORE.nodes(size)).root())


def signed(text: Checkpoint, *, log: SigningKey = LOG, witnesses: tuple[SigningKey, ...] = WITNESSES) -> Note:
    note = Note(str(text)).sign(log)
    for place, witness in enumerate(witnesses):
        note = note.sign(witness, TIME + place)
    return note


def proof(index: int, size: int = SIZE, note: Note | None = None) -> InclusionProof:
    hashes = inclusion_proof(index, size, STORE.nodes(size))
    return InclusionProof(index, hashes, (note or signed(checkpoint(size))).to_bytes())


def receipt(index: int) -> Receipt:
    disclosed = [Disclosed("subject_key", SALT, f"C-{index}")]
    if index % 2:
        disclosed.append(Disclosed("reason", SALT, "Straße"))
    return Receipt(payload(index), tuple(disclosed), proof(index))

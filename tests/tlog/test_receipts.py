"""Receipts: what they prove, offline, and that no altered or hostile one proves anything."""

from __future__ import annotations

import json
import tracemalloc
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rlsguard.tlog import (
    Disclosed,
    InclusionProof,
    Receipt,
    SigningKey,
    TlogError,
    leaf_hash,
    salted_hash,
    verify_receipt,
)
from rlsguard.tlog.text import encode_base64
from tlog.signing import KEYS, LOG, ORIGIN, SALT, SIZE, TIME, checkpoint, key, payload, proof, receipt, signed
from tlog.trees import Store


def document(index: int = 7) -> dict[str, Any]:
    read: dict[str, Any] = json.loads(receipt(index).to_bytes())
    return read


def refused(data: dict[str, Any] | bytes) -> str:
    with pytest.raises(TlogError) as caught:
        verify_receipt(data if isinstance(data, bytes) else json.dumps(data).encode(), KEYS)
    return str(caught.value)


@pytest.mark.parametrize("index", [0, 7, 255, 256, SIZE - 1])
def test_what_a_receipt_proves(index: int) -> None:
    proven = verify_receipt(receipt(index).to_bytes(), KEYS)
    assert proven.payload == payload(index)
    assert proven.entry == json.loads(payload(index))
    assert proven.disclosed == {"subject_key": f"C-{index}"} | ({"reason": "Straße"} if index % 2 else {})
    assert (proven.index, proven.size, proven.signed.checkpoint) == (index, SIZE, checkpoint())
    assert proven.signed.signed_by == (LOG.verifier,)
    assert [c.time.timestamp() for c in proven.cosigned] == [TIME, TIME + 1, TIME + 2]


def test_values_may_stay_undisclosed() -> None:
    proven = verify_receipt(replace(receipt(7), disclosed=()).to_bytes(), KEYS)
    assert proven.disclosed == {}
    assert proven.entry["subject_key"] == {"sha256": salted_hash(SALT, "C-7")}


def test_it_can_be_taken_apart_without_this() -> None:
    """The hash of a leaf, and the standard's proof, are there for any tool."""
    read = document()
    assert json.loads(payload(7))["id"] == 7
    assert read["payload"] == encode_base64(payload(7))
    assert InclusionProof.parse(read["proof"].encode()).verify(leaf_hash(payload(7)), KEYS)


def test_another_entry_or_value_is_noticed() -> None:
    read = document()
    assert "root" in refused(read | {"payload": encode_base64(payload(8))})
    assert "root" in refused(read | {"payload": encode_base64(payload(7).replace(b"client", b"Client"))})
    forged = signed(checkpoint(), log=SigningKey(ORIGIN, key("forger").seed))
    assert "no key of the log" in refused(read | {"proof": proof(7, note=forged).to_bytes().decode()})
    for field, salt, value, why in (
        ("subject_key", SALT, "C-8", "another hash"),
        ("subject_key", SALT[::-1], "C-7", "another hash"),
        ("reason", SALT, "Strasse", "another hash"),
        ("id", SALT, "7", "no hash of"),
        ("context", SALT, "7", "no hash of"),
        ("nothing", SALT, "7", "no hash of"),
    ):
        item = {"field": field, "salt": salt.hex(), "value": value}
        assert why in refused(read | {"disclosed": [item]})
    assert "twice" in refused(read | {"disclosed": read["disclosed"] * 2})


def test_the_salt_cannot_pass_for_part_of_the_value() -> None:
    """sha256 of salt and value is the same wherever the one ends: only the fixed length tells."""
    shifted = {"field": "subject_key", "salt": (SALT + b"C").hex(), "value": "-7"}
    assert "32 bytes" in refused(document() | {"disclosed": [shifted]})
    with pytest.raises(TlogError, match="32 bytes"):
        salted_hash(SALT + b"C", "-7")


def test_an_entry_that_says_two_things_is_refused() -> None:
    for said, why in (
        (b'{"id": 1, "id": 2}', "twice"),
        (b'{"context": {"a": 1, "a": 1}}', "twice"),
        (b"[]", "no JSON object"),
        (b"null", "no JSON object"),
        (b'{"id": NaN}', "NaN"),
        (b'{"id": -Infinity}', "Infinity"),
        (b"{", "not JSON"),
        (b"\xff", "UTF-8"),
        (b'{"id": ' + b"9" * 5000 + b"}", "not JSON"),
        (b"[" * 50_000, "nested"),
    ):
        store = Store([leaf_hash(said)])
        note = signed(replace(checkpoint(1), root=store.frontier.root()))
        sealed = Receipt(said, (), InclusionProof(0, (), note.to_bytes()))
        assert why in refused(sealed.to_bytes())
    # Control: one that says one thing, put together in the same way, is proven.
    good = b'{"id": 1e999}'
    note = signed(replace(checkpoint(1), root=leaf_hash(good)))
    assert verify_receipt(Receipt(good, (), InclusionProof(0, (), note.to_bytes())).to_bytes(), KEYS).size == 1


@pytest.mark.parametrize(
    "change",
    [
        {"rlsguard_receipt": 2},
        {"rlsguard_receipt": True},
        {"rlsguard_receipt": 1.0},
        {"rlsguard_receipt": "1"},
        {"rlsguard_receipt": None},
        {"payload": None},
        {"payload": "e30"},
        {"payload": ["e30="]},
        {"proof": None},
        {"proof": ""},
        {"proof": "\ud800"},
        {"disclosed": None},
        {"disclosed": {}},
        {"disclosed": [None]},
        {"disclosed": [{}]},
        {"disclosed": [{"field": "id", "salt": SALT.hex()}]},
        {"disclosed": [{"field": 1, "salt": SALT.hex(), "value": ""}]},
        {"disclosed": [{"field": "id", "salt": SALT.hex().upper(), "value": ""}]},
        {"disclosed": [{"field": "id", "salt": SALT.hex()[2:], "value": ""}]},
        {"disclosed": [{"field": "id", "salt": SALT.hex() + "\n", "value": ""}]},
        {"disclosed": [{"field": "id", "salt": SALT.hex(), "value": 7}]},
        {"disclosed": [{"field": "\udfff", "salt": SALT.hex(), "value": ""}]},
        {"disclosed": [{"field": "id", "salt": SALT.hex(), "value": "", "more": ""}]},
        {"more": 1},
    ],
)
def test_what_is_no_receipt(change: dict[str, Any]) -> None:
    with pytest.raises(TlogError):
        Receipt.parse(json.dumps(document() | change).encode())


def test_members_that_are_missing_or_there_twice() -> None:
    read = document()
    for name in read:
        refused({k: v for k, v in read.items() if k != name})
    assert "twice" in refused(receipt(7).to_bytes().replace(b'"payload"', b'"payload": "", "payload"'))


def test_a_receipt_that_would_be_read_as_another_is_not_written() -> None:
    for wrong in (
        replace(receipt(7), payload=bytes(2**20)),
        replace(receipt(7), disclosed=(Disclosed("\ud800", SALT, ""),)),
        replace(receipt(7), disclosed=(Disclosed("id", b"short", ""),)),
        replace(receipt(7), proof=replace(proof(7), checkpoint=b"\xff")),
    ):
        with pytest.raises(TlogError):
            wrong.to_bytes()


@pytest.mark.parametrize(
    "data",
    [
        b"[" * 2**20,
        b'{"a":' * (2**20 // 5),
        b"[" + b"[]," * (2**20 // 3 - 2) + b"[]]",
        b"[" + b"{}," * (2**20 // 3 - 2) + b"{}]",
        b"[" + b'"",' * (2**20 // 3 - 2) + b'""]',
        b'{"a":"' + b"\\u0000" * (2**20 // 6 - 2) + b'"}',
        b"9" * 2**20,
        b"-" * 2**20,
        b'"' + b"\xf0\x9f\x98\x80" * (2**18 - 1) + b'"',
        b" " * 2**20,
        b"\0" * 2**20,
        b"x" * 2**26,
    ],
    ids=lambda data: repr(data[:12]),
)  # fmt: skip
def test_hostile_files_are_refused_within_bounds(data: bytes) -> None:
    tracemalloc.start()
    with pytest.raises(TlogError):
        verify_receipt(data, KEYS)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 64 * 2**20


@settings(deadline=None)
@given(st.data())
def test_no_altered_receipt_proves_anything_else(data: st.DataObject) -> None:
    """Flip one bit anywhere: it is refused, or it says the same about the same entry."""
    right = receipt(7).to_bytes()
    place, bit = data.draw(st.integers(0, len(right) - 1)), data.draw(st.integers(0, 7))
    changed = bytearray(right)
    changed[place] ^= 1 << bit
    try:
        proven = verify_receipt(bytes(changed), KEYS)
    except TlogError:
        return
    expected = verify_receipt(right, KEYS)
    assert (proven.payload, proven.disclosed, proven.index) == (expected.payload, expected.disclosed, expected.index)
    assert proven.signed.checkpoint == expected.signed.checkpoint


def test_every_bit_of_payload_and_value_counts() -> None:
    read = document()
    for place in range(len(payload(7))):
        changed = bytearray(payload(7))
        changed[place] ^= 1
        refused(read | {"payload": encode_base64(bytes(changed))})
    for character in "\0 7x":
        refused(read | {"disclosed": [read["disclosed"][0] | {"value": "C-7" + character}]})

"""Whatever is handed in, it is read or refused, never with another exception; and what is read is written the same."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from rlsguard.tlog import (
    Checkpoint,
    InclusionProof,
    Note,
    Receipt,
    Signature,
    SigningKey,
    TlogError,
    VerifierKey,
    verify_checkpoint,
    verify_receipt,
)
from tlog.signing import KEYS, LOG, WITNESSES, checkpoint, proof, receipt, signed

NOTE = signed(checkpoint()).to_bytes()
PROOF = proof(7).to_bytes()
RECEIPT = receipt(7).to_bytes()
KEY = str(LOG.verifier).encode()
PRIVATE = LOG.reveal().encode()

# How each format is read, and written again.
FORMATS: dict[str, tuple[bytes, Callable[[bytes], Any], Callable[[Any], bytes] | None]] = {
    "note": (NOTE, Note.parse, Note.to_bytes),
    "checkpoint": (str(checkpoint()).encode(), lambda d: Checkpoint.parse(text(d)), lambda c: str(c).encode()),
    "signature": (
        str(signed(checkpoint()).signatures[0]).encode(),
        lambda d: Signature.parse(text(d)),
        lambda s: str(s).encode(),
    ),
    "proof": (PROOF, InclusionProof.parse, InclusionProof.to_bytes),
    "key": (KEY, lambda d: VerifierKey.parse(text(d)), lambda k: str(k).encode()),
    "witness": (
        str(WITNESSES[0].verifier).encode(),
        lambda d: VerifierKey.parse(text(d)),
        lambda k: str(k).encode(),
    ),
    "private": (PRIVATE, lambda d: SigningKey.parse(text(d)), lambda k: k.reveal().encode()),
    # JSON has many spellings of the same.
    "receipt": (RECEIPT, lambda d: Receipt.parse(Receipt.parse(d).to_bytes()), None),
    "verified checkpoint": (NOTE, lambda d: verify_checkpoint(d, KEYS), lambda s: s.note),
    "verified receipt": (RECEIPT, lambda d: verify_receipt(d, KEYS), None),
}
PIECES = [
    b"\n",
    b"\n\n",
    b" ",
    b"+",
    b"=",
    b"0",
    b"-",
    b"\xe2\x80\x94 ",
    b"\xff",
    b"\0",
    b"\xc2\xa0",
    b'"',
    b"{}",
    b"\\u",
    b"",
]
unhurried = settings(deadline=None, max_examples=150)


def text(data: bytes) -> str:
    """Return any text that Python has, halves of characters among it."""
    return data.decode("utf-8", "surrogateescape")


@st.composite
def mutated(draw: st.DrawFn, right: bytes) -> bytes:
    """Return *right* with a few pieces taken out, doubled, or replaced."""
    data = right
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(data)))
        stop = draw(st.integers(start, min(len(data), start + 40)))
        piece = draw(st.one_of(st.sampled_from(PIECES), st.binary(max_size=4), st.just(data[start:stop] * 2)))
        data = data[:start] + piece + data[stop:]
    return data


def check(name: str, data: bytes) -> None:
    """Check that *data* is read and written the same, or refused in a line that a terminal can show."""
    _, read, write = FORMATS[name]
    try:
        value = read(data)
    except TlogError as error:
        refused = str(error)
    else:
        assert write is None or write(value) == data
        return
    assert refused.isprintable()
    assert len(refused) < 400


@pytest.mark.parametrize("name", FORMATS)
@unhurried
@given(st.data())
def test_nearly_right(name: str, data: st.DataObject) -> None:
    check(name, data.draw(mutated(FORMATS[name][0])))


@unhurried
@given(st.binary(max_size=300))
@example(b"")
@example(b"\n\n\xe2\x80\x94 x AAAAAAAA\n")
@example(b"c2sp.org/tlog-proof@v1\nindex 0\n\n")
def test_anything_else(data: bytes) -> None:
    for name in FORMATS:
        check(name, data)


@pytest.mark.parametrize("name", FORMATS)
def test_the_right_one_is_read(name: str) -> None:
    right, read, write = FORMATS[name]
    value = read(right)
    assert write is None or write(value) == right

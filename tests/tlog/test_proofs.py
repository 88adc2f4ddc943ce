"""Proofs as files: c2sp.org/tlog-proof."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rlsguard.tlog import InclusionProof, TlogError, leaf_hash
from tlog.signing import KEYS, SIZE, STRANGER, checkpoint, payload, proof, signed

# tlog-proof's own, where that leaves nothing out.
TEXT = (
    "c2sp.org/tlog-proof@v1\n"
    "extra YWdlLXYxLjIuMS1kYXJ3aW4tYXJtNjQudGFyLmd6\n"
    "index 73894\n"
    "gSKyXoYZUgZ6jduWYrkDOARinOMGJveXjgMkBTcdPlQ=\n"
    "B95lDa8R83lS8n0eG+o0buTxRKQTYFi//1U8anccXmA=\n"
    "EKNzoDWG8LGC0Yp9o+sv3qllpMP9uHQ9B20KNL+Q1zs=\n"
    "\n"
    "example.com/fancylog\n109482\nsFodV/vSp5O8n9a8QpW6PRY97tfOSW5bsc2Xl/EQi08=\n"
    "\n"
    "\u2014 example.com/fancylog AAAAAAAA\n"
)


def test_the_published_format() -> None:
    read = InclusionProof.parse(TEXT.encode())
    assert (read.index, len(read.hashes)) == (73894, 3)
    assert read.extra == b"age-v1.2.1-darwin-arm64.tar.gz"
    assert read.checkpoint.startswith(b"example.com/fancylog\n109482\n")
    assert read.to_bytes() == TEXT.encode()


@given(
    st.integers(0, 2**63 - 2),
    st.lists(st.binary(min_size=32, max_size=32), max_size=63),
    st.binary(max_size=200),
    st.none() | st.binary(max_size=50),
)
def test_proofs_as_text(index: int, hashes: list[bytes], note: bytes, extra: bytes | None) -> None:
    made = InclusionProof(index, tuple(hashes), note, extra)
    assert InclusionProof.parse(made.to_bytes()) == made


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("@v1", "@v2"),
        ("c2sp.org/tlog-proof@v1\n", ""),
        ("c2sp.org/tlog-proof@v1\n", "c2sp.org/tlog-proof@v1\r\n"),
        ("extra ", "extra"),
        ("extra ", "extra  "),
        ("extra YWdl", "extra YW"),
        ("extra ", "other "),
        ("index 73894\n", ""),
        ("index 73894", "index 073894"),
        ("index 73894", "index -1"),
        ("index 73894", "index 9223372036854775807"),
        ("index 73894", "Index 73894"),
        ("index 73894\n", "index 73894\nindex 73894\n"),
        ("gSKyXoYZUgZ6jduWYrkDOARinOMGJveXjgMkBTcdPlQ=", "gSKyXoYZUgZ6jduWYrkDOARinOMGJveXjgMkBTcdPlR="),
        ("gSKyXoYZUgZ6jduWYrkDOARinOMGJveXjgMkBTcdPlQ=", "gSKyXoYZUgZ6jduWYrkDOARinOMGJveXjgMkBTcd"),
        ("gSKyXoYZUgZ6jduWYrkDOARinOMGJveXjgMkBTcdPlQ=", "\u00e9"),
        ("B95lDa8R83lS8n0eG+o0buTxRKQTYFi//1U8anccXmA=\n", "B95lDa8R83lS8n0eG+o0buTxRKQTYFi//1U8anccXmA=\n" * 62),
        ("\n\n", "\n"),
    ],
)
def test_what_is_no_proof(old: str, new: str) -> None:
    assert old in TEXT
    with pytest.raises(TlogError):
        InclusionProof.parse(TEXT.replace(old, new).encode())


def test_what_is_too_large_or_no_text_is_no_proof() -> None:
    for data in (b"", b"\n\n", b"\xff\n\n", TEXT.encode() + bytes(2**21)):
        with pytest.raises(TlogError):
            InclusionProof.parse(data)


def test_what_cannot_be_a_proof_is_not_made() -> None:
    for index, hashes in ((-1, ()), (2**63 - 1, ()), (0, (bytes(31),)), (0, (bytes(32),) * 64)):
        with pytest.raises(TlogError):
            InclusionProof(index, hashes, b"")


@pytest.mark.parametrize("index", [0, 1, 127, 255, 256, SIZE - 1])
def test_an_entry_is_in_the_log(index: int) -> None:
    read = InclusionProof.parse(proof(index).to_bytes())
    assert read.verify(leaf_hash(payload(index)), KEYS).checkpoint == checkpoint()
    for wrong in (
        replace(read, index=index ^ 1),
        replace(read, hashes=read.hashes[1:]),
        replace(read, hashes=(*read.hashes, bytes(32))),
        replace(read, checkpoint=signed(checkpoint(SIZE - 1)).to_bytes()),
        replace(read, checkpoint=signed(checkpoint(), log=STRANGER).to_bytes()),
        replace(read, checkpoint=b""),
    ):
        with pytest.raises(TlogError):
            wrong.verify(leaf_hash(payload(index)), KEYS)
    with pytest.raises(TlogError):
        read.verify(leaf_hash(payload(index) + b" "), KEYS)
    # What goes along is proven by nothing.
    assert replace(read, extra=b"anything").verify(leaf_hash(payload(index)), KEYS)


def test_the_log_of_one_entry() -> None:
    assert proof(0, 1).hashes == ()
    assert InclusionProof.parse(proof(0, 1).to_bytes()).verify(leaf_hash(payload(0)), KEYS).checkpoint.size == 1

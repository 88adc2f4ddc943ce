"""Checkpoints: their text, and whose signatures a verifier asks for."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rlsguard.tlog import Checkpoint, Keys, KeyType, Note, SigningKey, TlogError, verify_checkpoint
from tlog.signing import KEYS, LOG, ORIGIN, STRANGER, TIME, WITNESSES, checkpoint, key, signed

# tlog-checkpoint's own.
C2SP_TEXT = "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n"
lines = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="".join(map(chr, range(32)))), min_size=1)


def test_the_published_checkpoint() -> None:
    read = Checkpoint.parse(C2SP_TEXT)
    assert (read.origin, read.size, read.extensions) == ("example.com/behind-the-sofa", 20852163, ())
    assert str(read) == C2SP_TEXT


@given(lines, st.integers(0, 2**63 - 1), st.binary(min_size=32, max_size=32), st.lists(lines, max_size=3))
def test_checkpoints_as_text(origin: str, size: int, root: bytes, extensions: list[str]) -> None:
    made = Checkpoint(origin, size, root, tuple(extensions))
    assert Checkpoint.parse(str(made)) == made


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("example.com/behind-the-sofa", ""),
        ("20852163", "020852163"),
        ("20852163", "00"),
        ("20852163", "+20852163"),
        ("20852163", "-1"),
        ("20852163", "2_0852163"),
        ("20852163", " 20852163"),
        ("20852163", "2085216\u0663"),
        ("20852163", "9223372036854775808"),
        ("20852163", "9" * 5000),
        ("20852163", ""),
        ("CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=", ""),
        ("CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=", "CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2J="),
        ("CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=", "CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I"),
        ("CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=", "CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=="),
        ("CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=", "CsUYapGGPo4dkMgIAUqom_Xajj7h2fB2MPA3j2jxq2I="),
        ("CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=", "CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jx"),
        ("q2I=\n", "q2I="),
        ("q2I=\n", "q2I=\n\n"),
        ("q2I=\n", "q2I=\n\nmore\n"),
        ("\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=", ""),
    ],
)
def test_what_is_no_checkpoint(old: str, new: str) -> None:
    assert old in C2SP_TEXT
    with pytest.raises(TlogError):
        Checkpoint.parse(C2SP_TEXT.replace(old, new))


def test_what_cannot_be_a_checkpoint_is_not_made() -> None:
    for origin, size, root, extensions in (
        ("", 0, bytes(32), ()),
        ("a\nb", 0, bytes(32), ()),
        ("a\tb", 0, bytes(32), ()),
        ("\ud800", 0, bytes(32), ()),
        ("a", -1, bytes(32), ()),
        ("a", 2**63, bytes(32), ()),
        ("a", 0, bytes(31), ()),
        ("a", 0, bytes(32), ("",)),
        ("a", 0, bytes(32), ("b\nc",)),
    ):
        with pytest.raises(TlogError):
            Checkpoint(origin, size, root, extensions)


def test_who_signed_and_who_cosigned_when() -> None:
    note = signed(checkpoint()).sign(STRANGER).to_bytes()
    result = verify_checkpoint(note, KEYS)
    assert result.checkpoint == checkpoint()
    assert result.signed_by == (LOG.verifier,)
    assert [(c.witness, c.time) for c in result.cosigned] == [
        (w.name, datetime.fromtimestamp(TIME + place, UTC)) for place, w in enumerate(WITNESSES)
    ]
    assert result.note == note


def test_without_the_log_or_enough_witnesses_it_is_refused() -> None:
    assert verify_checkpoint(signed(checkpoint(), witnesses=WITNESSES[:2]).to_bytes(), KEYS)
    for note, why in (
        (signed(checkpoint(), witnesses=WITNESSES[:1]), "1 known witnesses"),
        (signed(checkpoint(), witnesses=(WITNESSES[0], key("fake", KeyType.COSIGNATURE))), "1 known witnesses"),
        (signed(checkpoint(), log=STRANGER), "no key of the log"),
        # The log's name, and another key.
        (signed(checkpoint(), log=SigningKey(ORIGIN, STRANGER.seed)), "no key of the log"),
        (signed(checkpoint(origin="other.example")), "of the log"),
        (Note("no checkpoint\n").sign(LOG), "three lines"),
    ):
        with pytest.raises(TlogError, match=why):
            verify_checkpoint(note.to_bytes(), KEYS)


def test_one_witness_twice_is_one() -> None:
    once = signed(checkpoint(), witnesses=WITNESSES[:1])
    again = signed(checkpoint(), witnesses=()).sign(WITNESSES[0], TIME + 5).signatures[-1]
    twice = Note(once.text, (*once.signatures, again))
    with pytest.raises(TlogError, match="1 known witnesses"):
        verify_checkpoint(twice.to_bytes(), KEYS)


def test_a_log_may_change_its_key() -> None:
    newer = SigningKey(ORIGIN, STRANGER.seed)
    keys = replace(KEYS, log=(LOG.verifier, newer.verifier))
    assert verify_checkpoint(signed(checkpoint(), log=newer).to_bytes(), keys).signed_by == (newer.verifier,)
    both = verify_checkpoint(signed(checkpoint()).sign(newer).to_bytes(), keys)
    assert set(both.signed_by) == {LOG.verifier, newer.verifier}


def test_keys_that_count_twice_or_cannot_suffice_are_refused() -> None:
    witness = WITNESSES[0]
    renamed = SigningKey("other.example", witness.seed, KeyType.COSIGNATURE)
    log_as_witness = SigningKey(ORIGIN, LOG.seed, KeyType.COSIGNATURE)
    for log, witnesses, quorum in (
        ((), (), 0),
        ((witness,), (), 0),
        ((LOG,), (STRANGER,), 0),
        ((LOG,), (witness, renamed), 0),
        ((LOG,), (witness, witness), 0),
        ((LOG,), (log_as_witness,), 0),
        ((LOG,), (witness,), 2),
        ((LOG,), (witness,), -1),
    ):
        with pytest.raises(TlogError):
            Keys(ORIGIN, tuple(k.verifier for k in log), tuple(k.verifier for k in witnesses), quorum)

"""Keys and signed notes: the examples of C2SP and of Go, and every way in which one is not one."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rlsguard.tlog import KeyType, Note, Signature, SigningKey, TlogError, VerifierKey
from rlsguard.tlog.text import encode_base64
from tlog.signing import LOG, STRANGER, TIME, WITNESSES, checkpoint, signed

# signed-note, "Example".
C2SP_KEY = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k"
C2SP_NOTE = (
    "This is an example message.\n\n\u2014 example.com/foo"
    " Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=\n"
)
# golang.org/x/mod/sumdb/note, its documentation.
GO_PRIVATE = "PRIVATE+KEY+PeterNeumann+c74f20a3+AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz"
GO_KEY = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
GO_NOTE = (
    "If you think cryptography is the answer to your problem,\n"
    "then you don't know what your problem is.\n\n"
    "\u2014 PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n"
)
# sum.golang.org, as tlog-checkpoint and Go's documentation have its key.
SUMDB_KEY = "sum.golang.org+033de0ae+Ac4zctda0e5eza+HJyk9SxEdh+s3Ux18htTTAD8OuAn8"

names = st.text(st.characters(exclude_categories=("Cs", "Cc", "Zs", "Zl", "Zp"), exclude_characters="+"), min_size=1)
seeds = st.binary(min_size=32, max_size=32)
types = st.sampled_from(KeyType)
texts = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="".join(map(chr, range(32)))))
bodies = st.lists(texts, min_size=1, max_size=5).map(lambda lines: "".join(f"{line}\n" for line in lines))


@pytest.mark.parametrize(("vkey", "note"), [(C2SP_KEY, C2SP_NOTE), (GO_KEY, GO_NOTE)])
def test_published_notes(vkey: str, note: str) -> None:
    key, parsed = VerifierKey.parse(vkey), Note.parse(note.encode())
    assert str(key) == vkey
    assert parsed.to_bytes() == note.encode()
    assert [v.key for v in parsed.verify([key])] == [key]
    with pytest.raises(TlogError, match="is wrong"):
        Note(parsed.text + "more\n", parsed.signatures).verify([key])


def test_a_private_key_of_go_signs_what_go_signed() -> None:
    key = SigningKey.parse(GO_PRIVATE)
    assert (key.reveal(), str(key.verifier)) == (GO_PRIVATE, GO_KEY)
    assert Note(Note.parse(GO_NOTE.encode()).text).sign(key).to_bytes() == GO_NOTE.encode()


def test_a_published_key() -> None:
    assert VerifierKey.parse(SUMDB_KEY).key_id.hex() == "033de0ae"


@given(names, seeds, types)
def test_keys_as_text(name: str, seed: bytes, type_: KeyType) -> None:
    key = SigningKey(name, seed, type_)
    assert SigningKey.parse(key.reveal()) == key
    assert VerifierKey.parse(str(key.verifier)) == key.verifier
    assert encode_base64(seed)[:40] not in repr(key)
    assert repr(seed) not in repr(key)


def test_new_keys_differ() -> None:
    one, other = SigningKey.generate("log.example"), SigningKey.generate("log.example")
    assert one.seed != other.seed
    assert one.type is KeyType.ED25519


@pytest.mark.parametrize(
    "text",
    [
        "",
        "example.com/foo",
        "example.com/foo+530d903a",
        C2SP_KEY.upper(),
        C2SP_KEY.replace("530d903a", "530D903A"),
        C2SP_KEY.replace("530d903a", "530d903b"),
        C2SP_KEY.replace("example.com/foo", "example.com/fo"),
        C2SP_KEY.replace("example.com/foo", ""),
        C2SP_KEY.replace("example.com/foo", "example.com /foo"),
        C2SP_KEY.replace("example.com/foo", "example.com\u2003foo"),
        C2SP_KEY + "\n",
        C2SP_KEY[:-4],
        C2SP_KEY + "AAAA",
        C2SP_KEY.replace("AekyeR", "AukyeR"),
        "example.com/foo+530d903a+",
        "example.com/foo+530d903a+Aek yeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k",
    ],
)
def test_what_is_no_verifier_key(text: str) -> None:
    with pytest.raises(TlogError):
        VerifierKey.parse(text)


def test_other_types_of_keys_are_named() -> None:
    with pytest.raises(TlogError, match="0x02"):
        VerifierKey.parse("example.com/foo+530d903a+" + encode_base64(b"\x02" + bytes(32)))


@pytest.mark.parametrize("change", [lambda k: k[:-4], lambda k: k.replace("c74f20a3", "c74f20a4"), lambda k: k[8:]])
def test_a_wrong_private_key_is_not_quoted(change: object) -> None:
    assert callable(change)
    with pytest.raises(TlogError) as caught:
        SigningKey.parse(change(GO_PRIVATE))
    assert "AYEKFALV" not in str(caught.value)


@given(bodies, st.lists(st.tuples(names, seeds, types), min_size=1, max_size=4, unique_by=lambda t: t[1]))
def test_notes_as_text(body: str, keys: list[tuple[str, bytes, KeyType]]) -> None:
    note = Note(body)
    signers = [SigningKey(*each) for each in keys]
    for signer in signers:
        note = note.sign(signer, TIME if signer.type is KeyType.COSIGNATURE else None)
    assert Note.parse(note.to_bytes()) == note
    for signer in signers:
        (verified,) = note.verify([signer.verifier])
        assert verified.time == (TIME if signer.type is KeyType.COSIGNATURE else None)
        with pytest.raises(TlogError):
            Note(body + "more\n", note.signatures).verify([signer.verifier])


LINE = str(Note("text\n").sign(LOG).signatures[0])


@pytest.mark.parametrize(
    "data",
    [
        "",
        "text\n",
        "text\n\n",
        f"text\n{LINE}\n",
        f"text\n\n{LINE}",
        f"text\n\n{LINE}\n\n",
        f"text\n\n{LINE}\n{LINE}\n ",
        f"te\txt\n\n{LINE}\n",
        f"te\rxt\n\n{LINE}\n",
        f"text\n\n{LINE}\r\n",
        f"te\0xt\n\n{LINE}\n",
        f"text\n\nmore\n{LINE}\n",
        f"text\n\n- {LINE[2:]}\n",
        f"text\n\n\u2014{LINE[2:]}\n",
        f"text\n\n{LINE} \n",
        f"text\n\n{LINE.replace(' bank', '  bank')}\n",
        f"text\n\n{LINE.replace('bank', 'ba+nk')}\n",
        "text\n\n" + LINE.replace("bank", "ba\u00a0nk") + "\n",
        f"text\n\n{LINE[:-1]}\n",
        f"text\n\n{LINE[:-2]}+=\n",
        "text\n\n\u2014 name AAAAAA==\n",
        "text\n\n\u2014 name \n",
        "text\n\n\u2014 name\n",
        f"text\n\n{LINE}\n" + f"{LINE}\n" * 100,
    ],
)  # fmt: skip
def test_what_is_no_note(data: str) -> None:
    assert Note.parse(f"text\n\n{LINE}\n".encode()).verify([LOG.verifier])
    with pytest.raises(TlogError):
        Note.parse(data.encode())


def test_other_bytes_and_sizes_are_no_note() -> None:
    for data in (b"te\xffxt\n\n%b\n" % LINE.encode(), b"te\xed\xa0\x80xt\n\n%b\n" % LINE.encode()):
        with pytest.raises(TlogError, match="UTF-8"):
            Note.parse(data)
    with pytest.raises(TlogError, match="allowed"):
        Note.parse(b"x" * 2**20 + f"\n\n{LINE}\n".encode())


def test_a_hundred_signatures_are_read() -> None:
    note = Note.parse(("text\n\n" + f"{LINE}\n" * 100).encode())
    assert len(note.verify([LOG.verifier])) == 1


def test_an_empty_line_belongs_to_the_text_unless_it_is_the_last() -> None:
    note = Note("one\n\ntwo\n\n\n").sign(LOG)
    assert Note.parse(note.to_bytes()) == note
    assert note.verify([LOG.verifier])


def test_what_cannot_be_a_note_is_not_written() -> None:
    for note in (
        Note("text\n"),
        *(Note(text, signed(checkpoint()).signatures) for text in ("", "text", "a\tb\n", "\ud800\n")),
    ):
        with pytest.raises(TlogError):
            note.to_bytes()


def test_signatures_by_others_are_passed_over() -> None:
    note = Note("text\n").sign(LOG).sign(STRANGER)
    assert [v.key for v in note.verify([LOG.verifier])] == [LOG.verifier]
    assert note.verify([]) == ()
    # The same name and another key, and the same id under another name: both are others.
    (signature, _) = note.signatures
    for other in (Signature(signature.name, b"abcd", b"junk"), Signature("other", signature.key_id, b"junk")):
        assert len(note.with_signature(other).verify([LOG.verifier])) == 1


def test_one_wrong_signature_by_a_known_key_spoils_the_note() -> None:
    good = Note("text\n").sign(LOG).sign(STRANGER)
    wrong = Note("other\n").sign(STRANGER).signatures[0]
    for signatures in ((*good.signatures, wrong), (wrong, *good.signatures)):
        with pytest.raises(TlogError, match="is wrong"):
            Note("text\n", signatures).verify([LOG.verifier, STRANGER.verifier])
    assert Note("text\n", (*good.signatures, wrong)).verify([LOG.verifier])


def test_keys_that_cannot_be_told_apart_are_refused() -> None:
    class Alike(VerifierKey):
        key_id = LOG.verifier.key_id

    with pytest.raises(TlogError, match="two keys"):
        Note("text\n").sign(LOG).verify([LOG.verifier, Alike(LOG.name, bytes(32))])


def test_a_new_signature_takes_the_place_of_the_same_keys() -> None:
    note = signed(checkpoint())
    again = note.sign(WITNESSES[0], TIME + 99)
    assert len(again.signatures) == len(note.signatures)
    assert {v.time for v in again.verify([WITNESSES[0].verifier])} == {TIME + 99}


def test_a_cosignature_covers_its_time() -> None:
    text = str(checkpoint()).encode()
    witness = WITNESSES[0]
    value = witness.sign(text, TIME)
    assert witness.verifier.verify(text, value) == TIME
    # tlog-cosignature, "Ed25519 signed message": the same bytes, signed as they are.
    plain = SigningKey(witness.name, witness.seed)
    assert value == TIME.to_bytes(8, "big") + plain.sign(b"cosignature/v1\ntime 1764000000\n" + text)
    for wrong in (
        (TIME + 1).to_bytes(8, "big") + value[8:],
        bytes(8) + value[8:],
        b"\xff" * 8 + value[8:],
        value[8:],
        value + b"\0",
        value[:-1] + bytes([value[-1] ^ 1]),
        b"",
    ):
        with pytest.raises(TlogError):
            witness.verifier.verify(text, wrong)
    with pytest.raises(TlogError):
        plain.verifier.verify(text, value)
    for time in (None, 0, -1, 2**63):
        with pytest.raises(TlogError):
            witness.sign(text, time)
    with pytest.raises(TlogError):
        LOG.sign(text, TIME)


def test_keys_of_other_lengths_and_names_are_refused() -> None:
    for make in (VerifierKey, SigningKey):
        for name, material in (
            ("x", b""),
            ("x", bytes(31)),
            ("", bytes(32)),
            ("a b", bytes(32)),
            ("\ud800", bytes(32)),
        ):
            with pytest.raises(TlogError):
                make(name, material)

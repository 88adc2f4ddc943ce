"""Witnesses: a log is cosigned as it grows, and nothing that one answers is taken on trust."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace

import pytest

from rlsguard.tlog import (
    Checkpoint,
    Keys,
    KeyType,
    Note,
    SizeConflictError,
    TlogError,
    Witness,
    WitnessError,
    add_checkpoint,
    consistency_proof,
    cosign,
    verify_checkpoint,
)
from tlog.signing import KEYS, LOG, ORIGIN, STORE, STRANGER, TIME, WITNESSES, checkpoint, key, signed
from tlog.trees import LEAVES, Store
from tlog.witnessing import SIZE_TYPE, Answer, TestWitness, serving

KEY = WITNESSES[0]


@pytest.fixture(autouse=True)
def _direct(monkeypatch: pytest.MonkeyPatch) -> None:
    """A proxy that the environment names has no way to this machine's own ports."""
    monkeypatch.setenv("no_proxy", "*")


def note(size: int) -> Note:
    return signed(checkpoint(size), witnesses=())


def prove(size: int) -> Callable[[int], tuple[bytes, ...]]:
    return lambda old: consistency_proof(old, size, STORE.nodes(size))


def refused(*answers: Answer) -> WitnessError:
    left = iter(answers)
    with serving(lambda body: next(left), KEY.verifier) as witness, pytest.raises(WitnessError) as caught:
        cosign(witness, note(300), prove(300), timeout=2)
    assert str(caught.value).isprintable()
    assert KEY.name in str(caught.value)
    return caught.value


def test_a_log_is_cosigned_as_it_grows() -> None:
    server = TestWitness(KEY, {ORIGIN: LOG.verifier})
    with serving(server.add_checkpoint, KEY.verifier) as witness:
        old = 0
        for size in (1, 7, 8, 8, 256, 300):
            verified = cosign(witness, note(size), prove(size), old_size=old)
            assert (verified.key, verified.time) == (KEY.verifier, TIME)
            old = size
            cosigned = note(size).with_signature(verified.signature)
            keys = Keys(ORIGIN, (LOG.verifier,), (KEY.verifier,), quorum=1)
            assert [c.witness for c in verify_checkpoint(cosigned.to_bytes(), keys).cosigned] == [KEY.name]
    assert len(server.requests) == 6  # without one that asked in vain


def test_the_request_is_as_specified() -> None:
    server = TestWitness(KEY, {ORIGIN: LOG.verifier})
    with serving(server.add_checkpoint, KEY.verifier) as witness:
        cosign(witness, note(6), prove(6))
        cosign(replace(witness, url=witness.url + "/"), note(8), prove(8), old_size=6)
    first, second = server.requests
    assert first == b"old 0\n\n" + note(6).to_bytes()
    head, _, rest = second.partition(b"\n\n")
    assert rest == note(8).to_bytes()
    assert head.startswith(b"old 6\n")
    assert len(head.split(b"\n")) == 1 + len(prove(8)(6))


def test_whatever_was_cosigned_last_is_found_out() -> None:
    server = TestWitness(KEY, {ORIGIN: LOG.verifier})
    with serving(server.add_checkpoint, KEY.verifier) as witness:
        cosign(witness, note(100), prove(100))
        with pytest.raises(SizeConflictError) as caught:
            add_checkpoint(witness, 0, (), note(300))
        assert (caught.value.size, caught.value.status) == (100, 409)
        assert cosign(witness, note(300), prove(300)).key == KEY.verifier
        with pytest.raises(WitnessError, match="has cosigned 300 leaves already"):
            cosign(witness, note(200), prove(200))
    assert server.seen[ORIGIN].size == 300


def test_a_rewritten_log_is_not_cosigned() -> None:
    server = TestWitness(KEY, {ORIGIN: LOG.verifier})
    other = Store(LEAVES[:300])
    rewritten = signed(Checkpoint(ORIGIN, 300, other.frontier.root()), witnesses=())
    with serving(server.add_checkpoint, KEY.verifier) as witness:
        cosign(witness, note(100), prove(100))
        with pytest.raises(WitnessError, match="inconsistent") as caught:
            cosign(witness, rewritten, lambda old: consistency_proof(old, 300, other.nodes(300)))
        assert caught.value.status == 422


def test_refusals_say_which() -> None:
    server = TestWitness(KEY, {ORIGIN: LOG.verifier})
    with serving(server.add_checkpoint, KEY.verifier) as witness:
        for wrong, status in (
            (signed(checkpoint(300), log=STRANGER, witnesses=()), 403),
            (signed(checkpoint(300, origin="other.example"), witnesses=()), 404),
        ):
            with pytest.raises(WitnessError) as caught:
                cosign(witness, wrong, prove(300))
            assert caught.value.status == status
        with pytest.raises(WitnessError) as caught:
            add_checkpoint(replace(witness, url=witness.url + "/more"), 0, (), note(300))
        assert caught.value.status == 404
        with pytest.raises(WitnessError) as caught:
            add_checkpoint(witness, 301, (), note(300))
        assert caught.value.status == 400


COSIGNED = note(300).sign(KEY, TIME).signatures[-1]
OTHERS = note(300).sign(WITNESSES[1], TIME).signatures[-1]


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (f"{OTHERS}\n", "by other keys only"),
        (f"{note(300).signatures[0]}\n", "by other keys only"),
        (f"{note(299).sign(KEY, TIME).signatures[-1]}\n", "is wrong"),
        (f"{COSIGNED}", "no cosignature"),
        ("", "no cosignature"),
        ("\n", "no cosignature"),
        ("OK\n", "no cosignature"),
        (f"{COSIGNED}\n\n", "no cosignature"),
        (f"{OTHERS}\n" * 101, "101 signatures"),
        ("\udcff\n", "not UTF-8"),
        ("<html>\x1b[31m</html>\n", "no cosignature"),
        ("x" * 2_000_000, "more than"),
    ],
)
def test_an_answer_without_its_cosignature_is_none(body: str, why: str) -> None:
    assert why in str(refused(Answer(200, body.encode("utf-8", "surrogateescape"))))


def test_other_signatures_may_come_along() -> None:
    with serving(lambda body: Answer(200, f"{OTHERS}\n{COSIGNED}\n".encode()), KEY.verifier) as witness:
        assert cosign(witness, note(300), prove(300)).signature == COSIGNED


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (Answer(409, b"100\n"), "HTTP status 409"),
        (Answer(409, b"100", SIZE_TYPE), "no size"),
        (Answer(409, b"100\n\n", SIZE_TYPE), "no size"),
        (Answer(409, b"0100\n", SIZE_TYPE), "no size"),
        (Answer(409, b"-1\n", SIZE_TYPE), "no size"),
        (Answer(409, b"\xff\n", SIZE_TYPE), "no size"),
        (Answer(409, b"9223372036854775808\n", SIZE_TYPE), "no size"),
        (Answer(409, b"9" * 100_000 + b"\n", SIZE_TYPE), "no size"),
        (Answer(409, b"301\n", SIZE_TYPE), "301 leaves already"),
        (Answer(500, b"\x1b[31moops"), "HTTP status 500"),
        (Answer(204), "HTTP status 204"),
    ],
)
def test_other_answers_are_refusals(answer: Answer, why: str) -> None:
    assert why in str(refused(answer))


def test_a_size_that_keeps_changing_is_not_followed() -> None:
    said = refused(Answer(409, b"100\n", SIZE_TYPE), Answer(409, b"200\n", SIZE_TYPE))
    assert isinstance(said, SizeConflictError)
    assert said.size == 200


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirects_are_not_followed(status: int) -> None:
    server = TestWitness(KEY, {ORIGIN: LOG.verifier})
    with serving(server.add_checkpoint, KEY.verifier) as target:
        location = (("Location", f"{target.url}/add-checkpoint"),)
        assert refused(Answer(status, headers=location)).status == status
    assert server.requests == []


@contextmanager
def saying(speak: Callable[[socket.socket], None]) -> Iterator[Witness]:
    """Serve one connection by hand."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def run() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(65536)
                with suppress(OSError):  # the client has had enough
                    speak(connection)

        thread = threading.Thread(target=run)
        thread.start()
        yield Witness(f"http://127.0.0.1:{server.getsockname()[1]}", KEY.verifier)
        thread.join(10)
        assert not thread.is_alive()


def drip(connection: socket.socket) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
    for _ in range(100):
        connection.sendall(b"x")
        time.sleep(0.05)


@pytest.mark.parametrize(
    "speak",
    [
        lambda c: None,
        lambda c: c.sendall(b"SSH-2.0-OpenSSH\r\n"),
        lambda c: c.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nshort"),
        lambda c: c.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"),
        lambda c: c.sendall(b"HTTP/1.1 999999 OK\r\n\r\n"),
        lambda c: c.sendall(b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 200 + b"\r\n"),
        lambda c: time.sleep(0.6),
        drip,
    ],
    ids=["nothing", "ssh", "short", "chunks", "status", "headers", "late", "drip"],
)
def test_what_is_no_http_or_takes_too_long(speak: Callable[[socket.socket], None]) -> None:
    with saying(speak) as witness, pytest.raises(WitnessError):
        add_checkpoint(witness, 0, (), note(300), timeout=0.3)


def test_a_witness_that_is_not_there() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    with pytest.raises(WitnessError, match="cannot be reached") as caught:
        add_checkpoint(Witness(f"http://127.0.0.1:{port}", KEY.verifier), 0, (), note(300), timeout=1)
    assert caught.value.status is None


@pytest.mark.parametrize(
    "url",
    ["", "witness.example", "file:///etc/passwd", "ftp://witness.example", "http://", "https:///x", "http://[::1",
     "http://witness.example/a b", "http://witness.example/\n", "http://witness.example/?x", "http://w/#x", "http://\u00e9"],
)  # fmt: skip
def test_what_is_no_url(url: str) -> None:
    assert Witness("https://witness.example/prefix", KEY.verifier)
    with pytest.raises(TlogError):
        Witness(url, KEY.verifier)


def test_a_key_that_signs_notes_is_no_witness() -> None:
    with pytest.raises(TlogError, match="0x04"):
        Witness("https://witness.example", LOG.verifier)


def test_a_note_without_a_signature_is_not_sent() -> None:
    with pytest.raises(TlogError, match="without a signature"):
        add_checkpoint(Witness("http://127.0.0.1:1", KEY.verifier), 0, (), Note(str(checkpoint())))
    with pytest.raises(TlogError, match="64 hashes"):
        add_checkpoint(Witness("http://127.0.0.1:1", KEY.verifier), 1, (bytes(32),) * 64, note(300))


def test_a_quorum_of_witnesses() -> None:
    """The whole way: three witnesses, each at another size, and a checkpoint that two of them must have seen."""
    servers = [TestWitness(witness, {ORIGIN: LOG.verifier}) for witness in WITNESSES]
    final = note(300)
    for place, server in enumerate(servers):
        with serving(server.add_checkpoint, server.key.verifier) as witness:
            if place:
                cosign(witness, note(10 * place), prove(10 * place))
            final = final.with_signature(cosign(witness, note(300), prove(300)).signature)
    assert len(verify_checkpoint(final.to_bytes(), KEYS).cosigned) == 3
    impostor = key("impostor", KeyType.COSIGNATURE)
    server = TestWitness(impostor, {ORIGIN: LOG.verifier})
    with serving(server.add_checkpoint, KEY.verifier) as witness, pytest.raises(WitnessError, match="other keys"):
        cosign(witness, note(300), prove(300))

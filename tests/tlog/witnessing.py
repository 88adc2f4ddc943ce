"""A small witness for the tests: https://c2sp.org/tlog-witness, "add-checkpoint"; it remembers in memory."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from rlsguard.tlog import (
    EMPTY_ROOT,
    Checkpoint,
    Note,
    SigningKey,
    TlogError,
    VerifierKey,
    Witness,
    verify_consistency,
)
from rlsguard.tlog.text import decode_decimal, decode_hash
from tlog.signing import TIME

SIZE_TYPE = "text/x.tlog.size"


@dataclass(frozen=True)
class Answer:
    status: int
    body: bytes = b""
    type: str = "text/plain"
    headers: tuple[tuple[str, str], ...] = ()


@dataclass
class TestWitness:
    """A witness of the logs in *logs*: origin -> the key that it trusts."""

    __test__ = False  # it is no test, for all its name

    key: SigningKey
    logs: dict[str, VerifierKey]
    seen: dict[str, Checkpoint] = field(default_factory=dict)
    requests: list[bytes] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def add_checkpoint(self, body: bytes) -> Answer:
        with self.lock:
            self.requests.append(body)
            return self._add_checkpoint(body)

    def _add_checkpoint(self, body: bytes) -> Answer:
        try:
            head, _, rest = body.partition(b"\n\n")
            first, *lines = head.decode().split("\n")
            assert first.startswith("old ")
            old = decode_decimal(first.removeprefix("old "), "old size")
            proof = [decode_hash(line, "a hash") for line in lines]
            note = Note.parse(rest)
            checkpoint = Checkpoint.parse(note.text)
            assert len(proof) <= 63
            assert old <= checkpoint.size
        except (TlogError, AssertionError, UnicodeDecodeError):
            return Answer(400, b"malformed")
        if checkpoint.origin not in self.logs:
            return Answer(404, b"unknown log")
        try:
            trusted = note.verify([self.logs[checkpoint.origin]])
        except TlogError:
            trusted = ()
        if not trusted:
            return Answer(403, b"no signature")
        before = self.seen.get(checkpoint.origin, Checkpoint(checkpoint.origin, 0, EMPTY_ROOT))
        if before.size != old:
            return Answer(409, f"{before.size}\n".encode(), SIZE_TYPE)
        try:
            verify_consistency(old, before.root, checkpoint.size, checkpoint.root, proof)
        except TlogError:
            return Answer(422, b"inconsistent")
        self.seen[checkpoint.origin] = checkpoint
        return Answer(200, f"{note.sign(self.key, TIME).signatures[-1]}\n".encode())


@contextmanager
def serving(answer: Callable[[bytes], Answer], key: VerifierKey) -> Iterator[Witness]:
    """Serve POST /prefix/add-checkpoint on a port of this machine."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            said = answer(body) if self.path == "/prefix/add-checkpoint" else Answer(404, self.path.encode())
            self.send_response(said.status)
            self.send_header("Content-Type", said.type)
            self.send_header("Content-Length", str(len(said.body)))
            for name, value in said.headers:
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(said.body)

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield Witness(f"http://127.0.0.1:{server.server_port}/prefix", key)
    finally:
        server.shutdown()
        thread.join()
        server.server_close()

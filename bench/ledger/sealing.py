"""How fast entries are sealed and verified, and what of that is hashing."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from bench.ledger.audits import RLSGUARD
from bench.ledger.hashing import hash_alone
from bench.ledger.recording import batch, one_by_one
from bench.ledger.scene import Scene
from bench.measure import take_turns, timed
from bench.variants import Connection
from rlsguard import seal
from rlsguard.seal.places import Folder
from rlsguard.server import SUPERUSER
from rlsguard.sqlfiles import read
from rlsguard.tlog import SigningKey

# The rest of the entries are row changes, which are recorded faster.
_OPT_OUTS = 10_000
_PAYLOADS = f"SELECT octet_length(e.payload), count(*) FROM ({read('seal/leaves.sql')}) AS e GROUP BY 1"


@dataclass(frozen=True)
class Sealing:
    """Seconds that things take with so many entries.

    Attributes:
        verifying: of the whole process of `rlsguard ledger verify`.
        memory: bytes that this process took at most.
        hashing: of hashing as many bytes, and the tree, with nothing around it.
        one_more: of sealing, signing and publishing one entry more.
        receipt: of making one.
    """

    major: int
    entries: int
    sealing: float
    verifying: float
    memory: int
    hashing: float
    one_more: float
    receipt: float


def measure(scene: Scene, entries: int, say: Callable[[str], None]) -> Sealing:
    """Record *entries* entries, seal them and verify them."""
    key = SigningKey.generate("bench.example/log")
    with tempfile.TemporaryDirectory() as folder, scene.copy(RLSGUARD) as name:
        place = Folder(Path(folder))
        _fill(scene, name, entries, say)
        say(f"PostgreSQL {scene.major}: sealing and verifying")
        with scene.connect(name, "sealer") as conn:
            start = time.perf_counter()
            head = seal.seal(conn)
            sealing = time.perf_counter() - start
            seal.publish(conn, key, [place])
        memory: list[int] = []
        verify = partial(_verify, scene.server.dsn(name, "auditor"), key, place.path, head.size, memory)
        verifying = take_turns({"": verify})[""]
        with scene.connect(name, SUPERUSER) as conn:
            payloads = dict(conn.execute(_PAYLOADS.encode(), [head.epoch]).fetchall())
        hashing = hash_alone(payloads)
        with scene.connect(name, "desk") as desk, scene.connect(name, "sealer") as conn:
            one_more = take_turns({"": lambda: _one_more(desk, conn, key, place)})[""]
        with scene.connect(name, "auditor") as conn:
            receipt = take_turns({"": lambda: timed(lambda: seal.receipt(conn, 1))})[""]
    return Sealing(scene.major, head.size, sealing, verifying, max(memory), hashing, one_more, receipt)


def _fill(scene: Scene, name: str, entries: int, say: Callable[[str], None]) -> None:
    opt_outs = min(entries, _OPT_OUTS)
    say(f"PostgreSQL {scene.major}: recording {opt_outs:,} opt-outs and {entries - opt_outs:,} row changes")
    with scene.connect(name, "desk") as conn:
        batch(conn, opt_outs)
    with scene.connect(name) as conn:
        conn.execute(f"CALL bank.update_one_by_one({entries - opt_outs})".encode())
    with scene.connect(name, SUPERUSER) as conn:
        conn.execute("VACUUM (ANALYZE)")


def _one_more(desk: Connection, conn: Connection, key: SigningKey, place: Folder) -> float:
    one_by_one(desk, 1)
    return timed(lambda: seal.publish(conn, key, [place]))


def _verify(dsn: str, key: SigningKey, folder: Path, entries: int, memory: list[int]) -> float:
    """Run `rlsguard ledger verify`; return its seconds, and add to *memory* the most bytes of it that it took."""
    command = [sys.executable, "-m", "bench.ledger.peak", "ledger", "verify", "--format", "json", "--dsn", dsn]
    command += ["--key", str(key.verifier), "--publish", str(folder)]
    start = time.perf_counter()
    answer = subprocess.run(command, capture_output=True, text=True)
    seconds = time.perf_counter() - start
    if answer.returncode or json.loads(answer.stdout)["covered"] != entries:
        raise RuntimeError(f"the log does not verify: {answer.stdout}{answer.stderr}")
    memory.append(int(answer.stderr))
    return seconds

"""`python -m bench.chaos`: sealers are killed and the server crashes under load, and the log misses nothing."""

from __future__ import annotations

import contextlib
import itertools
import multiprocessing
import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click
import psycopg

from rlsguard import apply as applying
from rlsguard import datamap, seal
from rlsguard.problems import RlsguardError
from rlsguard.seal.places import Folder
from rlsguard.server import Server, find_binaries, start
from rlsguard.tlog import SigningKey

_MAP = """
version: 1
subjects:
  person: {table: chaos.person, key: id}
purposes:
  marketing: {}
roles: {}
tables:
  chaos.person: {holds: [personal], audit: true, subject: {person: id}}
"""
# Somebody opts out, or a row of theirs is changed.
_STATEMENTS = (
    "SELECT FROM rlsguard.opt_out('person', %s, '{marketing}', 'chaos', 'because')",
    "INSERT INTO chaos.person VALUES (%s)",
)
_ENTRIES = """
SELECT e.person, count(l.entry)
FROM (
    SELECT 'opt_out_event', o.id, o.subject_key FROM rlsguard.opt_out_event AS o
    UNION ALL
    SELECT 'change_entry', c.id, c.new_row ->> 'id' FROM rlsguard.change_event AS c
) AS e (source, id, person)
LEFT JOIN rlsguard.log_leaf AS l ON l.source = e.source AND l.entry = e.id
GROUP BY e.source, e.id, e.person
"""
# What a client was told is committed must outlast a crash, or nothing could be asked of the log.
_SETTINGS = {"synchronous_commit": "on"}
_NAME = "chaos.example/log"


@dataclass
class Fates:
    """What became of the people whom writers recorded, as far as the writers were told."""

    committed: set[str] = field(default_factory=set)
    rolled_back: set[str] = field(default_factory=set)
    unknown: set[str] = field(default_factory=set)


@dataclass
class Chaos:
    """A server with a ledger under load, the folder it is published in, and what was seen of it."""

    server: Server
    key: SigningKey
    place: Folder
    fates: Fates = field(default_factory=Fates)
    people: Iterator[int] = field(default_factory=lambda: itertools.count(1))
    stop: threading.Event = field(default_factory=threading.Event)
    leaves: list[tuple[str, int]] = field(default_factory=list)
    found: Counter[str] = field(default_factory=Counter)
    problems: list[str] = field(default_factory=list)

    @contextlib.contextmanager
    def load(self, writers: int) -> Iterator[None]:
        """Let writers record."""
        threads = [threading.Thread(target=self._write, args=(random.Random(n),)) for n in range(writers)]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            self.stop.set()
            for thread in threads:
                thread.join()

    def _write(self, rng: random.Random) -> None:
        while not self.stop.is_set():
            # The server comes and goes.
            with contextlib.suppress(psycopg.Error), psycopg.connect(self.server.dsn()) as conn:
                while not self.stop.is_set():
                    self._transaction(conn, rng)
            self.stop.wait(0.02)

    def _transaction(self, conn: psycopg.Connection[Any], rng: random.Random) -> None:
        kept: list[str] = []
        fate = self.fates.rolled_back
        try:
            for _ in range(rng.randint(1, 3)):
                person = str(next(self.people))
                if rng.random() < 0.1:
                    with conn.transaction(force_rollback=True):
                        conn.execute(rng.choice(_STATEMENTS), [person])
                    self.fates.rolled_back.add(person)
                else:
                    kept.append(person)
                    conn.execute(rng.choice(_STATEMENTS), [person])
                # Transactions overlap, and end in another order than they began in.
                time.sleep(rng.choice([0, 0.01, 0.03, 0.1]))
            if rng.random() < 0.1:
                conn.rollback()
                return
            # From here on a crash leaves us without an answer.
            fate = self.fates.unknown
            conn.commit()
            fate = self.fates.committed
        finally:
            fate.update(kept)

    def kill(self, rng: random.Random) -> None:
        """Kill a sealer at some point."""
        with self._sealer(rng):
            pass
        with psycopg.connect(self.server.dsn()) as conn:
            sealed, kept = conn.execute(
                "SELECT (SELECT max(size) FROM rlsguard.log_seal), (SELECT max(size) FROM rlsguard.log_checkpoint)"
            ).fetchall()[0]
        published = max((int(file.name) for file in self.place._of(_NAME).glob("0*/0*")), default=0)
        self.found[
            "before what was sealed was published" if published < sealed else
            "before what was published was kept" if kept < published else
            "at some other point"
        ] += 1  # fmt: skip
        self.check()

    def crash(self, rng: random.Random) -> None:
        """Let the server crash under a sealer, and come back."""
        with self._sealer(rng):
            self._control("stop", "-m", "immediate")
            self._control("start", "-l", "/dev/null")
            time.sleep(rng.uniform(0, 0.3))
        self.check()

    @contextlib.contextmanager
    def _sealer(self, rng: random.Random) -> Iterator[None]:
        given = (self.server.dsn(), self.key.reveal(), self.place.path)
        # Processes that begin with all modules at hand: most of what is killed is at work then.
        sealer = multiprocessing.get_context("forkserver").Process(target=_seal, args=given)
        sealer.start()
        try:
            time.sleep(rng.uniform(0, 0.3))
            yield
        finally:
            # Unless it has ended by itself, which is a refusal to sign.
            if sealer.exitcode is not None:
                self.problems.append(f"a sealer ended by itself: exit code {sealer.exitcode}")
            sealer.kill()
            sealer.join()

    def _control(self, *arguments: str) -> None:
        data = self.server.data
        command = [str(self.server.bindir / "pg_ctl"), "-D", str(data), "-s", "-w", *arguments]
        if arguments[0] == "start":
            command += ["-o", f"-p {self.server.port}"]
        owner = data.stat().st_uid
        subprocess.run(command, check=True, cwd=data, user=owner if owner != os.geteuid() else None)

    def check(self) -> None:
        """Verify the log; what it had is still there, in the same order."""
        with psycopg.connect(self.server.dsn(), autocommit=True) as conn:
            verdict = seal.verify(conn, self.key.verifier, [self.place])
            leaves = conn.execute("SELECT source, entry FROM rlsguard.log_leaf ORDER BY epoch, index").fetchall()
        self.found["verified"] += 1
        self.problems += map(str, (*verdict.lost, *verdict.wrong))
        if leaves[: len(self.leaves)] != self.leaves:
            self.problems.append("the order of the log has changed")
        self.leaves = leaves

    def end(self) -> None:
        """Seal what is left, and hold the log against what writers were told."""
        with psycopg.connect(self.server.dsn(), autocommit=True) as conn:
            seal.publish(conn, self.key, [self.place])
            rows = conn.execute(_ENTRIES).fetchall()
        self.check()
        people = Counter(person for person, _ in rows)
        fates = self.fates
        for what, wrong in {
            "committed, and not in the ledger once": {p for p in fates.committed if people[p] != 1},
            "rolled back, and in the ledger": {p for p in fates.rolled_back if people[p]},
            "in the ledger, and not in the log once": {p for p, times in rows if times != 1},
            "in the ledger, and recorded by nobody": people.keys() - fates.committed - fates.unknown,
        }.items():
            if wrong:
                self.problems.append(f"{len(wrong)} entries are {what}, such as of {min(wrong)}")
        self.found["unknown and committed"] = sum(people[p] for p in fates.unknown)

    def tell(self) -> None:
        """Print what was done and found."""
        fates, found = self.fates, self.found
        of_these = f"{found['unknown and committed']:,} of them were committed"
        print(
            f"entries: {len(fates.committed):,} committed, {len(fates.rolled_back):,} rolled back,"
            f" {len(fates.unknown):,} in doubt when the server crashed ({of_these})\n"
            f"log: {len(self.leaves):,} leaves, {sum(1 for _ in self.place.checkpoints(_NAME)):,} checkpoints;"
            f" verified {found['verified']:,} times"
        )
        for problem in dict.fromkeys(self.problems):
            print(f"WRONG  {problem}")
        if not self.problems:
            print("each committed entry is in the log once, nothing else is, and its order never changed")


def _seal(dsn: str, key: str, folder: Path) -> None:
    """Seal and publish without a pause, as long as the server is there."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    while True:
        with contextlib.suppress(psycopg.Error), psycopg.connect(dsn, autocommit=True) as conn:
            while not conn.closed:
                try:
                    seal.publish(conn, SigningKey.parse(key), [Folder(folder)])
                except RlsguardError as error:
                    if not isinstance(error.__cause__, psycopg.OperationalError):
                        print(f"WRONG  {error}", flush=True)
                        sys.exit(3)
        time.sleep(0.01)


@contextlib.contextmanager
def _chaos(bindir: Path) -> Iterator[Chaos]:
    with tempfile.TemporaryDirectory() as folder, start(bindir, settings=_SETTINGS) as server:
        path = Path(folder) / "map.yaml"
        path.write_text(_MAP, encoding="utf-8")
        with psycopg.connect(server.dsn(), autocommit=True) as conn:
            conn.execute("CREATE SCHEMA chaos; CREATE TABLE chaos.person (id int PRIMARY KEY)")
            applying.apply(conn, datamap.load(path))
            chaos = Chaos(server, SigningKey.generate(_NAME), Folder(Path(folder) / "published"))
            seal.publish(conn, chaos.key, [chaos.place])
        try:
            yield chaos
        finally:
            # After a crash it is no longer the one that was started.
            with contextlib.suppress(subprocess.CalledProcessError):
                chaos._control("stop", "-m", "fast")


@click.command(epilog="Example: python -m bench.chaos --kills 200 --crashes 20 --majors 18")
@click.option("--kills", type=click.IntRange(min=0), default=5, show_default=True, help="Sealers to kill.")
@click.option("--crashes", type=click.IntRange(min=0), default=1, show_default=True, help="Crashes of the server.")
@click.option("--writers", type=click.IntRange(min=1), default=4, show_default=True)
@click.option("--major", type=int, help="PostgreSQL major version, by default the newest.")
@click.option("--seed", type=int, default=1, show_default=True)
def main(kills: int, crashes: int, writers: int, major: int | None, seed: int) -> None:
    """Kill sealers and let the server crash at random points under load, and verify the log each time."""
    binaries = find_binaries()
    major = max(binaries) if major is None else major
    if major not in binaries:
        raise click.UsageError(f"PostgreSQL {major} is not on this machine")
    multiprocessing.set_forkserver_preload(["rlsguard.apply", "rlsguard.seal"])
    rng = random.Random(seed)
    began = time.monotonic()
    with _chaos(binaries[major]) as chaos:
        print(f"PostgreSQL {chaos.server.version}, {writers} writers, seed {seed}", flush=True)
        events = [chaos.kill] * kills + [chaos.crash] * crashes
        rng.shuffle(events)
        with chaos.load(writers):
            for event in events:
                event(rng)
        chaos.end()
        points = {what: number for what, number in sorted(chaos.found.items()) if what.startswith(("before", "at"))}
        print(f"sealers killed: {kills}: " + ", ".join(f"{number} {what}" for what, number in points.items()))
        print(f"crashes of the server: {crashes}")
        chaos.tell()
    print(f"{time.monotonic() - began:.0f} s", file=sys.stderr)
    sys.exit(1 if chaos.problems else 0)


if __name__ == "__main__":
    main(prog_name="python -m bench.chaos")

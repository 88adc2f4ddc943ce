"""`python -m bench.locking`: ways to lock a table that is in use, and how long others wait for each."""

from __future__ import annotations

import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import click
import psycopg

from bench.options import installed
from bench.report import heading, row
from rlsguard import datamap
from rlsguard.apply import apply
from rlsguard.server import Server, find_binaries, start

_SQL = Path(__file__).with_name("locking.sql")
_MAP = """
version: 1
subjects: {person: {table: public.person, key: id}}
purposes: {marketing: {}}
roles: {}
tables: {public.person: {holds: [personal], subject: {person: id}}}
"""
_WAYS = {
    "2 s at a time, with pauses that grow": "public.seconds_at_a_time",
    "50 ms at a time, every 0.5 s": "public.moments_at_a_time",
    "NOWAIT, every 50 ms": "public.without_waiting",
    "rlsguard.lock_table": "rlsguard.lock_table",
}
_TOO_LONG = 30


@dataclass(frozen=True)
class Scene:
    """Who uses the table: so many who begin a transaction as soon as they have ended one, at different times."""

    what: str
    clients: int
    seconds: float
    forever: bool = True


_SCENES = (
    Scene("one report, 10 s", 1, 10, forever=False),
    Scene("8 transactions, 30 ms each", 8, 0.03),
    Scene("4 transactions, 150 ms each", 4, 0.15),
    Scene("4 transactions, 1 s each", 4, 1),
)


@dataclass
class _Users:
    dsn: str
    scene: Scene
    stop: threading.Event = field(default_factory=threading.Event)
    waits: list[float] = field(default_factory=list)

    def hold(self, number: int) -> None:
        """Be in a transaction, again and again."""
        with psycopg.connect(self.dsn, autocommit=True) as conn:
            time.sleep(number * self.scene.seconds / self.scene.clients)
            while not self.stop.is_set():
                conn.execute("BEGIN")
                self._look(conn)
                self.stop.wait(self.scene.seconds)
                conn.execute("COMMIT")
                if not self.scene.forever:
                    return

    def look(self) -> None:
        """Look into the table now and then."""
        with psycopg.connect(self.dsn, autocommit=True) as conn:
            while not self.stop.is_set():
                self._look(conn)
                time.sleep(0.005)

    def _look(self, conn: psycopg.Connection[tuple[object, ...]]) -> None:
        began = time.monotonic()
        conn.execute("SELECT FROM person WHERE id = 1")
        self.waits.append(time.monotonic() - began)

    @contextmanager
    def at_work(self) -> Iterator[None]:
        threads = [threading.Thread(target=self.hold, args=(number,)) for number in range(self.scene.clients)]
        threads.append(threading.Thread(target=self.look))
        for thread in threads:
            thread.start()
        time.sleep(0.3 + (self.scene.seconds if self.scene.forever else 0))
        self.waits.clear()
        try:
            yield
        finally:
            self.stop.set()
            for thread in threads:
                thread.join()


@click.command(epilog="Example: python -m bench.locking --major 15")
@click.option("--major", type=int, help="PostgreSQL major version, by default the newest.")
def main(major: int | None) -> None:
    """Measure ways to lock a table that is in use; prints Markdown."""
    major = max(find_binaries()) if major is None else major
    with start(installed([major])[major]) as server, psycopg.connect(server.dsn(), autocommit=True) as conn:
        conn.execute("CREATE TABLE person (id int PRIMARY KEY); INSERT INTO person VALUES (1)")
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "map.yaml"
            path.write_text(_MAP, encoding="utf-8")
            apply(conn, datamap.load(path))
        conn.execute(_SQL.read_text(encoding="utf-8").encode())
        print(f"PostgreSQL {server.version}: seconds to get the lock, and the longest that others waited\n")
        print("\n".join(heading(["in use by", *_WAYS])))
        for scene in _SCENES:
            print(row([scene.what, *(_measured(server, scene, procedure) for procedure in _WAYS.values())]), flush=True)


def _measured(server: Server, scene: Scene, procedure: str) -> str:
    users = _Users(server.dsn(), scene)
    with users.at_work(), psycopg.connect(server.dsn()) as conn:
        conn.execute(f"SET LOCAL lock_timeout = '2s'; SET LOCAL statement_timeout = '{_TOO_LONG}s'".encode())
        began = time.monotonic()
        try:
            conn.execute(f"CALL {procedure}('public.person')".encode())
            took = f"{time.monotonic() - began:.1f} s"
        except psycopg.errors.QueryCanceled:
            took = f"not in {_TOO_LONG} s"
        conn.rollback()
        # Until those are through who waited.
        time.sleep(0.1)
    return f"{took}; {max(users.waits) * 1e3:,.0f} ms"


if __name__ == "__main__":
    main(prog_name="python -m bench.locking")

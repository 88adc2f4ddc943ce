"""What is done under load, one thing after the other: nothing, the migration, its undoing, and an apply of the same."""

from __future__ import annotations

import multiprocessing
import subprocess
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psycopg

from bench.migrating.bank import ROLES, Bank
from bench.migrating.clients import Load, Signals, Statements, work
from bench.migrating.probe import Looks, expect, probe
from bench.migrating.sabotage import SABOTAGES
from rlsguard import datamap
from rlsguard.apply import apply
from rlsguard.migrate import find_migration
from rlsguard.migrate.steps import Settings
from rlsguard.migrate.write import FORMATS
from rlsguard.problems import RlsguardError
from rlsguard.server import Server, start

_SETTINGS = {"shared_buffers": "256MB"}
# As another version of rlsguard has left it: everything of the guard's own is made anew by the migration.
_OLDER = "UPDATE rlsguard.manifest SET statements_hash = '' WHERE detail ->> 'kind' NOT IN ('protect', 'audit')"
_WORDS = "others go first"  # of rlsguard.lock_table


@dataclass(frozen=True, slots=True)
class Outcome:
    """How often something let others go first, and why it did not come to its end, if so."""

    gave_way: int = 0
    failure: str = ""


@dataclass(frozen=True, slots=True)
class Span:
    """Something that was done, and what clients and the probe met with meanwhile.

    Attributes:
        waits: seconds of each statement of a client.
    """

    what: str
    seconds: float
    outcome: Outcome
    waits: tuple[float, ...]
    failed: Counter[str]
    looks: int
    wrong: Counter[str]

    @property
    def noticed(self) -> bool:
        """Whether it failed, or a client's statement did, or the probe saw something wrong."""
        return bool(self.outcome.failure or self.failed or self.wrong)


def run(bindir: Path, bank: Bank, load: Load, sabotage: str | None, say: Callable[[str], None]) -> list[Span]:
    """Do all of it on a server of the installation at *bindir*; the first two alone where there is a *sabotage*."""
    with tempfile.TemporaryDirectory() as folder, start(bindir, settings=_SETTINGS) as server:
        before, after = (Path(folder) / name for name in ("before.yaml", "after.yaml"))
        before.write_text(bank.map_before(), encoding="utf-8")
        after.write_text(bank.map_after(), encoding="utf-8")
        with psycopg.connect(server.dsn(), autocommit=True) as conn:
            bank.create(conn)
            expected = expect(conn, bank)
            apply(conn, datamap.load(before))
            bank.opt_out(conn)
            conn.execute(_OLDER)
        up, down = _migration(server, after, Path(folder))
        if sabotage is not None:
            up.write_text(SABOTAGES[sabotage](up.read_text(encoding="utf-8"), bank), encoding="utf-8")
        things: dict[str, Callable[[], Outcome]] = {
            "nothing": lambda: _wait(load.hold + load.pause),
            "the migration": lambda: _psql(server, up),
        }
        if sabotage is None:
            things |= {"its undoing": lambda: _psql(server, down), "apply": lambda: _apply(server, after)}
        with _under_load(server, bank, load, expected) as busy:
            say(f"PostgreSQL {server.version}: {len(bank.tables)} tables are there, and clients at work")
            done = [(what, *busy.meanwhile(thing)) for what, thing in things.items()]
    return [_span(what, began, ended, outcome, busy) for what, began, ended, outcome in done]


@dataclass(slots=True)
class _Busy:
    """Clients and a probe at work, and what they have met with once they have stopped."""

    signals: Signals
    statements: Statements = field(default_factory=Statements)
    looks: Looks = field(default_factory=Looks)

    def meanwhile(self, thing: Callable[[], Outcome]) -> tuple[float, float, Outcome]:
        """Do a *thing*, beginning as long transactions do; return when it began and ended as well."""
        self.signals.held.clear()
        self.signals.held.wait()
        began = time.monotonic()
        outcome = thing()
        return began, time.monotonic(), outcome


@contextmanager
def _under_load(server: Server, bank: Bank, load: Load, expected: Mapping[str, tuple[int, int]]) -> Iterator[_Busy]:
    # Threads of one process would wait for each other.
    apart = multiprocessing.get_context("forkserver")
    busy = _Busy(Signals(apart.Event(), apart.Event()))
    dsns = {role: server.dsn(user=role) for role in ROLES}
    met, seen = apart.Queue(), apart.Queue()
    clients = apart.Process(target=work, args=(dsns, bank, load, busy.signals, met))
    looking = apart.Process(target=probe, args=(dsns, bank, expected, busy.signals.stop, seen))
    clients.start()
    looking.start()
    try:
        yield busy
    finally:
        busy.signals.stop.set()
        busy.statements, busy.looks = met.get(), seen.get()
        clients.join()
        looking.join()


def _span(what: str, began: float, ended: float, outcome: Outcome, busy: _Busy) -> Span:
    statements, looks = busy.statements, busy.looks
    return Span(
        what,
        ended - began,
        outcome,
        tuple(
            took
            for when, took in zip(statements.ended, statements.seconds, strict=True)
            if when > began and when - took < ended
        ),
        Counter(failure for when, failure in statements.failed if began < when < ended),
        sum(began < when < ended for when in looks.ended),
        Counter(wrong for when, wrong in looks.wrong if began < when < ended),
    )


def _migration(server: Server, path: Path, folder: Path) -> tuple[Path, Path]:
    """Write the migration to the map at *path*, as `rlsguard migrate` does."""
    loaded = datamap.load(path)
    with psycopg.connect(server.dsn(), autocommit=True) as conn:
        delta = apply(conn, loaded, dry_run=True)
    files = FORMATS["sql"](find_migration(delta, loaded, path, Settings()), "all", folder)
    for name, text in files.items():
        (folder / name).write_text(text, encoding="utf-8")
    up, down = (folder / name for name in files)
    return up, down


def _wait(seconds: float) -> Outcome:
    time.sleep(seconds)
    return Outcome()


def _psql(server: Server, file: Path) -> Outcome:
    command = [server.bindir / "psql", "-X", "-q", "-d", server.dsn(), "-f", file]
    done = subprocess.run(command, capture_output=True, text=True)
    return Outcome(done.stderr.count(_WORDS), done.stderr.splitlines()[-1] if done.returncode else "")


def _apply(server: Server, path: Path) -> Outcome:
    tries = 0

    def count(_: object) -> None:
        nonlocal tries
        tries += 1

    with psycopg.connect(server.dsn(), autocommit=True) as conn:
        try:
            apply(conn, datamap.load(path), announce=count)
        except RlsguardError as error:
            return Outcome(tries - 1, str(error))
    return Outcome(tries - 1)

"""Each entry that is committed is sealed once, in an order that stays, however transactions end and sealers meet."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from check.starting import run, running
from rlsguard import seal as sealing
from rlsguard.problems import RlsguardError
from rlsguard.seal.places import Folder
from seal.sealing import KEY, Log, wrong
from servers import Postgres

pytestmark = pytest.mark.by_turns

OPT_OUT = "SELECT id FROM rlsguard.opt_out('client', %s, '{marketing}', 'test', 'because')"
SEAL = "SELECT sealed FROM rlsguard.seal()"


def record(conn: psycopg.Connection[Any], key: object) -> int:
    """Record an opt-out in the transaction of *conn*; return the entry."""
    ((entry,),) = conn.execute(OPT_OUT, [str(key)]).fetchall()
    return int(entry)


@contextmanager
def transactions(log: Log, number: int) -> Iterator[list[psycopg.Connection[Any]]]:
    with ExitStack() as stack:
        yield [stack.enter_context(log.db.connect(autocommit=False)) for _ in range(number)]


@contextmanager
def waiting_for_a_lock(log: Log, run: Any) -> Iterator[list[Any]]:
    """Run *run* in a thread, and go on when it waits for a lock; what it returns is in the list afterwards."""
    results: list[Any] = []
    thread = threading.Thread(target=lambda: results.append(run()))
    thread.start()
    waiting = "SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    while thread.is_alive() and not log.db.execute(waiting):
        time.sleep(0.005)
    assert thread.is_alive(), "it did not wait"
    yield results
    thread.join()


def quiet(log: Log) -> None:
    """Let recording send no notification: with one, a transaction cannot be prepared."""
    ((body,),) = log.db.execute("SELECT pg_get_functiondef('rlsguard.record_events'::regproc)")
    before, _, rest = body.partition("PERFORM pg_notify(")
    _, after, rest = rest.partition("RETURN NEXT event;")
    log.db.execute(before + after + rest)


def test_entries_are_sealed_in_the_order_in_which_they_could_be_seen(log: Log) -> None:
    with transactions(log, 3) as (first, second, third):
        entries = [record(conn, key) for key, conn in enumerate((first, second, third), 1)]
        assert entries == [1, 2, 3]
        log.seal()
        for conn, number in ((third, 3), (first, 1), (second, 2)):
            conn.commit()
            assert log.seal().head.sealed == 1
            assert log.entries()[-1] == number
    assert log.entries() == [3, 1, 2]
    assert wrong(log.verify()) == []


def test_a_transaction_that_takes_long_keeps_nobody_waiting(log: Log, server: Postgres) -> None:
    # Also one of another database: transactions are counted for all of them.
    with server.database() as other, other.connect(autocommit=False) as elsewhere:
        elsewhere.execute("CREATE TABLE t (n int)")
        with transactions(log, 1) as (long,):
            record(long, 1)
            for key in range(2, 6):
                log.record(key)
                assert log.seal().head.sealed == (2 if key == 2 else 1)
            long.commit()
        elsewhere.commit()
    assert log.seal().head.sealed == 1
    assert log.entries() == [2, 3, 4, 5, 1]
    assert wrong(log.verify()) == []


def test_what_was_rolled_back_is_not_sealed(log: Log) -> None:
    with transactions(log, 1) as (conn,):
        record(conn, 1)
        log.seal()
        conn.rollback()
        log.seal()
        assert log.entries() == []
        # Parts of a transaction: what is kept has numbers of subtransactions, and one transaction_id.
        kept = [record(conn, 2)]
        conn.execute("SAVEPOINT a")
        record(conn, 3)
        conn.execute("ROLLBACK TO a")
        kept.append(record(conn, 4))
        conn.execute("SAVEPOINT b")
        kept.append(record(conn, 5))
        log.seal()
        conn.execute("RELEASE b")
        conn.commit()
    assert log.seal().head.sealed == 3
    assert log.entries() == kept
    assert wrong(log.verify()) == []


def test_a_transaction_with_more_parts_than_the_server_keeps_track_of(log: Log) -> None:
    # Beyond 64, a snapshot no longer lists them.
    with transactions(log, 1) as (conn,):
        for key in range(1, 101):
            conn.execute("SAVEPOINT s")
            record(conn, key)
        log.record(1000)
        log.seal()
        conn.commit()
    assert log.seal().head.sealed == 100
    assert log.entries() == [101, *range(1, 101)]
    assert wrong(log.verify()) == []


def test_a_transaction_that_is_prepared_and_committed_later(log: Log) -> None:
    with transactions(log, 2) as (kept, dropped):
        # A transaction that records cannot be prepared, because of its notification; one that does not send it can.
        record(kept, 1)
        with pytest.raises(psycopg.errors.FeatureNotSupported, match="NOTIFY"):
            kept.execute("PREPARE TRANSACTION 'kept'")
        kept.rollback()
        quiet(log)
        entry = record(kept, 1)
        record(dropped, 2)
        kept.execute("PREPARE TRANSACTION 'kept'")
        dropped.execute("PREPARE TRANSACTION 'dropped'")
    log.record(3)
    log.seal()
    assert entry not in log.entries()
    log.db.execute("COMMIT PREPARED 'kept'")
    log.db.execute("ROLLBACK PREPARED 'dropped'")
    assert log.seal().head.sealed == 1
    assert log.entries()[-1] == entry
    assert len(log.entries()) == 2
    assert wrong(log.verify()) == []


@pytest.mark.parametrize("level", ["REPEATABLE READ", "SERIALIZABLE"])
def test_a_snapshot_that_does_not_move_is_refused(log: Log, level: str) -> None:
    with log.db.connect() as conn:
        conn.execute(f"BEGIN ISOLATION LEVEL {level}")
        with pytest.raises(psycopg.errors.InvalidTransactionState, match="READ COMMITTED"):
            conn.execute(SEAL)


@pytest.mark.parametrize("ends", ["COMMIT", "ROLLBACK"])
@pytest.mark.parametrize("begun", [False, True], ids=["the first seal", "a later one"])
def test_two_sealers_at_once(log: Log, ends: str, begun: bool) -> None:
    if begun:
        log.seal()
    log.record(1)
    with log.db.connect() as one:
        one.execute("BEGIN")
        one.execute(SEAL)
        with waiting_for_a_lock(log, log.seal) as other:
            log.record(2)
            one.execute(ends)
    (published,) = other
    assert log.entries() == [1, 2]
    assert published.head.sealed == (1 if ends == "COMMIT" else 2) + (not begun and ends == "ROLLBACK")
    assert wrong(log.verify()) == []


def test_a_seal_that_is_rolled_back_was_none(sealed: Log) -> None:
    before = sealed.leaves()
    sealed.record(5)
    with sealed.db.connect(autocommit=False) as conn:
        assert conn.execute(SEAL).fetchall() == [(1,)]
        # A checkpoint of that must not get out.
        with pytest.raises(RlsguardError, match="the connection is in a transaction"):
            sealing.publish(conn, KEY, [sealed.published])
        conn.rollback()
    assert sealed.leaves() == before
    assert sealed.seal().head.sealed == 1
    assert wrong(sealed.verify()) == []


def test_a_transaction_that_records_and_seals(log: Log) -> None:
    with log.db.connect() as conn:
        conn.execute("BEGIN")
        record(conn, 1)
        assert conn.execute(SEAL).fetchall() == [(2,)]
        conn.execute("COMMIT")
    log.seal()
    assert log.entries() == [1]
    assert wrong(log.verify()) == []


def test_a_transaction_that_seals_and_goes_on_recording(log: Log) -> None:
    with log.db.connect() as conn:
        conn.execute("BEGIN")
        record(conn, 1)
        # A later one commits first: the snapshot takes the own transaction for one that is over.
        log.record(2)
        conn.execute(SEAL)
        record(conn, 3)
        seen = "SELECT pg_visible_in_snapshot(pg_current_xact_id(), snapshot) FROM rlsguard.log_seal"
        assert conn.execute(seen).fetchall() == [(True,)]
        conn.execute("COMMIT")
    verdict = log.verify()
    assert verdict.waiting == 1
    assert not [one for one in wrong(verdict) if "put in behind" in one]
    assert log.seal().head.sealed == 1
    assert log.entries() == [1, 2, 3]
    assert wrong(log.verify()) == []


def test_it_ends_between_sealing_and_publishing(sealed: Log) -> None:
    sealed.record(5)
    sealed.db.execute(SEAL)
    verdict = sealed.verify()
    assert (wrong(verdict), verdict.entries, verdict.covered) == ([], 7, 6)
    published = sealed.seal()
    assert (published.head.sealed, published.fresh) == (0, True)
    verdict = sealed.verify()
    assert (wrong(verdict), verdict.entries, verdict.covered) == ([], 7, 7)
    assert not sealed.seal().fresh


@pytest.mark.parametrize("gets_to", ["the first place", "the second place"])
def test_it_ends_while_publishing(sealed: Log, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, gets_to: str) -> None:
    class Ended(BaseException):
        pass

    second = Folder(tmp_path / "second")
    publish = Folder.publish

    def ends(self: Folder, origin: str, size: int, note: bytes) -> None:
        if self == second and gets_to == "the first place":
            raise Ended
        publish(self, origin, size, note)
        if self == second:
            raise Ended

    sealed.record(5)
    places = [sealed.published, second]
    with sealed.db.connect() as conn:
        with monkeypatch.context() as patch:
            patch.setattr(Folder, "publish", ends)
            with pytest.raises(Ended):
                sealing.publish(conn, KEY, places)
        assert sealing.verify(conn, KEY.verifier, places).wrong == ()
        assert sealing.publish(conn, KEY, places).fresh
        assert not sealing.publish(conn, KEY, places).fresh
        assert sealing.verify(conn, KEY.verifier, places).wrong == ()
    kept = "SELECT size FROM rlsguard.log_checkpoint ORDER BY size"
    assert sealed.db.execute(kept) == [(2,), (4,), (6,), (7,)]
    assert [int(file.name) for file in Log(sealed.db, second.path).files()] == [7]


def test_it_is_verified_while_it_is_sealed(sealed: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    # What is published after verify looked at the database is no sign of a database that was put back.
    heads = sealing.verify.__globals__["heads"]

    def and_then(conn: Any) -> Any:
        found = heads(conn)
        sealed.record(5)
        sealed.take_back(5)
        sealed.seal()
        return found

    monkeypatch.setitem(sealing.verify.__globals__, "heads", and_then)
    assert wrong(sealed.verify()) == []


def test_two_sealers_that_publish_at_once(sealed: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    # The other one seals and publishes more while this one is between the two.
    seal = sealing.publish.__globals__["seal"]
    others: list[int] = []

    def and_the_other(conn: Any) -> Any:
        head = seal(conn)
        if not others:
            others.append(7)
            sealed.record(6)
            sealed.seal()
        return head

    monkeypatch.setitem(sealing.publish.__globals__, "seal", and_the_other)
    sealed.record(5)
    assert sealed.seal().head.size == 7
    assert [int(file.name) for file in sealed.files()] == [2, 4, 6, 7, 8]
    assert wrong(sealed.verify()) == []


def test_a_checkpoint_outlasts_a_crash_of_a_server_that_commits_lazily(sealed: Log, base: Path) -> None:
    # With synchronous_commit off a commit returns before it is written. Of a seal this must not be: once its checkpoint
    # is out, the database cannot go back to before it.
    bindir = sealed.db.server.bindir
    run(base, bindir / "pg_basebackup", "-d", sealed.db.dsn(), "-D", base / "data", "-X", "stream", "-c", "fast")
    with (base / "data" / "postgresql.conf").open("a") as conf:
        conf.write("wal_writer_delay = 10s\n")
    for seals, left in ((False, 5), (True, 6)):
        with running(bindir, base, "data") as server:
            dsn = psycopg.conninfo.make_conninfo(server, dbname=sealed.db.name)
            with psycopg.connect(dsn, autocommit=True) as conn:
                conn.execute(OPT_OUT, ["7"])
                if seals:
                    sealing.publish(conn, KEY, [sealed.published])
                crash(base / "data")
        with running(bindir, base, "data") as server:
            dsn = psycopg.conninfo.make_conninfo(server, dbname=sealed.db.name)
            assert wrong(sealed.verify(dsn=dsn)) == []
            # Control: what was not sealed is lost in such a crash.
            with psycopg.connect(dsn) as conn:
                assert conn.execute("SELECT count(*) FROM rlsguard.opt_out_event").fetchall() == [(left,)]


def crash(data: Path) -> None:
    """Let a server stop at once, as in a crash."""
    pid = int((data / "postmaster.pid").read_text().split()[0])
    os.kill(pid, signal.SIGQUIT)
    while Path(f"/proc/{pid}/stat").read_text().split(") ")[1][0] != "Z":
        time.sleep(0.01)


ACTIONS = st.tuples(
    st.sampled_from(
        ["record", "record", "commit", "commit", "rollback", "prepare", "finish", "drop", "savepoint", "back", "seal",
         "seal", "mixed", "undone"]
    ),
    st.integers(0, 2),
)  # fmt: skip


@settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(actions=st.lists(ACTIONS, min_size=20, max_size=60))
def test_the_log_is_what_a_plain_list_would_be(server: Postgres, log: Log, actions: list[tuple[str, int]]) -> None:
    if not log.entries():
        quiet(log)
    model = Model(log)
    with transactions(log, 3) as conns:
        for action, number in actions:
            getattr(model, action)(number, conns[number])
        for number, conn in enumerate(conns):
            model.commit(number, conn)
        model.finish(0, conns[0])
        model.finish(0, conns[0])
        model.seal(0, conns[0])
    assert set(log.entries()) == {entry for (entry,) in log.db.execute("SELECT id FROM rlsguard.opt_out_event")}
    assert wrong(log.verify()) == []


class Model:
    """The log as a list: what is committed and not in it is added by the next seal."""

    def __init__(self, log: Log) -> None:
        self.log = log
        self.sealed = log.entries()
        self.people = len(self.sealed) * 1000
        self.committed: list[int] = []
        # Of each connection what its transaction has recorded, also before its savepoint, and what was prepared.
        self.open: list[list[int]] = [[], [], []]
        self.before: list[list[int] | None] = [None, None, None]
        self.prepared: dict[str, list[int]] = {}

    def record(self, number: int, conn: psycopg.Connection[Any]) -> None:
        self.open[number].append(record(conn, self._person()))

    def savepoint(self, number: int, conn: psycopg.Connection[Any]) -> None:
        conn.execute("SAVEPOINT s")
        self.before[number] = list(self.open[number])

    def back(self, number: int, conn: psycopg.Connection[Any]) -> None:
        if (before := self.before[number]) is not None:
            conn.execute("ROLLBACK TO s")
            self.open[number] = list(before)

    def commit(self, number: int, conn: psycopg.Connection[Any]) -> None:
        conn.commit()
        self.committed += self._over(number)

    def rollback(self, number: int, conn: psycopg.Connection[Any]) -> None:
        conn.rollback()
        self._over(number)

    def prepare(self, number: int, conn: psycopg.Connection[Any]) -> None:
        if self.open[number] and len(self.prepared) < 2:
            name = f"{self.log.db.name} {self.open[number][0]}"
            conn.execute(f"PREPARE TRANSACTION '{name}'")
            conn.rollback()
            self.prepared[name] = self._over(number)

    def finish(self, number: int, conn: psycopg.Connection[Any]) -> None:
        if self.prepared:
            name, entries = self.prepared.popitem()
            self.log.db.execute(f"COMMIT PREPARED '{name}'")
            self.committed += entries

    def drop(self, number: int, conn: psycopg.Connection[Any]) -> None:
        if self.prepared:
            name, _ = self.prepared.popitem()
            self.log.db.execute(f"ROLLBACK PREPARED '{name}'")

    def seal(self, number: int, conn: psycopg.Connection[Any]) -> None:
        self.log.seal()
        self._grown()

    def mixed(self, number: int, conn: psycopg.Connection[Any]) -> None:
        """Seal inside the transaction, record another entry, and commit."""
        conn.execute(SEAL)
        own = self._over(number)
        after = record(conn, self._person())
        conn.commit()
        self.committed += own
        self._grown()
        self.committed.append(after)

    def undone(self, number: int, conn: psycopg.Connection[Any]) -> None:
        """Seal inside the transaction, and roll all of it back."""
        conn.execute(SEAL)
        conn.rollback()
        self._over(number)
        assert self.log.entries() == self.sealed

    def _person(self) -> int:
        """Return somebody whom no transaction waits for."""
        self.people += 1
        return self.people

    def _over(self, number: int) -> list[int]:
        entries, self.open[number], self.before[number] = self.open[number], [], None
        return entries

    def _grown(self) -> None:
        entries = self.log.entries()
        assert entries[: len(self.sealed)] == self.sealed
        assert sorted(entries[len(self.sealed) :]) == sorted(self.committed)
        self.sealed, self.committed = entries, []

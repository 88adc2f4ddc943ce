"""rlsguard.lock_table() gets its lock, and nobody else waits for long meanwhile."""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager

import psycopg
import pytest

from guarding import BANK_MAP, small_bank
from rlsguard.server import SUPERUSER

pytestmark = pytest.mark.by_turns

LOCKS = """
SELECT DISTINCT l.relation::regclass::text
FROM pg_locks AS l
WHERE l.mode = 'AccessExclusiveLock' AND l.granted AND l.pid = pg_backend_pid() AND l.relation >= 16384
ORDER BY 1
"""
SOON = "SET LOCAL rlsguard.patience = '300 milliseconds'"


@pytest.fixture
def guarded(template_db):
    return small_bank(template_db, BANK_MAP)


@contextmanager
def locking(db, *tables, prepared="", user=SUPERUSER):
    """Call lock_table() beside, in a transaction that ends by itself; yield what it said and what became of it."""
    said, outcome = [], []

    def call():
        with db.connect(user, autocommit=False) as conn:
            conn.add_notice_handler(lambda notice: said.append(notice.message_primary))
            conn.execute(f"SET LOCAL search_path = pg_catalog; SET LOCAL lock_timeout = '2s'; {prepared}")
            try:
                conn.execute(f"CALL rlsguard.lock_table({', '.join(map(repr, tables))})")
                outcome.append(sorted(name for (name,) in conn.execute(LOCKS).fetchall()))
            except psycopg.Error as error:
                outcome.append(error)

    thread = threading.Thread(target=call)
    thread.start()
    try:
        yield said, outcome
    finally:
        thread.join()


def longest_wait(db, seconds, until=lambda: False):
    """Read bank.trans again and again, and return how long it once took."""
    longest, end = 0.0, time.monotonic() + seconds
    with db.connect("teller_app") as conn:
        while time.monotonic() < end and not until():
            began = time.monotonic()
            conn.execute("SELECT FROM bank.trans")
            longest = max(longest, time.monotonic() - began)
            time.sleep(0.002)
    return longest


def test_it_waits_for_a_long_transaction_with_nobody_behind(guarded):
    with guarded.connect("teller_app", autocommit=False) as report:
        report.execute("SELECT FROM bank.trans")
        its_pid = report.info.backend_pid
        with locking(guarded, "bank.trans") as (said, outcome):
            assert longest_wait(guarded, 1) < 0.5
            assert outcome == []
            report.rollback()
        assert outcome == [["bank.trans"]]
    assert said == [f"bank.trans: in use by {its_pid}; others go first"]


def test_a_lock_that_just_waits_keeps_everybody_waiting(guarded):
    # The control of the test above.
    with guarded.connect("teller_app", autocommit=False) as report, guarded.connect() as naive:
        report.execute("SELECT FROM bank.trans")
        waiting = threading.Thread(target=naive.execute, args=("BEGIN; LOCK TABLE bank.trans; COMMIT",))
        waiting.start()
        ending = threading.Timer(1, report.rollback)
        ending.start()
        assert longest_wait(guarded, 1.2) > 0.5
        waiting.join()
        ending.join()


def test_transactions_that_overlap_for_ever_come_to_their_end(guarded):
    stop = threading.Event()

    def overlap(delay):
        time.sleep(delay)
        with guarded.connect("teller_app") as conn:
            while not stop.is_set():
                conn.execute("BEGIN; SELECT FROM bank.trans")
                time.sleep(0.15)
                conn.execute("COMMIT")

    threads = [threading.Thread(target=overlap, args=(delay,)) for delay in (0, 0.05, 0.1)]
    for thread in threads:
        thread.start()
    try:
        time.sleep(0.15)
        # At each moment somebody has it.
        with guarded.connect() as conn:
            for _ in range(100):
                with pytest.raises(psycopg.errors.LockNotAvailable):
                    conn.execute("BEGIN; LOCK TABLE bank.trans NOWAIT")
                conn.execute("ROLLBACK")
        with locking(guarded, "bank.trans") as (_, outcome):
            pass
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert outcome == [["bank.trans"]]


def test_it_gives_up_when_patience_is_over_and_says_who_it_was(guarded):
    with guarded.connect("teller_app", autocommit=False) as report:
        report.execute("SELECT FROM bank.trans")
        its_pid = report.info.backend_pid
        with locking(guarded, "bank.trans", prepared=SOON) as (_, outcome):
            pass
    (error,) = outcome
    assert isinstance(error, psycopg.errors.LockNotAvailable)
    assert error.diag.message_primary == f"bank.trans: in use by {its_pid}"


def test_who_does_not_give_way_as_autovacuum_does_is_waited_for(guarded):
    with guarded.connect() as vacuum:
        vacuum.execute("BEGIN; LOCK TABLE bank.trans IN SHARE UPDATE EXCLUSIVE MODE")
        its_pid = vacuum.info.backend_pid
        with locking(guarded, "bank.trans") as (said, outcome):
            assert longest_wait(guarded, 1) < 0.5
            vacuum.execute("COMMIT")
    assert outcome == [["bank.trans"]]
    assert said == ["bank.trans: in use; others go first", f"bank.trans: in use by {its_pid}; others go first"]


def test_a_prepared_transaction_is_waited_for(guarded):
    with guarded.connect("teller_app") as conn:
        conn.execute("BEGIN; SELECT FROM bank.trans; PREPARE TRANSACTION 'kept'")
    try:
        with locking(guarded, "bank.trans", prepared=SOON) as (said, _):
            pass
    finally:
        guarded.execute("COMMIT PREPARED 'kept'")
    assert said == ["bank.trans: in use by a prepared transaction; others go first"]


def test_of_several_it_takes_all_or_none(guarded):
    with guarded.connect("teller_app", autocommit=False) as report:
        report.execute("SELECT FROM bank.trans")
        with locking(guarded, "bank.account", "bank.trans") as (_, outcome):
            with guarded.connect("teller_app") as other:
                other.execute("SET lock_timeout = '200ms'")
                for _ in range(50):
                    other.execute("SELECT FROM bank.account")
                    time.sleep(0.005)
            report.rollback()
    assert outcome == [["bank.account", "bank.trans"]]


@pytest.mark.parametrize("user", [SUPERUSER, "dba"])
def test_in_a_deadlock_it_is_not_the_client_that_loses(guarded, user):
    # Only a superuser may look for deadlocks sooner than others.
    guarded.execute("CREATE ROLE dba LOGIN; GRANT rlsguard_owner TO dba; GRANT USAGE ON SCHEMA bank TO dba")
    guarded.execute("ALTER TABLE bank.account OWNER TO dba; ALTER TABLE bank.trans OWNER TO dba")
    with guarded.connect("teller_app", autocommit=False) as client:
        # Somebody like autovacuum, who is not waited for before.
        client.execute("LOCK TABLE bank.trans IN SHARE UPDATE EXCLUSIVE MODE")
        waited = 0.0
        with locking(guarded, "bank.account", "bank.trans", user=user) as (said, outcome):
            for _ in range(300):
                began = time.monotonic()
                client.execute("SAVEPOINT s; SELECT FROM bank.account; ROLLBACK TO s")
                waited = max(waited, time.monotonic() - began)
                time.sleep(0.002)
            client.commit()
    assert outcome == [["bank.account", "bank.trans"]]
    assert "bank.trans: in use; others go first" in said
    # Both had waited for each other.
    assert waited > 0.005


def test_what_others_wait_for_already_makes_it_impatient(guarded):
    # Each waits for the other, but the server cannot know of one that only looks now and then.
    with guarded.connect("teller_app", autocommit=False) as client:
        client.execute("SELECT FROM bank.trans")
        with locking(guarded, "bank.trans", prepared="LOCK TABLE bank.account") as (_, outcome):
            while not guarded.execute(
                "SELECT FROM pg_locks WHERE relation = 'bank.account'::regclass AND mode ~ '^AccessE'"
            ):
                time.sleep(0.005)
            began = time.monotonic()
            client.execute("SELECT FROM bank.account")
            assert time.monotonic() - began < 5
    (error,) = outcome
    assert isinstance(error, psycopg.errors.LockNotAvailable)


def test_a_view_is_locked_without_what_it_is_of(guarded):
    with locking(guarded, "rlsguard_views.sight") as (_, outcome):
        pass
    assert outcome == [["rlsguard_views.sight"]]


def test_settings_are_as_before(guarded):
    with guarded.connect(autocommit=False) as conn:
        conn.execute("SET LOCAL lock_timeout = '3s'; CALL rlsguard.lock_table('bank.trans')")
        assert conn.execute("SHOW lock_timeout").fetchone() == ("3s",)


def test_only_who_applies_may_call_it(guarded):
    with guarded.connect("stranger") as conn, pytest.raises(psycopg.errors.InsufficientPrivilege):
        conn.execute("CALL rlsguard.lock_table('bank.trans')")

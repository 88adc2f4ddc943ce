"""Row changes whose time is over go, which is on record; all that is left still verifies, and nothing else may go."""

from __future__ import annotations

import json
import subprocess
import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from click.testing import CliRunner
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from guarding import BANK_MAP, apply, small_bank
from rlsguard import seal as sealing
from rlsguard.cli import rlsguard
from rlsguard.problems import RlsguardError
from rlsguard.seal.entry import spans
from rlsguard.seal.retired import _pieces
from rlsguard.tlog import Checkpoint, Keys, Note, verify_consistency, verify_receipt
from rlsguard.uninstall import uninstall
from seal.sealing import KEY, Log, wrong
from servers import Clone, Postgres
from tlog.signing import ORIGIN

pytestmark = pytest.mark.by_turns

AUDITED = BANK_MAP.replace("  bank.trans:\n    {holds", "  bank.trans:\n    {audit: true, holds")
BEHIND = "it was put in behind the seal: transactions of its time are sealed."
REFUSED = "DELETE on rlsguard.change_entry is refused: it only grows"
RETIRE = "SELECT rlsguard.retire(%s, %s, %s)"

# Entries as retire() records them, or anybody who may write to the table: all that is asked for, and its hash.
RECORDED = """
INSERT INTO rlsguard.retention (id, before, entries, transaction_id, payload, leaf_hash) OVERRIDING SYSTEM VALUE
SELECT n.id, n.before, n.entries, n.transaction_id, p.told, sha256('\\x00'::bytea || p.told)
FROM (SELECT {id} AS id, clock_timestamp() AS before, '{entries}'::int8multirange AS entries,
             {transaction}::xid8 AS transaction_id) AS n
CROSS JOIN LATERAL (SELECT convert_to(jsonb_build_object(
    'retention', n.id, 'before', to_char(n.before AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
    'count', {count}, 'entries', n.entries::text, 'reason', 'forged', 'retired_by', session_user,
    'transaction_id', n.transaction_id::text)::text, 'UTF8')) AS p (told);
"""


def recorded(entries: str, count: int, id: int = 9, transaction: str = "pg_current_xact_id()") -> str:
    return RECORDED.format(entries=entries, count=count, id=id, transaction=transaction)


@pytest.fixture
def audited(template_db: Clone, tmp_path: Path) -> Log:
    """The small bank, with the changes of one table audited."""
    return Log(small_bank(template_db, AUDITED), tmp_path / "published")


@pytest.fixture
def changed(audited: Log) -> Log:
    """Five changes, which are entries 1 to 5 and leaves 1 to 5, published."""
    for number in range(1, 6):
        change(audited, number)
    audited.seal()
    return audited


def change(log: Log, number: int, conn: psycopg.Connection[Any] | None = None) -> None:
    (conn or log.db.conn).execute("INSERT INTO bank.trans VALUES (%s, 10, 1)", [number])


def ids(log: Log) -> list[int]:
    return [id for (id,) in log.db.execute("SELECT id FROM rlsguard.change_entry ORDER BY id")]


def now(log: Log) -> datetime:
    ((time,),) = log.db.execute("SELECT clock_timestamp()")
    return time


def made(log: Log, entry: int) -> datetime:
    ((time,),) = log.db.conn.execute("SELECT changed_at FROM rlsguard.change_entry WHERE id = %s", [entry]).fetchall()
    return time


def retire(
    log: Log, before: datetime | None = None, *, most: int = 1000, batch: int = 1000, reason: str = "old"
) -> int:
    with log.db.connect() as conn:
        return sealing.retire(conn, before or now(log), reason=reason, most=most, batch=batch)


def gone(*entries: int, leaf: int = 0) -> list[str]:
    return [f"change_entry {entry} (leaf {entry + leaf}): the entry is gone." for entry in entries]


def test_what_is_older_goes_and_that_is_an_entry(changed: Log) -> None:
    with changed.db.connect() as conn:
        assert sealing.retire(conn, made(changed, 4), reason="7 years, policy 4.2", most=1000) == 3
    assert ids(changed) == [4, 5]
    ((payload, *columns),) = changed.db.execute(
        "SELECT convert_from(payload, 'UTF8'), entries::text, transaction_id::text FROM rlsguard.retention"
    )
    said = json.loads(payload)
    assert datetime.fromisoformat(said.pop("before")) == made(changed, 4)
    assert timedelta(0) < datetime.now(UTC) - datetime.fromisoformat(said.pop("retired_at")) < timedelta(minutes=1)
    assert said == {
        "retention": 1,
        "count": 3,
        "entries": "{[1,4)}",
        "reason": "7 years, policy 4.2",
        "retired_by": "postgres",
        "transaction_id": columns[1],
    }
    assert columns[0] == "{[1,4)}"
    verdict = changed.verify()
    assert (wrong(verdict), verdict.entries, verdict.retired, verdict.waiting) == ([], 6, 3, 1)
    changed.seal()
    assert changed.leaves()[-1] == (1, 6, "retention", 1)
    verdict = changed.verify()
    assert (wrong(verdict), verdict.entries, verdict.covered, verdict.retired, verdict.waiting) == ([], 7, 7, 3, 0)
    # There is no more of it, and what is recorded next is sealed next.
    assert retire(changed, made(changed, 4)) == 0
    change(changed, 6)
    assert changed.seal().head.sealed == 1
    assert wrong(changed.verify()) == []


def test_in_parts_each_on_record(changed: Log) -> None:
    told: list[int] = []
    with changed.db.connect() as conn:
        assert sealing.retire(conn, now(changed), reason="old", most=4, batch=3, progress=told.append) == 4
    assert (told, ids(changed)) == ([3, 1], [5])
    assert changed.db.execute("SELECT entries::text FROM rlsguard.retention ORDER BY id") == [
        ("{[1,4)}",),
        ("{[4,5)}",),
    ]
    changed.seal()
    assert retire(changed) == 1
    verdict = changed.verify()
    assert (wrong(verdict), verdict.retired) == ([], 5)


def test_what_is_not_sealed_stays(changed: Log) -> None:
    with changed.db.connect(autocommit=False) as long:
        change(changed, 6, long)
        change(changed, 7)
        changed.seal()
        change(changed, 8)
        # 6 is not committed, 8 is not sealed.
        assert retire(changed) == 6
        assert ids(changed) == [8]
        long.commit()
    assert ids(changed) == [6, 8]
    assert changed.db.execute("SELECT entries::text FROM rlsguard.retention") == [("{[1,6),[7,8)}",)]
    assert (wrong(changed.verify()), retire(changed)) == ([], 0)
    changed.seal()
    verdict = changed.verify()
    assert (wrong(verdict), verdict.retired) == ([], 6)
    assert retire(changed) == 2
    changed.seal()
    verdict = changed.verify()
    assert (wrong(verdict), verdict.retired, ids(changed)) == ([], 8, [])


def test_opt_outs_are_never_retired(changed: Log) -> None:
    changed.record(1)
    changed.seal()
    assert retire(changed) == 5
    assert changed.db.execute("SELECT count(*) FROM rlsguard.opt_out_event") == [(1,)]


def test_receipts_and_proofs_of_growth_go_on(changed: Log) -> None:
    changed.record(1)
    changed.seal()
    retire(changed)
    changed.seal()
    # Made by leaves that are gone, among others.
    first, _, last = (Checkpoint.parse(Note.parse(file.read_bytes()).text) for file in changed.files())
    with changed.db.connect() as conn:
        receipt = sealing.receipt(conn, 1).to_bytes()
        proof = sealing.consistency(conn, 1, first.size, last.size)
    assert verify_receipt(receipt, Keys(ORIGIN, (KEY.verifier,))).disclosed["subject_key"] == "1"
    verify_consistency(first.size, first.root, last.size, last.root, proof)


def test_a_receipt_of_what_went_goes_on_to_hold(changed: Log) -> None:
    with changed.db.connect() as conn:
        receipt = sealing.receipt(conn, 1, change=True).to_bytes()
        retire(changed)
        changed.seal()
        assert verify_receipt(receipt, Keys(ORIGIN, (KEY.verifier,)))
        # There is nothing left to make another of.
        with pytest.raises(RlsguardError, match="has no entry 1"):
            sealing.receipt(conn, 1, change=True)


def test_a_copy_verifies(changed: Log, server: Postgres) -> None:
    retire(changed, made(changed, 4))
    changed.seal()
    bindir = changed.db.server.bindir
    dump = subprocess.run([bindir / "pg_dump", "-Fc", "-d", changed.db.dsn()], check=True, capture_output=True).stdout
    with server.database() as other:
        subprocess.run([bindir / "pg_restore", "-d", other.dsn()], check=True, input=dump)
        copy = Log(other, changed.folder)
        verdict = copy.verify()
        assert (wrong(verdict), verdict.entries, verdict.retired) == ([], 7, 3)
        # What is retired there before it is re-anchored is in its next tree.
        assert retire(copy, made(copy, 5)) == 1
        verdict = copy.verify()
        assert (wrong(verdict), verdict.retired, verdict.waiting) == ([], 4, 1)
        with other.connect() as conn:
            sealing.reanchor(conn, KEY, [copy.published], reason="moved")
        verdict = copy.verify()
        assert (wrong(verdict), verdict.retired, verdict.waiting) == ([], 4, 0)


def test_what_went_stays_on_record_when_rlsguard_goes(changed: Log) -> None:
    assert retire(changed) == 5
    changed.seal()
    with changed.db.connect() as conn:
        removal = uninstall(conn)
    # Also where nobody has opted out, and no row change is left.
    assert (removal.ledger_entries, removal.row_changes, removal.keeps_ledger) == (0, True, True)
    verdict = changed.verify()
    assert (wrong(verdict), verdict.retired) == ([], 5)
    for table in ("change_entry", "retention"):
        with changed.db.connect() as conn, pytest.raises(psycopg.errors.InsufficientPrivilege, match="only grows"):
            conn.execute(f"DELETE FROM rlsguard.{table}")
    apply(changed.db, AUDITED)
    change(changed, 6)
    changed.seal()
    assert retire(changed) == 1
    changed.seal()
    verdict = changed.verify()
    assert (wrong(verdict), verdict.retired) == ([], 6)


def cut(where: str) -> str:
    return f"DELETE FROM rlsguard.change_entry WHERE {where};"


# What a superuser does behind a retention of entries 1 to 3 that is sealed as leaf 6.
DONE = {
    "more is cut off than is on record": (cut("id = 4"), gone(4)),
    "all is cut off": (cut("true"), gone(4, 5)),
    "one is put back": (
        "INSERT INTO rlsguard.change_entry OVERRIDING SYSTEM VALUE SELECT 2, transaction_id, changed_at, payload,"
        " content, salt, leaf_hash FROM rlsguard.change_entry WHERE id = 4;",
        ["change_entry 2 (leaf 2): it was retired, and is here."],
    ),
    "the record is gone": (
        "DELETE FROM rlsguard.retention;",
        [*gone(1, 2, 3), "retention 1 (leaf 6): the entry is gone."],
    ),
    "the record says that more went": (
        "UPDATE rlsguard.retention SET entries = '{[1,5)}';" + cut("id = 4"),
        [*gone(4), "retention 1 (leaf 6): its columns do not say what was sealed: entries, count."],
    ),
    "the record says that less went": (
        "UPDATE rlsguard.retention SET entries = '{}';",
        ["retention 1 (leaf 6): its columns do not say what was sealed: entries, count."],
    ),
    "the record says another time": (
        "UPDATE rlsguard.retention SET before = before + interval '1 microsecond', transaction_id = '3';",
        ["retention 1 (leaf 6): its columns do not say what was sealed: before, transaction_id."],
    ),
    "the record's bytes say that more went": (
        "UPDATE rlsguard.retention SET entries = '{[1,5)}', payload = replace(replace(convert_from(payload, 'UTF8'),"
        " '[1,4)', '[1,5)'), '\"count\": 3', '\"count\": 4')::bytea;"
        "UPDATE rlsguard.retention SET leaf_hash = sha256('\\x00' || payload);" + cut("id = 4"),
        [*gone(1, 2, 3, 4), "retention 1 (leaf 6): the entry's bytes are not those that were sealed."],
    ),
    "another record, as if of then": (
        recorded("{[4,5)}", 1, transaction="'3'") + cut("id = 4"),
        [f"retention 9: {BEHIND}"],
    ),
    "another record, as if of then, that contradicts itself": (
        recorded("{[4,5)}", 1, transaction="'3'").replace("n.transaction_id, p.told, ", "n.transaction_id, '{}', ")
        + cut("id = 4"),
        [*gone(4), f"retention 9: {BEHIND}"],
    ),
    "a record of all that is": (
        recorded("{[1,6)}", 5),
        [f"change_entry {entry} (leaf {entry}): it was retired, and is here." for entry in (4, 5)],
    ),
    "a record without an end": (recorded("{[1,)}", 0) + cut("id = 4"), gone(4)),
}


@pytest.mark.parametrize("what", DONE)
def test_what_a_superuser_does_is_named(changed: Log, what: str) -> None:
    statements, named = DONE[what]
    assert retire(changed, made(changed, 4)) == 3
    changed.seal()
    assert wrong(changed.verify()) == []
    changed.tamper(statements)
    assert wrong(changed.verify()) == named


def test_what_is_cut_off_without_a_record_is_named(changed: Log) -> None:
    changed.tamper(cut("id < 3"))
    verdict = changed.verify()
    assert (wrong(verdict), verdict.retired) == (gone(1, 2), 0)


def test_a_record_of_today_is_an_entry_of_today(changed: Log) -> None:
    # Whoever can write the log can record a retention: what cannot be told is that retire() did not do it. From the
    # next checkpoint on it is published, with what it says that went.
    changed.tamper(recorded("{[1,3)}", 2) + cut("id < 3"))
    verdict = changed.verify()
    assert (wrong(verdict), verdict.retired, verdict.waiting) == ([], 2, 1)
    changed.seal()
    assert changed.leaves()[-1] == (1, 6, "retention", 9)
    verdict = changed.verify()
    assert (wrong(verdict), verdict.retired) == ([], 2)
    # One whose count is not that of what it names contradicts itself, as soon as it is sealed.
    changed.tamper(recorded("{[3,4)}", 7, id=10) + cut("id = 3"))
    changed.seal()
    assert wrong(changed.verify()) == ["retention 10 (leaf 7): its columns do not say what was sealed: count."]


def test_a_record_covers_nothing_that_came_after_it(changed: Log) -> None:
    # Else one record of all numbers that there will ever be would cover whatever goes.
    changed.tamper(recorded("{[1,1000)}", 999) + cut("true"))
    changed.seal()
    assert wrong(changed.verify()) == []
    change(changed, 6)
    changed.seal()
    assert wrong(changed.verify()) == []
    changed.tamper(cut("id = 6"))
    assert wrong(changed.verify()) == gone(6, leaf=1)


def test_an_entry_that_was_edited_stays_and_is_named(changed: Log) -> None:
    old = "changed_at = '2001-01-01'"
    changed.tamper(f"UPDATE rlsguard.change_entry SET {old} WHERE id = 4;"
                   "UPDATE rlsguard.change_entry SET payload = '{}' WHERE id = 2")  # fmt: skip
    # 4 is not of 2001, and no time is asked of 2.
    assert retire(changed, datetime(2002, 1, 1, tzinfo=UTC)) == 0
    assert retire(changed) == 3
    assert ids(changed) == [2, 4]
    assert wrong(changed.verify()) == [
        "change_entry 2 (leaf 2): the entry's bytes are not those that were sealed.",
        "change_entry 4 (leaf 4): its columns do not say what was sealed: changed_at.",
    ]
    # Nor does it help to have written the time into the bytes.
    changed.tamper(
        "UPDATE rlsguard.change_entry SET payload = regexp_replace(convert_from(payload, 'UTF8'),"
        ' \'("changed_at" : )"[^"]*"\', \'\\1"2001-01-01T00:00:00"\')::bytea WHERE id = 4;'
        "UPDATE rlsguard.change_entry SET leaf_hash = sha256('\\x00' || payload) WHERE id = 4"
    )
    assert retire(changed, datetime(2002, 1, 1, tzinfo=UTC)) == 0


DELETES = {
    "without a record": "",
    "with a record of other entries": recorded("{[2,6)}", 4),
    "with a record of an earlier transaction": recorded("{[1,6)}", 5, transaction="'3'"),
    "with a record of an earlier time": recorded("{[1,6)}", 5).replace(
        "clock_timestamp()", "'2001-01-01'::timestamptz"
    ),
    "with two records, none of which is enough": recorded("{[1,3)}", 2) + recorded("{[3,6)}", 3, id=10),
}


@pytest.mark.parametrize("how", DELETES)
@pytest.mark.parametrize("role", ["origin", "replica"])
def test_nothing_else_deletes_them(changed: Log, how: str, role: str) -> None:
    with changed.db.connect() as conn:
        conn.execute(f"SET session_replication_role = {role}")
        # One message of several statements is one transaction.
        with pytest.raises(psycopg.errors.InsufficientPrivilege, match=REFUSED):
            conn.execute(DELETES[how] + "DELETE FROM rlsguard.change_entry")
        with pytest.raises(psycopg.errors.InsufficientPrivilege, match=REFUSED):
            conn.execute("WITH d AS (DELETE FROM rlsguard.change_entry WHERE id = 1 RETURNING 1) SELECT FROM d")
        # Control: with a record of them, all go.
        conn.execute(recorded("{[1,6)}", 5, id=20) + "DELETE FROM rlsguard.change_entry")
    assert ids(changed) == []


@pytest.mark.parametrize("statement", ["UPDATE rlsguard.retention SET before = now()", "DELETE FROM rlsguard.retention",
                                       "TRUNCATE rlsguard.retention", "TRUNCATE rlsguard.change_entry"])  # fmt: skip
def test_what_is_on_record_only_grows(changed: Log, statement: str) -> None:
    retire(changed, made(changed, 2))
    with changed.db.connect() as conn, pytest.raises(psycopg.errors.InsufficientPrivilege, match="it only grows"):
        conn.execute(statement)


@pytest.mark.parametrize("user", ["stranger", "verifier", "sealer", "recorder"])
def test_nobody_else_retires(changed: Log, user: str) -> None:
    changed.db.execute(
        "CREATE ROLE sealer LOGIN; GRANT rlsguard_sealer TO sealer;"
        "CREATE ROLE verifier LOGIN; GRANT rlsguard_auditor TO verifier;"
        "CREATE ROLE recorder LOGIN; GRANT rlsguard_recorder TO recorder"
    )
    with changed.db.connect(user) as conn:
        for statement in (
            "SELECT rlsguard.retire(now(), 'why', 1)",
            "DELETE FROM rlsguard.change_entry",
            "INSERT INTO rlsguard.retention DEFAULT VALUES",
        ):
            with pytest.raises(psycopg.errors.InsufficientPrivilege, match="permission denied"):
                conn.execute(statement)
        with pytest.raises(RlsguardError):
            sealing.retire(conn, now(changed), reason="why", most=1)
        with pytest.raises(RlsguardError):
            sealing.retirable(conn, now(changed))
    assert ids(changed) == [1, 2, 3, 4, 5]
    # Who verifies sees what is on record.
    retire(changed)
    assert wrong(changed.verify(user="postgres" if user != "verifier" else user)) == []


REFUSALS = {
    "a time to come": ("now() + interval '1 hour'", "'why'", "1", "the time lies in the future"),
    "at no time": ("'infinity'", "'why'", "1", "the time lies in the future"),
    "no time": ("NULL", "'why'", "1", "the time is missing"),
    "no reason": ("now()", "NULL", "1", "the reason is missing"),
    "an empty reason": ("now()", "' '", "1", "the reason is missing"),
    "none at all": ("now()", "'why'", "0", "at most 1 to 1000000 entries at once, not 0"),
    "all at once": ("now()", "'why'", "NULL", "at most 1 to 1000000 entries at once, not NULL"),
    "more than that": ("now()", "'why'", "1000001", "at most 1 to 1000000 entries at once, not 1000001"),
}


@pytest.mark.parametrize("what", REFUSALS)
def test_what_is_refused(changed: Log, what: str) -> None:
    *given_, why = REFUSALS[what]
    with changed.db.connect() as conn, pytest.raises(psycopg.Error, match=why):
        conn.execute(f"SELECT rlsguard.retire({', '.join(given_)})")
    assert ids(changed) == [1, 2, 3, 4, 5]


def test_nothing_goes_that_is_rolled_back(changed: Log) -> None:
    with changed.db.connect(autocommit=False) as conn:
        assert conn.execute(RETIRE, [now(changed), "old", 10]).fetchall() == [(5,)]
        conn.rollback()
        conn.execute("SAVEPOINT a")
        assert conn.execute(RETIRE, [now(changed), "old", 2]).fetchall() == [(2,)]
        conn.execute("ROLLBACK TO a")
        # What was undone gives leave to nothing.
        with pytest.raises(psycopg.errors.InsufficientPrivilege, match=REFUSED):
            conn.execute("DELETE FROM rlsguard.change_entry WHERE id = 1")
        conn.rollback()
    assert ids(changed) == [1, 2, 3, 4, 5]
    assert changed.db.execute("SELECT FROM rlsguard.retention") == []


def test_settings_of_the_session_change_no_text_form(changed: Log) -> None:
    odd = (
        "SET TimeZone = 'Asia/Kathmandu'; SET DateStyle = 'SQL, DMY'; SET IntervalStyle = 'postgres_verbose';"
        "SET extra_float_digits = -3; SET bytea_output = 'escape'; SET client_encoding = 'LATIN1';"
        "SET search_path = bank; SET row_security = off; SET standard_conforming_strings = off"
    )
    before = made(changed, 4)
    with changed.db.connect() as conn:
        conn.execute(odd)
        assert conn.execute(RETIRE, [before, "7 Jahre, § 4.2", 10]).fetchall() == [(3,)]
    ((said,),) = changed.db.execute("SELECT convert_from(payload, 'UTF8')::json FROM rlsguard.retention")
    assert (datetime.fromisoformat(said["before"]), said["before"][-1]) == (before, "Z")
    assert (said["entries"], said["reason"]) == ("{[1,4)}", "7 Jahre, § 4.2")
    changed.seal()
    for setting in ("TimeZone = 'Asia/Kathmandu'", "DateStyle = 'SQL, DMY'"):
        changed.db.execute(f"ALTER DATABASE {changed.db.name} SET {setting}")
    assert wrong(changed.verify()) == []


def test_two_at_once_record_each_entry_once(changed: Log) -> None:
    before = now(changed)
    results: list[int] = []
    with changed.db.connect(autocommit=False) as first:
        assert first.execute(RETIRE, [before, "first", 3]).fetchall() == [(3,)]
        second = threading.Thread(target=lambda: results.append(retire(changed, before, most=3)))
        second.start()
        waiting = "SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
        while second.is_alive() and not changed.db.execute(waiting):
            time.sleep(0.005)
        # Writers, the sealer and those who verify wait for neither.
        change(changed, 6)
        assert changed.seal().head.sealed == 1
        assert wrong(changed.verify()) == []
        first.commit()
        second.join()
    assert results == [2]
    assert changed.db.execute("SELECT entries::text FROM rlsguard.retention ORDER BY id") == [
        ("{[1,4)}",),
        ("{[4,6)}",),
    ]
    changed.seal()
    verdict = changed.verify()
    assert (wrong(verdict), verdict.retired) == ([], 5)


def test_while_others_write_and_seal(changed: Log) -> None:
    over = threading.Event()
    failures: list[BaseException] = []

    def again(run: Any, *given_: Any) -> None:
        number = 0
        try:
            while not over.is_set():
                number += 1
                run(number, *given_)
        except BaseException as error:
            failures.append(error)

    def write(number: int, first: int, conn: psycopg.Connection[Any]) -> None:
        with conn.transaction(force_rollback=number % 5 == 0):
            change(changed, first + number, conn)

    with changed.db.connect() as one, changed.db.connect() as other:
        threads = [
            threading.Thread(target=again, args=(write, 10_000, one)),
            threading.Thread(target=again, args=(write, 20_000, other)),
            threading.Thread(target=again, args=(lambda number: changed.seal(),)),
        ]
        for thread in threads:
            thread.start()
        retired = 0
        until = time.monotonic() + 1
        while time.monotonic() < until:
            with changed.db.connect() as conn:
                retired += sealing.retire(conn, datetime.now(UTC) - timedelta(milliseconds=50), reason="old", most=50)
            assert wrong(changed.verify()) == []
        over.set()
        for thread in threads:
            thread.join()
    assert failures == []
    changed.seal()
    verdict = changed.verify()
    assert (wrong(verdict), verdict.retired) == ([], retired)
    assert retired > 5


def run(log: Log, *arguments: str, code: int = 0, user: str = "postgres") -> str:
    command = ["ledger", "retire", *arguments, "--dsn", log.db.dsn(user)]
    done = CliRunner().invoke(rlsguard, command)
    assert done.exit_code == code, done.output
    return done.output


def test_the_command(changed: Log) -> None:
    change(changed, 6)
    first, fourth = (made(changed, entry) for entry in (1, 4))
    last = f"{made(changed, 3).astimezone(UTC):%Y-%m-%d %H:%M:%S}"
    options = ("--before", fourth.isoformat(), "--reason", "7 years, policy 4.2")
    told = (
        f"3 entries of row changes before {fourth.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC,"
        f" of {first.astimezone(UTC):%Y-%m-%d %H:%M:%S} to {last}\n"
    )
    where, _, out = run(changed, *options, "--dry-run").partition("\n")
    assert where.startswith(f"database {changed.db.name} ")
    assert out == f"{told}nothing was retired (--dry-run)\n"
    assert ids(changed) == [1, 2, 3, 4, 5, 6]
    out = run(changed, *options).partition("\n")[2]
    assert out == f"{told}3 entries retired, which is on record: rlsguard ledger seal publishes that\n"
    assert ids(changed) == [4, 5, 6]
    out = run(changed, *options).partition("\n")[2]
    assert out.startswith("no sealed entry of row changes is from before ")
    out = run(changed, "--before", now(changed).isoformat(), "--reason", "x", "--dry-run")
    assert "\n2 entries of row changes before " in out
    assert "; 1 more are not sealed yet, and stay\n" in out
    answer = json.loads(
        run(changed, "--before", now(changed).isoformat(), "--reason", "x", "--dry-run", "--format", "json")
    )
    assert (answer["found"]["entries"], answer["found"]["unsealed"], answer["retired"]) == (2, 1, 0)
    changed.seal()
    verified = CliRunner().invoke(
        rlsguard,
        ["ledger", "verify", "--key", str(KEY.verifier), "--publish", str(changed.folder), "--dsn", changed.db.dsn()],
    )
    assert verified.output == (
        "8 entries recomputed, 8 of them covered by 2 checkpoints; 0 not sealed yet;"
        " 3 retired, of which the hash alone is here\n"
    )


def test_the_command_tells_of_entries_that_were_edited(changed: Log) -> None:
    changed.tamper("UPDATE rlsguard.change_entry SET payload = '{}' WHERE id = 2")
    out = run(changed, "--before", now(changed).isoformat(), "--reason", "old", code=1)
    assert out.splitlines()[2:] == [
        "4 entries retired, which is on record: rlsguard ledger seal publishes that",
        "1 stay, for they are not what was sealed: rlsguard ledger verify names them",
    ]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("yesterday", "is no date such as 2019-01-01"),
        ("2019-01-01T00:00:00", "has no UTC offset"),
        ("2999-01-01", "lies in the future"),
    ],
)
def test_a_time_that_is_none(changed: Log, text: str, why: str) -> None:
    assert why in " ".join(run(changed, "--before", text, "--reason", "old", code=2).split())
    assert ids(changed) == [1, 2, 3, 4, 5]


def test_a_day_begins_in_utc(changed: Log) -> None:
    before = json.loads(run(changed, "--before", "2019-01-01", "--reason", "x", "--dry-run", "--format", "json"))
    assert before["before"] == "2019-01-01T00:00:00+00:00"


def test_who_may_apply_may_retire(changed: Log) -> None:
    changed.db.execute("CREATE ROLE dba LOGIN CREATEROLE")
    if changed.db.conn.info.server_version >= 160_000:
        changed.db.execute("GRANT rlsguard_owner, rlsguard_nobody TO dba WITH ADMIN TRUE, INHERIT FALSE, SET FALSE")
    else:
        changed.db.execute("GRANT rlsguard_owner TO dba")
    run(changed, "--before", now(changed).isoformat(), "--reason", "old", user="dba")
    assert ids(changed) == []
    changed.seal()
    by = "SELECT convert_from(payload, 'UTF8')::json ->> 'retired_by' FROM rlsguard.retention"
    assert changed.db.execute(by) == [("dba",)]
    assert wrong(changed.verify()) == []


ACTIONS = st.tuples(
    st.sampled_from(["change", "change", "commit", "rollback", "seal", "seal", "retire", "retire", "delete"]),
    st.integers(0, 3),
)


@settings(
    max_examples=8,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(actions=st.lists(ACTIONS, min_size=10, max_size=30))
def test_what_is_named_is_what_plain_sets_say(audited: Log, actions: list[tuple[str, int]]) -> None:
    model = Model(audited)
    try:
        with audited.db.connect(autocommit=False) as conn:
            for action, number in actions:
                getattr(model, action)(number, conn)
                if action in ("retire", "delete"):
                    model.agrees()
            model.commit(0, conn)
            model.seal(0, conn)
        model.agrees()
    finally:
        model.mended()


class Model:
    """Which entries there are, which are sealed, and which went in which way."""

    def __init__(self, log: Log) -> None:
        self.log = log
        ((self.rows,),) = log.db.execute("SELECT coalesce(max(trans_id), 0) FROM bank.trans")
        self.begun: list[int] = []
        self.here: set[int] = set(ids(log))
        self.sealed = {entry for _, _, source, entry in log.leaves() if source == "change_entry"}
        self.retired = self.sealed - self.here
        self.deleted: set[int] = set()

    def change(self, number: int, conn: psycopg.Connection[Any]) -> None:
        """Change something in the transaction that is open, or in one of its own."""
        self.rows += 1
        by = conn if number % 2 else self.log.db.conn
        by.execute("INSERT INTO bank.trans VALUES (%s, 10, 1)", [self.rows])
        ((entry,),) = by.execute("SELECT last_value FROM rlsguard.change_entry_id_seq").fetchall()
        if number % 2:
            self.begun.append(entry)
        else:
            self.here.add(entry)

    def commit(self, number: int, conn: psycopg.Connection[Any]) -> None:
        conn.commit()
        self.here |= set(self.begun)
        self.begun = []

    def rollback(self, number: int, conn: psycopg.Connection[Any]) -> None:
        conn.rollback()
        self.begun = []

    def seal(self, number: int, conn: psycopg.Connection[Any]) -> None:
        self.log.seal()
        self.sealed |= self.here

    def retire(self, number: int, conn: psycopg.Connection[Any]) -> None:
        expected = sorted(self.here & self.sealed)[: number + 1]
        assert retire(self.log, most=number + 1) == len(expected)
        self.retired |= set(expected)
        self.here -= set(expected)

    def delete(self, number: int, conn: psycopg.Connection[Any]) -> None:
        """Take one that is there away, as only a superuser can, and that when nobody writes."""
        self.commit(number, conn)
        for entry in sorted(self.here)[number : number + 1]:
            self.log.tamper(cut(f"id = {entry}"))
            self.here.remove(entry)
            # Of what is not sealed nothing is known.
            if entry in self.sealed:
                self.deleted.add(entry)

    def agrees(self) -> None:
        assert set(ids(self.log)) == self.here
        verdict = self.log.verify() if self.log.leaves() else None
        if verdict is not None:
            named = {int(one.about.split()[1]) for one in verdict.wrong}
            assert {one.why for one in verdict.wrong} <= {"the entry is gone."}
            assert (named, verdict.retired) == (self.deleted, len(self.retired))

    def mended(self) -> None:
        """Record what was deleted, so that the next life of this database begins without it."""
        if self.deleted:
            ((last,),) = self.log.db.execute("SELECT coalesce(max(id), 0) + 1000 FROM rlsguard.retention")
            self.log.db.execute(recorded(ranges(self.deleted), len(self.deleted), id=last))
            self.log.seal()


def ranges(numbers: set[int]) -> str:
    return f"{{{','.join(f'[{number},{number + 1})' for number in sorted(numbers))}}}"


RANGES = st.lists(st.tuples(st.integers(0, 30), st.integers(1, 10), st.integers(0, 5)), max_size=12)


@given(drawn=RANGES)
def test_which_retention_names_an_entry_is_what_asking_each_says(drawn: list[tuple[int, int, int]]) -> None:
    named = [(start, start + length, (1, leaf)) for start, length, leaf in drawn]
    pieces = _pieces(named)
    for entry in range(-1, 42):
        for leaf in range(7):
            expected = any(start <= entry < stop and leaf < until[1] for start, stop, until in named)
            assert pieces.names(entry, 1, leaf) == expected


@given(numbers=st.sets(st.integers(-(2**63), 2**63 - 2), max_size=20))
def test_ranges_are_read_as_postgresql_writes_them(numbers: set[int]) -> None:
    assert list(spans(ranges(numbers))) == [(number, number + 1) for number in sorted(numbers)]


@pytest.mark.parametrize(
    "text",
    [
        None,
        7,
        "",
        "{",
        "{[1,)}",
        "{(,)}",
        "{[1,2]}",
        "{[1,2),}",
        "{[1,2) }",
        "[1,2)",
        "{[1,2)}\n",
        "{[" + "9" * 20 + ",1)}",
    ],
)
def test_anything_else_names_nothing(text: object) -> None:
    assert list(spans(text)) == []

"""Row changes of audited tables in the log: sealed like the ledger's entries, and as hard to change unseen."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path
from typing import Any

import psycopg
import pytest

from guarding import BANK, BANK_MAP, apply, small_bank
from rlsguard import seal as sealing
from rlsguard.problems import RlsguardError
from rlsguard.tlog import Keys, TlogError, verify_receipt
from seal.sealing import KEY, Log, wrong
from servers import Clone, Database
from tlog.signing import ORIGIN

pytestmark = pytest.mark.by_turns

AUDITED = BANK_MAP.replace("  bank.trans:\n    {holds", "  bank.trans:\n    {audit: true, holds").replace(
    "bank.client: {holds", "bank.client: {audit: {redact: [birth_number]}, holds"
)
BYTES = "the entry's bytes are not those that were sealed."
LEAF_HASH = "UPDATE rlsguard.change_entry SET leaf_hash = sha256('\\x00' || payload);"
LOG_LEAF = """
UPDATE rlsguard.log_leaf AS l SET hash = e.leaf_hash
FROM rlsguard.change_entry AS e WHERE l.source = 'change_entry' AND l.entry = e.id;
"""


@pytest.fixture
def audited(template_db: Clone, tmp_path: Path) -> Log:
    """The small bank, with the changes of two tables audited."""
    return Log(small_bank(template_db, AUDITED), tmp_path / "published")


@pytest.fixture
def changed(audited: Log) -> Log:
    """Three changes, which are entries 1 to 3, sealed as leaves 1 to 3 and published."""
    audited.db.execute("INSERT INTO bank.trans VALUES (1, 10, 1.5), (2, 20, 2)")
    audited.db.execute("UPDATE bank.trans SET amount = 7 WHERE trans_id = 1")
    audited.db.execute("DELETE FROM bank.trans WHERE trans_id = 2")
    audited.seal()
    assert sources(audited) == ["log_epoch 1", "change_entry 1", "change_entry 2", "change_entry 3"]
    return audited


def sources(log: Log) -> list[str]:
    return [f"{source} {entry}" for _, _, source, entry in log.leaves()]


def rows(log: Log, columns: str = "operation, old_row, new_row") -> list[tuple[Any, ...]]:
    return log.db.execute(f"SELECT {columns} FROM rlsguard.change_event ORDER BY id, line")


def test_what_was_recorded_and_what_was_changed_are_sealed_in_one_order(audited: Log) -> None:
    with audited.db.connect(autocommit=False) as slow:
        slow.execute("UPDATE bank.trans SET amount = 9 WHERE trans_id = 1000")
        audited.record(1)
        audited.db.execute("DELETE FROM bank.trans WHERE trans_id = 1001")
        assert audited.seal().head.sealed == 3
        slow.commit()
    with audited.db.connect(autocommit=False) as undone:
        undone.execute("DELETE FROM bank.trans")
        undone.rollback()
    assert audited.seal().head.sealed == 1
    assert sources(audited) == ["log_epoch 1", "opt_out_event 1", "change_entry 2", "change_entry 1"]
    verdict = audited.verify()
    assert (wrong(verdict), verdict.entries, verdict.covered, verdict.waiting) == ([], 4, 4, 0)


EDITS = {
    "content": (
        "UPDATE rlsguard.change_entry SET content = replace(content, '1.5', '1.6') WHERE id = 1",
        "its columns do not say what was sealed: content.",
    ),
    "content with another salt": (
        "UPDATE rlsguard.change_entry SET content = '', salt = sha256('') WHERE id = 1",
        "its columns do not say what was sealed: content.",
    ),
    "a salt of another length": (
        "UPDATE rlsguard.change_entry SET salt = salt || left(content, 1)::bytea, content = substr(content, 2)"
        " WHERE id = 1",
        "its columns do not say what was sealed: content.",
    ),
    "content gone": (
        "UPDATE rlsguard.change_entry SET content = NULL, salt = NULL WHERE id = 1",
        "its personal values are gone, and no erasure is on record.",
    ),
    "salt gone": (
        "UPDATE rlsguard.change_entry SET salt = NULL WHERE id = 1",
        "its personal values are gone, and no erasure is on record.",
    ),
    "time": (
        "UPDATE rlsguard.change_entry SET changed_at = changed_at - interval '1 day' WHERE id = 1",
        "its columns do not say what was sealed: changed_at.",
    ),
    "transaction": (
        "UPDATE rlsguard.change_entry SET transaction_id = '3' WHERE id = 1",
        "its columns do not say what was sealed: transaction_id.",
    ),
    "bytes": (
        "UPDATE rlsguard.change_entry SET payload = replace(convert_from(payload, 'UTF8'), 'postgres', 'teller_app')"
        "::bytea WHERE id = 1",
        BYTES,
    ),
    "bytes and hash": (
        "UPDATE rlsguard.change_entry SET payload = replace(convert_from(payload, 'UTF8'), 'postgres', 'teller_app')"
        "::bytea WHERE id = 1;" + LEAF_HASH,
        BYTES,
    ),
    "deleted": ("DELETE FROM rlsguard.change_entry WHERE id = 1", "the entry is gone."),
}


@pytest.mark.parametrize("what", EDITS)
def test_a_row_change_that_was_edited_is_named(changed: Log, what: str) -> None:
    statement, why = EDITS[what]
    changed.tamper(statement)
    assert wrong(changed.verify()) == [f"change_entry 1 (leaf 1): {why}"]


def test_one_that_was_rewritten_down_to_the_log_does_not_fit_what_was_published(changed: Log) -> None:
    changed.tamper(EDITS["bytes and hash"][0] + LOG_LEAF)
    why = "the entries are not those that were published: the first other one is of the leaves 0 to 3."
    assert wrong(changed.verify()) == [f"checkpoint of 4 entries: {why}"]


def test_swapped_entries_are_named(changed: Log) -> None:
    changed.db.execute("ALTER TABLE rlsguard.change_entry ALTER id SET GENERATED BY DEFAULT")
    changed.tamper(
        "UPDATE rlsguard.change_entry SET id = -id WHERE id < 3;"
        "UPDATE rlsguard.change_entry SET id = 3 + id WHERE id < 0"
    )
    assert wrong(changed.verify()) == [
        f"change_entry 1 (leaf 1): {BYTES}",
        f"change_entry 2 (leaf 2): {BYTES}",
    ]


def test_one_that_is_put_in_behind_the_seal_is_named(changed: Log) -> None:
    changed.tamper(
        "INSERT INTO rlsguard.change_entry OVERRIDING SYSTEM VALUE"
        " SELECT 77, transaction_id, changed_at, payload, content, salt, leaf_hash"
        " FROM rlsguard.change_entry WHERE id = 1"
    )
    why = "it was put in behind the seal: transactions of its time are sealed."
    assert wrong(changed.verify()) == [f"change_entry 77: {why}"]


def test_settings_of_the_session_change_no_text_form(audited: Log) -> None:
    audited.db.execute(
        "ALTER TABLE bank.trans ADD at timestamptz, ADD took interval, ADD share float8, ADD raw bytea,"
        " ADD due daterange"
    )
    values = "'2026-03-29 01:30+00', '1 day 02:03:04', 0.1::float8 * 3, '\\x00ff', '[2026-01-02,2026-02-03)'"
    odd = (
        "SET TimeZone = 'Asia/Kathmandu'; SET DateStyle = 'SQL, DMY'; SET IntervalStyle = 'postgres_verbose';"
        "SET extra_float_digits = -3; SET bytea_output = 'escape'; SET client_encoding = 'LATIN1';"
    )
    for number, settings in enumerate(("", odd), 1):
        with audited.db.connect() as conn:
            conn.execute(f"{settings} INSERT INTO bank.trans VALUES ({number}, 10, 1, {values})")
            conn.execute("UPDATE bank.trans SET amount = 2 WHERE trans_id = %s", [number])
            conn.execute("DELETE FROM bank.trans WHERE trans_id = %s", [number])
    contents = [
        content.replace('"trans_id":2', '"trans_id":1')
        for (content,) in audited.db.execute("SELECT content FROM rlsguard.change_entry ORDER BY id")
    ]
    assert contents[:3] == contents[3:]
    assert json.loads(contents[0].split("\n")[2]) == [
        {
            "trans_id": 1,
            "account_id": 10,
            "amount": 1,
            "at": "2026-03-29T01:30:00+00:00",
            "took": "P1DT2H3M4S",
            "share": 0.30000000000000004,
            "raw": "\\x00ff",
            "due": "[2026-01-02,2026-02-03)",
        }
    ]
    with audited.db.connect() as conn:
        conn.execute(odd)
        audited.seal()
    for setting in ("TimeZone = 'Asia/Kathmandu'", "DateStyle = 'SQL, DMY'"):
        audited.db.execute(f"ALTER DATABASE {audited.db.name} SET {setting}")
    assert wrong(audited.verify()) == []


def test_a_row_of_json_that_no_text_can_hold_is_recorded_and_keeps_no_other_from_being_read(audited: Log) -> None:
    audited.db.execute("ALTER TABLE bank.trans ADD doc json")
    poison = '{"a": "\\u0000",\n"b": 1e999999, "c": "\\ud800"}'
    with audited.db.connect() as conn:
        conn.execute("INSERT INTO bank.trans VALUES (1, 10, 1, %s), (2, 10, 1, '{\"a\": 1}')", [poison])
        conn.execute("UPDATE bank.trans SET amount = 2 WHERE trans_id = 1")
        conn.execute("DELETE FROM bank.trans WHERE trans_id = 2")
    assert [row[0] for row in rows(audited, "operation, claimed_actor, session_role")] == [
        "INSERT",
        "INSERT",
        "UPDATE",
        "DELETE",
    ]
    assert audited.db.execute(
        "SELECT new_row -> 'doc' ->> 'a' FROM rlsguard.change_event WHERE id = 1 AND line = 2"
    ) == [("1",)]
    assert (
        poison.replace("\n", " ")
        in audited.db.execute("SELECT new_row::text FROM rlsguard.change_event WHERE id = 1 AND line = 1")[0][0]
    )
    audited.seal()
    assert wrong(audited.verify()) == []


def test_json_that_is_nested_as_deeply_as_can_be_keeps_no_other_from_being_read(audited: Log) -> None:
    audited.db.execute(
        "ALTER TABLE bank.trans ADD doc json; CREATE TABLE bank.plain (doc json);"
        "CREATE FUNCTION public.read() RETURNS bigint LANGUAGE plpgsql AS"
        " 'BEGIN RETURN (SELECT count(*) FROM rlsguard.change_event WHERE new_row IS NOT NULL); END'"
    )

    def written(statement: str, depth: int) -> bool:
        try:
            audited.db.execute(statement, ["[" * depth + "]" * depth])
        except psycopg.errors.StatementTooComplex:
            return False
        return True

    insert = "INSERT INTO bank.trans SELECT max(trans_id) + 1, 10, 1, %s FROM bank.trans"
    for statement in (insert, "UPDATE bank.trans SET doc = %s WHERE trans_id = 1000"):
        low, high = 1000, 50_000
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if written(statement, middle) else (low, middle)
        # The audit needs some room, and takes no more than that.
        assert not written("INSERT INTO bank.plain VALUES (%s)", high + 2000)
        assert written("INSERT INTO bank.plain VALUES (%s)", high)
        ((known,),) = audited.db.execute("SELECT count(*) FROM rlsguard.change_entry")
        assert audited.db.execute("SELECT public.read() >= %s", [known]) == [(True,)]


def test_sessions_that_read_backslashes_in_old_ways_are_audited_and_may_seal(audited: Log) -> None:
    audited.db.execute(f"ALTER DATABASE {audited.db.name} SET standard_conforming_strings = off")
    with audited.db.connect() as conn:
        conn.execute("INSERT INTO bank.trans VALUES (1, 10, 1); UPDATE bank.trans SET amount = 2")
    with audited.db.connect(autocommit=False) as conn:
        conn.execute("INSERT INTO bank.trans SELECT 5000 + i, 10, i FROM generate_series(1, 300) AS i")
        for i in range(300):
            conn.execute("UPDATE bank.trans SET amount = %s WHERE trans_id = 1", [i])
        conn.commit()
    audited.seal()
    verdict = audited.verify()
    assert (wrong(verdict), verdict.entries) == ([], 1 + 5 + 1 + 300)


@pytest.mark.parametrize("arguments", ["'no array'", "'{{a},{b}}', '{{c,d}}'", "'{a}'"])
def test_a_trigger_of_somebodys_own_keeps_no_other_row_from_being_read(db: Database, arguments: str) -> None:
    db.execute(BANK)
    db.execute(
        "CREATE ROLE maker LOGIN; GRANT USAGE, CREATE ON SCHEMA bank TO maker; SET ROLE maker;"
        "CREATE TABLE bank.card (card_id int, client_id int NOT NULL) PARTITION BY RANGE (card_id); RESET ROLE"
    )
    apply(db, AUDITED + "  bank.card: {holds: [personal], audit: true, subject: {client: client_id}}\n")
    db.execute("GRANT rlsguard_recorder TO maker; UPDATE bank.trans SET amount = 1")
    with db.connect("maker") as conn:
        conn.execute(
            "CREATE TABLE bank.own (a int); CREATE TRIGGER own AFTER TRUNCATE ON bank.own"
            f" FOR EACH STATEMENT EXECUTE FUNCTION rlsguard.audit_change({arguments})"
        )
        with suppress(psycopg.DataError):
            conn.execute("TRUNCATE bank.own")
    told = db.execute("SELECT table_name, withheld FROM rlsguard.change_event ORDER BY id")
    assert told[:3] == [("bank.trans", None)] * 3


def test_many_rows_of_one_statement_share_entries_of_a_size(audited: Log) -> None:
    many = 5000
    audited.db.execute(f"INSERT INTO bank.trans SELECT 10000 + i, 10, i FROM generate_series(1, {many}) AS i")
    audited.db.execute("INSERT INTO bank.trans SELECT 90000 + i, 10, i FROM generate_series(1, 3) AS i")
    audited.db.execute("DELETE FROM bank.trans WHERE trans_id > 10000")
    entries = audited.db.execute("SELECT id, length(content) FROM rlsguard.change_entry")
    assert len(entries) < 20
    assert max(length for _, length in entries) < 70_000
    inserted = [row["trans_id"] for operation, _, row in rows(audited) if operation == "INSERT"]
    deleted = [row["trans_id"] for operation, row, _ in rows(audited) if operation == "DELETE"]
    expected = [*range(10001, 10001 + many), 90001, 90002, 90003]
    assert (inserted, sorted(deleted)) == (expected, expected)
    said = audited.db.execute(
        "SELECT sum((convert_from(payload, 'UTF8')::json ->> 'rows')::int)::int FROM rlsguard.change_entry"
    )
    assert said == [(2 * len(expected),)]
    # A row larger than an entry has one of its own.
    audited.db.execute("ALTER TABLE bank.trans ADD note text")
    audited.db.execute(
        "INSERT INTO bank.trans SELECT i, 10, i, repeat('x', 100000 * (i - 1)) FROM generate_series(1, 3) AS i"
    )
    lengths = [len(row["note"]) for _, _, row in rows(audited)[-3:]]
    assert lengths == [0, 100_000, 200_000]
    audited.seal()
    assert wrong(audited.verify()) == []


def test_a_row_of_nothing_but_null_is_a_row(audited: Log) -> None:
    audited.db.execute("CREATE TABLE bank.note (a int, b text)")
    apply(audited.db, AUDITED + "  bank.note: {holds: [], audit: true}\n")
    audited.db.execute(
        "INSERT INTO bank.note VALUES (NULL, NULL); UPDATE bank.note SET a = NULL; DELETE FROM bank.note"
    )
    nothing = {"a": None, "b": None}
    assert rows(audited) == [("INSERT", None, nothing), ("UPDATE", nothing, nothing), ("DELETE", nothing, None)]


def test_statements_that_touch_no_row_leave_no_entry(audited: Log) -> None:
    audited.db.execute(
        "INSERT INTO bank.trans SELECT 1, 10, 1 WHERE false;"
        "UPDATE bank.trans SET amount = 1 WHERE false; DELETE FROM bank.trans WHERE false"
    )
    assert rows(audited) == []


def test_payload_and_content_hold_what_they_should(audited: Log) -> None:
    with audited.db.connect("teller_app", application_name='counter "4"') as conn:
        conn.execute("SET rlsguard.actor = 'clerk:17'")
        conn.execute("UPDATE bank.client SET birth_number = '111111' WHERE client_id = 1")
    ((payload, content, hashed),) = audited.db.execute(
        "SELECT convert_from(payload, 'UTF8'), content, encode(sha256(salt || convert_to(content, 'UTF8')), 'hex')"
        " FROM rlsguard.change_entry"
    )
    said = json.loads(payload)
    assert {said.pop(name) is None for name in ("changed_at", "transaction_id", "table_oid")} == {False}
    assert said == {
        "id": 1,
        "schema": "bank",
        "table": "client",
        "operation": "UPDATE",
        "rows": 1,
        "redacted": '{"birth_number"}',
        "hashed": "{}",
        "session_role": "teller_app",
        "current_role": "teller_app",
        "content": {"sha256": hashed},
    }
    assert [json.loads(line) for line in content.split("\n")] == [
        {"actor": "clerk:17", "client_address": None, "application_name": 'counter "4"'},
        [{"client_id": 1}],
        [{"client_id": 1}],
    ]
    # Two equal changes have nothing in common by which one could be guessed from the other.
    audited.db.execute("UPDATE bank.client SET client_id = client_id; ")
    hashes = {
        json.loads(p)["content"]["sha256"]
        for (p,) in audited.db.execute("SELECT convert_from(payload, 'UTF8') FROM rlsguard.change_entry")
    }
    assert len(hashes) == 4


def test_a_writer_may_not_write_to_the_audit_itself(audited: Log) -> None:
    for statement in (
        "INSERT INTO rlsguard.change_entry DEFAULT VALUES",
        "SELECT rlsguard.next_rows('c')",
        "SELECT rlsguard.as_json(1, 1)",
        "SELECT rlsguard.change_content('x')",
    ):
        with audited.db.connect("teller_app") as conn, pytest.raises(psycopg.errors.InsufficientPrivilege):
            conn.execute(statement)


def test_a_receipt_tells_the_change_and_proves_it(changed: Log) -> None:
    with changed.db.connect() as conn:
        told = sealing.receipt(conn, 2, change=True).to_bytes()
        silent = sealing.receipt(conn, 2, change=True, disclose=False).to_bytes()
        with pytest.raises(RlsguardError, match="the audit of row changes has no entry 9"):
            sealing.receipt(conn, 9, change=True)
    keys = Keys(ORIGIN, (KEY.verifier,))
    proven = verify_receipt(told, keys)
    assert (proven.entry["table"], proven.entry["operation"], proven.index, proven.size) == ("trans", "UPDATE", 2, 4)
    _, before, after = proven.disclosed["content"].split("\n")
    assert (json.loads(before)[0]["amount"], json.loads(after)[0]["amount"]) == (1.5, 7)
    assert verify_receipt(silent, keys).disclosed == {}
    with pytest.raises(TlogError):
        verify_receipt(told.replace(b'"amount\\":7', b'"amount\\":8'), keys)

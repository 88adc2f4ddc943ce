"""Taking a person out of the recorded row changes: every proof stays, and nobody else's rows go."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import sql

from guarding import BANK, BANK_MAP, apply, load, small_bank
from rlsguard import seal as sealing
from rlsguard.problems import RlsguardError
from rlsguard.seal import Erased
from rlsguard.sqlfiles import read
from seal.sealing import Log, wrong
from servers import Clone, Database

pytestmark = pytest.mark.by_turns

AUDITED = (
    BANK_MAP.replace("  bank.trans:\n    {holds", "  bank.trans:\n    {audit: true, holds")
    .replace("bank.client: {holds", "bank.client: {audit: true, holds")
    .replace("bank.disp: {holds", "bank.disp: {audit: true, holds")
)


@pytest.fixture
def audited(template_db: Clone, tmp_path: Path) -> Log:
    """The small bank, audited, with an account of client 3 alone (20), one of 1 and 2 (10), and one of 1 alone (30)."""
    log = Log(small_bank(template_db, AUDITED), tmp_path / "published")
    log.db.execute("INSERT INTO bank.account VALUES (30); INSERT INTO bank.disp VALUES (103, 1, 30)")
    return log


def erase(log: Log, key: object, *, text: str = AUDITED, with_key: bool = False, dry_run: bool = False) -> Erased:
    with log.db.connect() as conn:
        return sealing.erase(
            conn, "client", str(key), with_key=with_key, reason="asked for", datamap=load(text), dry_run=dry_run
        )


def rows(log: Log, where: str = "true") -> list[tuple[Any, ...]]:
    return log.db.execute(
        f"SELECT id, operation, old_row, new_row FROM rlsguard.change_event WHERE {where} ORDER BY id, line"
    )


def number(erased: Erased) -> dict[str, tuple[int, int]]:
    """Return how many rows of each table there were, and how many links that others share."""
    return {str(change.table): (len(change.rows), change.shared) for change in erased.changes}


def test_single_rows_of_a_person_go_and_all_that_is_proven_stays(audited: Log) -> None:
    audited.db.execute("UPDATE bank.client SET birth_number = 'x' || birth_number")
    audited.db.execute("UPDATE bank.trans SET amount = amount + 1")
    audited.seal()
    before = rows(audited, "operation = 'UPDATE'")
    ((sealed,),) = audited.db.execute("SELECT count(*) FROM rlsguard.change_entry")
    erased = erase(audited, 3)
    # Client 3's own row, and the one payment of account 20, which is nobody else's.
    assert number(erased) == {"bank.client": (1, 0), "bank.disp": (0, 0), "bank.trans": (1, 0)}
    gone = {change for table in erased.changes for change, _ in table.rows}
    after = {change: (old, new) for change, _, old, new in rows(audited, "operation = 'UPDATE'")}
    for change, _, old, new in before:
        assert after[change] == ((None, None) if change in gone else (old, new))
    assert "800303" not in "".join(c for (c,) in audited.db.execute("SELECT content FROM rlsguard.change_entry") if c)
    verdict = audited.verify()
    assert (wrong(verdict), verdict.waiting) == ([], 1)
    audited.seal()
    verdict = audited.verify()
    assert (wrong(verdict), verdict.covered) == ([], sealed + 2)
    assert number(erase(audited, 3)) == {"bank.client": (0, 0), "bank.disp": (0, 0), "bank.trans": (0, 0)}


def test_of_what_others_share_nothing_goes(audited: Log) -> None:
    audited.db.execute("INSERT INTO bank.trans VALUES (1, 10, 1), (2, 20, 2), (3, 30, 3), (4, 30, 4)")
    assert number(erase(audited, 1))["bank.trans"] == (2, 1)
    assert [row["trans_id"] for _, _, _, row in rows(audited, "table_name = 'bank.trans' AND new_row IS NOT NULL")] == [
        1,
        2,
    ]


def test_the_other_rows_of_a_statement_are_restated(audited: Log) -> None:
    audited.db.execute(
        "INSERT INTO bank.trans SELECT i, CASE i % 2 WHEN 0 THEN 20 ELSE 30 END, i FROM generate_series(1, 9) AS i"
    )
    with audited.db.connect("teller_app", application_name="counter 4") as conn:
        conn.execute("SET rlsguard.actor = 'clerk:17'; DELETE FROM bank.trans WHERE trans_id < 1000")
    audited.seal()
    told = (
        "operation, table_name, changed_at, session_role, current_role_name, claimed_actor, application_name, withheld"
    )
    told += ", old_row::text, new_row::text"
    before = audited.db.execute(
        f"SELECT {told} FROM rlsguard.change_event WHERE id > 1 AND coalesce(old_row, new_row) ->> 'account_id' = '20'"
    )
    assert len(before) == 8
    assert number(erase(audited, 1))["bank.trans"] == (10, 1)
    after = audited.db.execute(f"SELECT {told} FROM rlsguard.change_event WHERE restates IS NOT NULL")
    assert sorted(map(str, after)) == sorted(map(str, before))
    restated = audited.db.execute(
        "SELECT DISTINCT id, restates FROM rlsguard.change_event WHERE restates IS NOT NULL ORDER BY id"
    )
    assert restated == [(4, 2), (5, 3)]
    assert wrong(audited.verify()) == []
    audited.seal()
    assert wrong(audited.verify()) == []
    # What was restated is sealed like anything else.
    audited.tamper(
        "UPDATE rlsguard.change_entry SET content = replace(content, '\"amount\":2', '\"amount\":9') WHERE id = 4"
    )
    assert wrong(audited.verify()) == ["change_entry 4 (leaf 4): its columns do not say what was sealed: content."]


def test_a_person_is_followed_over_links_that_are_only_recorded(audited: Log) -> None:
    audited.db.execute("INSERT INTO bank.trans VALUES (1, 30, 1)")
    audited.db.execute("DELETE FROM bank.trans WHERE trans_id = 1; DELETE FROM bank.disp WHERE disp_id = 103")
    assert number(erase(audited, 1)) == {"bank.client": (0, 0), "bank.disp": (2, 0), "bank.trans": (2, 1)}


def test_a_row_that_no_text_can_hold_keeps_nobody_from_being_erased(audited: Log) -> None:
    audited.db.execute("ALTER TABLE bank.trans ADD doc json")
    with audited.db.connect() as conn:
        conn.execute(
            "INSERT INTO bank.trans VALUES (1, 30, 1, %s)", ['{"a": "\\u0000", "b": "\\ud800", "c": "\\\\u0000"}']
        )
        conn.execute("INSERT INTO bank.trans VALUES (2, 20, 1, %s)", ['{"a": "\\u0000", "b": "\\ud800"}'])
    assert number(erase(audited, 1))["bank.trans"] == (1, 1)


def test_a_backslash_in_a_text_is_no_escape(audited: Log) -> None:
    audited.db.execute("ALTER TABLE bank.trans ADD note text")
    with audited.db.connect() as conn:
        for line, note in enumerate((r"\ud8", r"\\u0000", "\\", "\x01", "\x1f"), 1):
            conn.execute("INSERT INTO bank.trans VALUES (%s, 30, 1, %s)", [line, note])
    assert number(erase(audited, 1))["bank.trans"] == (5, 1)


@pytest.mark.parametrize("key", ["plain", r"\u0000", r"\ud8", "100%s", "{0}", 'a"b', "it's", "a\nb\x01", "ÄÖ 😀"])
def test_a_key_is_found_however_it_is_spelled(db: Database, tmp_path: Path, key: str) -> None:
    db.execute(
        'CREATE SCHEMA "o%s{}""d"; CREATE TABLE "o%s{}""d"."t%b{x}" ("k%t{0}" text PRIMARY KEY, doc json)',
    )
    text = """
version: 1
subjects: {person: {table: '"o%s{}""d"."t%b{x}"', key: '"k%t{0}"'}}
purposes: {marketing: {}}
tables: {'"o%s{}""d"."t%b{x}"': {holds: [personal], audit: {hash: [HASH]}, subject: {person: '"k%t{0}"'}}}
"""
    log = Log(db, tmp_path / "published")
    for number, hashed in enumerate(("", "'\"k%t{0}\"'")):
        apply(db, text.replace("HASH", hashed))
        insert = sql.SQL("INSERT INTO {} VALUES ({}, '1')").format(
            sql.Identifier('o%s{}"d', "t%b{x}"), sql.Literal(f"{key}{number}")
        )
        db.execute(insert)
        with db.connect() as conn:
            found = sealing.erase(
                conn, "person", f"{key}{number}", with_key=False, reason="x", datamap=load(text.replace("HASH", hashed))
            )
            assert len(found.changes[0].rows) == 1
            with pytest.raises(RlsguardError, match="is still there"):
                sealing.erase(conn, "person", f"{key}{number}", with_key=True, reason="x")
    assert wrong(log.verify()) == []


def test_what_is_recorded_of_partitions_and_children_is_found(db: Database) -> None:
    db.execute(BANK)
    db.execute(
        "CREATE TABLE bank.card (card_id int NOT NULL, client_id int NOT NULL) PARTITION BY RANGE (card_id);"
        "CREATE TABLE bank.low PARTITION OF bank.card FOR VALUES FROM (0) TO (100) PARTITION BY RANGE (card_id);"
        "CREATE TABLE bank.lowest PARTITION OF bank.low FOR VALUES FROM (0) TO (50);"
        "CREATE TABLE bank.letter (card_id int NOT NULL); CREATE TABLE bank.vip () INHERITS (bank.client)"
    )
    text = AUDITED + (
        "  bank.card: {holds: [personal], audit: true, subject: {client: client_id}}\n"
        "  bank.letter: {holds: [personal], audit: true, subject: {client: [card_id = bank.card.card_id, client_id]}}\n"
    )
    apply(db, text)
    db.execute(
        "INSERT INTO bank.card VALUES (1, 3), (2, 1); INSERT INTO bank.letter VALUES (1), (2);"
        "UPDATE bank.lowest SET client_id = client_id; DELETE FROM bank.card; INSERT INTO bank.vip VALUES (3, 'x')"
    )
    with db.connect() as conn:
        erased = sealing.erase(conn, "client", "3", with_key=False, reason="x", datamap=load(text))
    assert {str(change.table): len(change.rows) for change in erased.changes} == {
        "bank.client": 1,
        "bank.disp": 0,
        "bank.trans": 0,
        "bank.card": 3,
        "bank.letter": 1,
    }


def test_a_table_that_was_restored_or_renamed_is_still_the_table(audited: Log) -> None:
    audited.db.execute("UPDATE bank.disp SET client_id = client_id; UPDATE bank.trans SET amount = 1")
    audited.db.execute(
        "ALTER TABLE bank.trans RENAME TO old; CREATE TABLE bank.trans (LIKE bank.old INCLUDING ALL);"
        "DROP TABLE bank.old; ALTER TABLE bank.disp RENAME TO holder"
    )
    text = AUDITED.replace("bank.disp", "bank.holder")
    assert number(erase(audited, 3, text=text)) == {"bank.client": (0, 0), "bank.holder": (1, 0), "bank.trans": (1, 0)}


def test_a_hashed_key_is_found_and_a_redacted_one_is_told(audited: Log) -> None:
    hashed = AUDITED.replace("bank.disp: {audit: true", "bank.disp: {audit: {hash: [client_id]}").replace(
        "{audit: true, holds: [financial]", "{audit: {redact: [account_id]}, holds: [financial]"
    )
    apply(audited.db, hashed)
    audited.db.execute("UPDATE bank.disp SET account_id = account_id; UPDATE bank.trans SET amount = 0")
    erased = erase(audited, 3, text=hashed)
    assert number(erased) == {"bank.client": (0, 0), "bank.disp": (1, 0), "bank.trans": (0, 0)}
    assert erased.changes[2].redacted == ("account_id",)


def test_verifying_does_not_read_what_was_erased_again_for_each_entry(audited: Log) -> None:
    audited.db.execute("INSERT INTO bank.trans SELECT i, 30, i FROM generate_series(1, 500) AS i")
    audited.db.execute("UPDATE bank.trans SET amount = 0")
    audited.record(1)
    audited.seal()
    assert number(erase(audited, 1))["bank.trans"] == (1000, 1)
    assert wrong(audited.verify()) == []
    for statistics in ("ANALYZE rlsguard.change_entry", "ANALYZE rlsguard.erasure, rlsguard.log_leaf"):
        audited.db.execute(statistics)
        plan = "\n".join(line for (line,) in audited.db.execute(f"EXPLAIN VERBOSE {read('seal/leaves.sql')}", [1]))
        assert "(hashed SubPlan" in plan
        assert "(SubPlan" not in plan


def test_a_dry_run_erases_nothing(audited: Log) -> None:
    audited.record(3)
    audited.db.execute("UPDATE bank.client SET birth_number = 'x'")
    before = audited.db.execute("SELECT id, content, salt FROM rlsguard.change_entry ORDER BY id")
    assert number(erase(audited, 3, dry_run=True))["bank.client"] == (1, 0)
    assert audited.db.execute("SELECT id, content, salt FROM rlsguard.change_entry ORDER BY id") == before
    assert audited.db.execute("SELECT count(*) FROM rlsguard.erasure") == [(0,)]


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE rlsguard.change_entry SET content = NULL, salt = NULL",
        "UPDATE rlsguard.change_entry SET content = 'x', salt = NULL",
        "DELETE FROM rlsguard.change_entry",
    ],
)
def test_without_an_erasure_on_record_nothing_goes(audited: Log, statement: str) -> None:
    audited.db.execute("UPDATE bank.client SET birth_number = 'x'")
    erase(audited, 3)
    with audited.db.connect() as conn, pytest.raises(psycopg.errors.InsufficientPrivilege, match="it only grows"):
        conn.execute(statement)


def test_content_that_comes_back_after_an_erasure_is_named(audited: Log) -> None:
    audited.db.execute("UPDATE bank.client SET birth_number = 'x'")
    audited.seal()
    ((entry, _),) = erase(audited, 3).changes[0].rows
    audited.tamper(f"UPDATE rlsguard.change_entry SET content = 'forged' WHERE id = {entry}")
    assert wrong(audited.verify()) == [
        f"change_entry {entry} (leaf {entry}): its columns do not say what was sealed: content."
    ]
    audited.tamper(f"UPDATE rlsguard.change_entry SET content = NULL, salt = sha256('') WHERE id = {entry}")
    assert wrong(audited.verify()) == [
        f"change_entry {entry} (leaf {entry}): its columns do not say what was sealed: content."
    ]
    audited.tamper(
        f"UPDATE rlsguard.change_entry SET content = NULL, salt = NULL WHERE id = {entry}; DELETE FROM rlsguard.erasure"
    )
    why = "its personal values are gone, and no erasure is on record."
    assert wrong(audited.verify()) == [f"change_entry {entry} (leaf {entry}): {why}"]


def test_what_was_erased_and_what_was_restated_can_be_retired(audited: Log) -> None:
    audited.db.execute("INSERT INTO bank.trans VALUES (1, 30, 1), (2, 20, 2)")
    audited.db.execute("UPDATE bank.client SET birth_number = 'x'")
    audited.seal()
    erase(audited, 1)
    audited.seal()
    assert audited.db.execute("SELECT rlsguard.retire(clock_timestamp(), 'seven years', 100)") == [(6,)]
    audited.seal()
    verdict = audited.verify()
    assert (wrong(verdict), verdict.retired, verdict.waiting) == ([], 6, 0)


def test_what_is_also_about_another_person_stays(audited: Log) -> None:
    text = (
        f"{AUDITED}  bank.gift:\n    {{holds: [financial], audit: true, when_unknown: show,"
        " subject: {client: {paths: [giver, taker]}}}\n"
    )
    audited.db.execute("CREATE TABLE bank.gift (id int PRIMARY KEY, giver int, taker int)")
    apply(audited.db, text)
    audited.db.execute("INSERT INTO bank.gift VALUES (1, 3, 1), (2, 3, 3), (3, 3, NULL), (4, 1, 2)")
    audited.db.execute("UPDATE bank.gift SET giver = 1, taker = 1 WHERE id = 3")
    # Gifts 2 and 3 go; not 1, which is client 1's as well, nor what turns one person's row into another's.
    assert number(erase(audited, 3, text=text))["bank.gift"] == (2, 2)
    left = "SELECT new_row ->> 'id' FROM rlsguard.change_event WHERE table_name = 'bank.gift' AND new_row IS NOT NULL"
    assert audited.db.execute(f"{left} ORDER BY 1") == [("1",), ("3",), ("4",)]

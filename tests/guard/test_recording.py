"""opt_out() and opt_in(): strict, versioned, and right under concurrency."""

from __future__ import annotations

import hashlib
import itertools
import json
import threading
import time

import psycopg
import pytest
from psycopg.rows import dict_row

from guarding import BANK, BANK_MAP, HEAD, WITHOUT_1, apply, column, opt_in, opt_out, small_bank, visible
from rlsguard.uninstall import uninstall


@pytest.fixture
def bank(template_db):
    return small_bank(template_db, BANK_MAP)


def events(db) -> list[dict]:
    with db.connect(row_factory=dict_row) as conn:
        return conn.execute("SELECT * FROM rlsguard.opt_out_event ORDER BY id").fetchall()


def test_the_recorder_role_is_all_that_a_client_needs(bank):
    with bank.connect() as conn:
        conn.execute("CREATE ROLE privacy_desk LOGIN; GRANT rlsguard_recorder TO privacy_desk")
    with bank.connect("privacy_desk", application_name="desk", row_factory=dict_row) as conn:
        entries = conn.execute(
            "SELECT * FROM rlsguard.opt_out('client', '1', '{marketing,analytics}', 'agent:jane', 'phone call', "
            "'{\"ticket\": 7}', '2026-01-02 03:04:05+01')"
        ).fetchall()
    assert [(e["purpose"], e["version"], e["action"]) for e in entries] == [
        ("analytics", 1, "opt_out"),
        ("marketing", 1, "opt_out"),
    ]
    entry = events(bank)[0]
    assert entry == entries[0]
    assert entry["recorded_by"] == "privacy_desk"
    assert entry["recorded_as"] == "privacy_desk"
    assert entry["actor"] == "agent:jane"
    assert entry["reason"] == "phone call"
    assert entry["context"] == {"ticket": 7}
    assert entry["application_name"] == "desk"
    assert entry["requested_at"].isoformat() == "2026-01-02T02:04:05+00:00"
    assert entry["recorded_at"] > entry["requested_at"]
    assert entry["transaction_id"] is not None
    for denied in (
        "SELECT * FROM rlsguard.opt_out_event",
        "INSERT INTO rlsguard.opt_out_client VALUES (1, '', true, 1)",
    ):
        with bank.connect("privacy_desk") as conn, pytest.raises(psycopg.errors.InsufficientPrivilege):
            conn.execute(denied)


DEEP = '{"a":' + "[" * 33 + "]" * 33 + "}"


@pytest.mark.by_turns
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("'clint', '1', '{marketing}', 'a', 'r'", "there is no subject kind 'clint'"),
        ("NULL, '1', '{marketing}', 'a', 'r'", "there is no subject kind NULL"),
        ("'client', '1', '{marketin}', 'a', 'r'", "there is no purpose 'marketin'"),
        ("'client', '1', '{marketing,NULL}', 'a', 'r'", "there is no purpose NULL"),
        ("'client', '1', '{servicing}', 'a', 'r'", "nobody may opt out of purpose 'servicing'"),
        ("'client', '1', '{}', 'a', 'r'", "name at least one purpose"),
        ("'client', '1', NULL, 'a', 'r'", "name at least one purpose"),
        ("'client', '1', '{marketing}', '', 'r'", "the actor is missing: who asked?"),
        ("'client', '1', '{marketing}', ' ', 'r'", "the actor is missing: who asked?"),
        ("'client', '1', '{marketing}', NULL, 'r'", "the actor is missing: who asked?"),
        ("'client', NULL, '{marketing}', 'a', 'r'", "the key of a client is missing"),
        ("'client', 'one', '{marketing}', 'a', 'r'", "'one' is not the key of a client: invalid input syntax"),
        ("'client', '1', '{marketing}', 'a', 'r', '[]'", "the context must be a JSON object"),
        ("'client', '1', '{marketing}', 'a', 'r', NULL", "the context must be a JSON object"),
        ("'client', '1', '{marketing}', 'a', 'r', '{}', 'infinity'", "requested_at lies in the future"),
        ("'client', '1', '{marketing}', 'a', 'r', '{}', '-infinity'", "requested_at lies before 1900"),
        ("'client', '1', '{marketing}', 'a', 'r', '{}', '0044-03-15 BC'", "requested_at lies before 1900"),
        (
            "'client', '1', '{marketing}', 'a', 'r', jsonb_build_object('a', repeat('x', 17000))",
            "the context is larger",
        ),
        (f"'client', '1', '{{marketing}}', 'a', 'r', '{DEEP}'", "the context is nested deeper than 32 levels"),
        (
            "'client', '1', '{marketing}', 'a', 'r', '{\"a\": [1e301]}'",
            "the context is nested deeper than 32 levels, or",
        ),
    ],
)
@pytest.mark.parametrize("function", ["opt_out", "opt_in"])
def test_wrong_arguments_are_refused_and_nothing_is_written(bank, function, arguments, message):
    with bank.connect() as conn, pytest.raises(psycopg.DatabaseError) as caught:
        conn.execute(f"SELECT * FROM rlsguard.{function}({arguments})")
    assert caught.value.diag.message_primary.startswith(message)
    assert events(bank) == []


def test_a_person_may_opt_out_before_the_row_exists(bank):
    opt_out(bank, 4, "marketing")
    with bank.connect() as conn:
        conn.execute("INSERT INTO bank.client VALUES (4, '900404')")
    assert visible(bank, "campaign_app")["client"] == [1, 2, 3]
    assert visible(bank, "teller_app")["client"] == [1, 2, 3, 4]


def test_repeating_is_idempotent_in_effect_and_still_recorded(bank):
    for _ in range(3):
        opt_out(bank, 1, "marketing")
    opt_in(bank, 1, "marketing")
    opt_in(bank, 1, "marketing")
    assert [(e["action"], e["version"]) for e in events(bank)] == [
        ("opt_out", 1), ("opt_out", 2), ("opt_out", 3), ("opt_in", 4), ("opt_in", 5)
    ]  # fmt: skip
    assert visible(bank, "campaign_app")["client"] == [1, 2, 3]


def test_versions_count_the_typed_key_not_its_spelling(db):
    with db.connect() as conn:
        conn.execute(BANK)
        conn.execute("CREATE TABLE bank.holder (id numeric PRIMARY KEY); INSERT INTO bank.holder VALUES (1.5)")
        conn.execute("GRANT SELECT ON bank.holder TO campaign_app")
    apply(
        db,
        HEAD.replace("subjects:\n", "subjects:\n  holder: {table: bank.holder, key: id}\n")
        + "tables:\n  bank.holder: {holds: [personal], subject: {holder: id}}\n",
    )
    opt_out(db, "042", "marketing")
    opt_in(db, " 42", "marketing")
    opt_out(db, "1.50", "marketing", kind="holder")
    opt_out(db, "1.5", "marketing", kind="holder")
    assert [(e["subject_key"], e["version"]) for e in events(db)] == [("42", 1), ("42", 2), ("1.50", 1), ("1.50", 2)]
    assert column(db, "SELECT version FROM rlsguard.history('holder', '1.500')") == [1, 2]
    assert column(db, "SELECT id FROM bank.holder", user="campaign_app") == []


def test_leaf_hash_covers_the_payload_and_links_to_the_previous_version(bank):
    opt_out(bank, 1, "marketing")
    with bank.connect() as conn:
        conn.execute("SET timezone = 'Asia/Kathmandu'; SET datestyle = 'German'; SET intervalstyle = 'sql_standard'")
        conn.execute(
            "SELECT * FROM rlsguard.opt_in('client', '1', '{marketing}', 'a', NULL, '{\"b\": 1, \"a\": 1.50}')"
        )
    first, second = events(bank)
    for event in (first, second):
        assert event["leaf_hash"] == hashlib.sha256(b"\x00" + event["payload"]).digest()
        told = json.loads(event["payload"])
        assert told["recorded_at"] == event["recorded_at"].strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        assert set(told) == set(event) - {"payload", "leaf_hash", "key_salt", "salt"}
        # Personal values are there as salted hashes, each with a salt of its own.
        values = {"actor": event["actor"], "reason": event["reason"], "subject_key": event["subject_key"]}
        for name, value in values.items():
            salt = event["key_salt"] if name == "subject_key" else event["salt"]
            salt = hashlib.sha256(salt + name.encode()).digest()
            hashed = None if value is None else {"sha256": hashlib.sha256(salt + value.encode()).hexdigest()}
            assert told[name] == hashed
    assert first["previous_hash"] is None
    assert second["previous_hash"] == first["leaf_hash"]
    assert json.loads(second["payload"])["previous_hash"] == first["leaf_hash"].hex()


def test_listeners_learn_kind_and_version_and_nothing_personal(bank):
    with bank.connect() as listener:
        listener.execute("LISTEN rlsguard_opt_out")
        opt_out(bank, 1, "marketing")
        (heard,) = listener.notifies(timeout=5, stop_after=1)
    assert json.loads(heard.payload) == {"subject_kind": "client", "version": 1}


def test_concurrent_opt_outs_of_one_person_lose_no_version(bank):
    writers, each = 8, 25
    errors: list[BaseException] = []

    def write() -> None:
        try:
            with bank.connect() as conn:
                for _ in range(each):
                    conn.execute("SELECT * FROM rlsguard.opt_out('client', '1', '{marketing,analytics}', 'a', 'r')")
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=write) for _ in range(writers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    for purpose in ("marketing", "analytics"):
        versions = [e["version"] for e in events(bank) if e["purpose"] == purpose]
        assert sorted(versions) == list(range(1, writers * each + 1))
        chain = sorted((e for e in events(bank) if e["purpose"] == purpose), key=lambda e: e["version"])
        assert all(b["previous_hash"] == a["leaf_hash"] for a, b in itertools.pairwise(chain))


def test_two_people_do_not_wait_for_each_other(bank):
    with bank.connect(autocommit=False) as slow, bank.connect() as quick:
        slow.execute("SELECT * FROM rlsguard.opt_out('client', '1', '{marketing}', 'a', 'r')")
        quick.execute("SET lock_timeout = '500ms'")
        quick.execute("SELECT * FROM rlsguard.opt_out('client', '2', '{marketing}', 'a', 'r')")
        quick.execute("SELECT * FROM rlsguard.opt_out('client', '1', '{analytics}', 'a', 'r')")
        with pytest.raises(psycopg.errors.LockNotAvailable):
            quick.execute("SELECT * FROM rlsguard.opt_out('client', '1', '{marketing}', 'a', 'r')")
        slow.commit()
        quick.execute("SELECT * FROM rlsguard.opt_out('client', '1', '{marketing}', 'a', 'r')")
    assert sorted(e["version"] for e in events(bank) if e["purpose"] == "marketing" and e["subject_key"] == "1") == [
        1,
        2,
    ]


def test_batches_in_any_order_do_not_deadlock(bank):
    errors: list[BaseException] = []
    keys = [str(n) for n in range(1, 41)]

    def write(order: list[str]) -> None:
        try:
            with bank.connect() as conn:
                for _ in range(5):
                    size = len(order)
                    conn.execute(
                        "SELECT rlsguard.record_batch("
                        "'opt_out', 'client', %s, %s, %s, %s, %s::jsonb[], %s::timestamptz[])",
                        [order, ["marketing"] * size, ["a"] * size, [None] * size, ["{}"] * size, [None] * size],
                    )
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=write, args=(order,)) for order in (keys, keys[::-1], keys[20:] + keys[:20])]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert len(events(bank)) == 3 * 5 * 40


def test_readers_beside_an_opt_out_see_all_or_nothing_and_never_wait(bank):
    with bank.connect() as conn:
        conn.execute("INSERT INTO bank.trans SELECT n, 10, 1 FROM generate_series(5000, 5999) AS n")
    seen: set[int] = set()
    errors: list[BaseException] = []
    done = threading.Event()

    def read() -> None:
        try:
            with bank.connect("campaign_app") as conn:
                conn.execute("SET lock_timeout = '200ms'")
                while not done.is_set():
                    seen.add(conn.execute("SELECT count(*) FROM bank.trans").fetchone()[0])
        except BaseException as error:
            errors.append(error)

    readers = [threading.Thread(target=read) for _ in range(3)]
    for reader in readers:
        reader.start()
    for _ in range(20):
        opt_out(bank, 1, "marketing")
        opt_in(bank, 1, "marketing")
    done.set()
    for reader in readers:
        reader.join()
    assert errors == []
    assert seen <= {1, 1003}
    assert 1003 in seen


def test_writers_beside_an_opt_out_are_refused_from_its_commit_on(bank):
    written: dict[int, list[int]] = {n: [] for n in range(3)}
    refused_at: dict[int, int] = {}
    begun = threading.Barrier(4)
    out = threading.Event()

    def write(writer: int) -> None:
        with bank.connect("campaign_app") as conn:
            begun.wait()
            for number in itertools.count(10_000 * (writer + 1)):
                is_out = out.is_set()
                try:
                    conn.execute("INSERT INTO bank.trans VALUES (%s, 10, 1)", [number])
                except psycopg.errors.InsufficientPrivilege:
                    refused_at[writer] = number
                    return
                written[writer].append(number)
                if is_out:
                    return

    writers = [threading.Thread(target=write, args=[writer]) for writer in written]
    for writer in writers:
        writer.start()
    begun.wait()
    while not all(written.values()):
        time.sleep(0.001)
    opt_out(bank, 1, "marketing")
    out.set()
    for writer in writers:
        writer.join()
    # Each was refused, at the latest by the first statement that began after the commit, and nothing was lost.
    assert set(refused_at) == set(written)
    stored = column(bank, "SELECT trans_id FROM bank.trans WHERE trans_id >= 10000", user="teller_app")
    assert stored == sorted(number for numbers in written.values() for number in numbers)
    assert visible(bank, "campaign_app") == WITHOUT_1


def test_repeatable_read_is_told_to_try_again_and_loses_nothing(bank):
    opt_out(bank, 1, "marketing")
    with bank.connect(autocommit=False) as conn:
        conn.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        conn.execute("SELECT 1")
        opt_out(bank, 1, "marketing")
        with pytest.raises(psycopg.errors.SerializationFailure):
            conn.execute("SELECT * FROM rlsguard.opt_in('client', '1', '{marketing}', 'a', 'r')")
    assert [e["version"] for e in events(bank)] == [1, 2]


def test_an_opt_in_holds_from_its_commit_so_that_nobody_looks_and_rolls_it_back(bank):
    bank.execute("GRANT rlsguard_recorder TO campaign_app")
    opt_out(bank, 1, "marketing")
    look = "SELECT client_id FROM bank.client ORDER BY 1"
    with bank.connect("campaign_app", autocommit=False) as conn:
        conn.execute("SELECT * FROM rlsguard.opt_in('client', '1', '{marketing}', 'a', 'r')")
        conn.execute("SAVEPOINT inner_one")
        conn.execute("SELECT * FROM rlsguard.opt_in('client', '1', '{marketing}', 'a', 'r')")
        for _ in range(6):  # also once the plan is a generic one
            assert conn.execute(look, prepare=True).fetchall() == [(2,), (3,)]
        conn.execute("ROLLBACK TO inner_one")
        assert conn.execute(look).fetchall() == [(2,), (3,)]
        assert conn.execute("SELECT trans_id FROM bank.trans").fetchall() == [(1002,)]
        conn.commit()
        assert conn.execute(look).fetchall() == [(1,), (2,), (3,)]
        # To opt out again takes effect at once.
        conn.execute("SELECT * FROM rlsguard.opt_out('client', '1', '{marketing}', 'a', 'r')")
        assert conn.execute(look).fetchall() == [(2,), (3,)]


def test_where_everybody_must_have_opted_out_an_opt_in_holds_from_its_commit_too(db):
    db.execute(BANK)
    apply(
        db,
        BANK_MAP.replace("{client: [account_id", "{client: [account_id").replace(
            "client_id]}}", "client_id]}, joint: all}"
        ),
    )
    db.execute("GRANT rlsguard_recorder TO campaign_app")
    opt_out(db, 1, "marketing")
    opt_out(db, 2, "marketing")
    with db.connect("campaign_app", autocommit=False) as conn:
        look = "SELECT trans_id FROM bank.trans ORDER BY 1"
        assert conn.execute(look).fetchall() == [(1002,)]
        conn.execute("SELECT * FROM rlsguard.opt_in('client', '1', '{marketing}', 'a', 'r')")
        assert conn.execute(look).fetchall() == [(1002,)]
        conn.commit()
        assert conn.execute(look).fetchall() == [(1000,), (1001,), (1002,)]


@pytest.mark.parametrize(
    "arguments",
    [
        "'{1,2}', '{marketing,marketing}', '{a,a}', '{{r,s}}', ARRAY['{}','{}']::jsonb[], '{NULL,NULL}'",
        "'{1,2}', '{marketing,marketing}', '{a,a}', '{r,s}', ARRAY['{}','{}']::jsonb[], '[5:6]={2026-01-01,NULL}'",
        "'[0:1]={1,2}', '[0:1]={marketing,marketing}', '[0:1]={a,a}', '[0:1]={r,s}',"
        " '[0:1]={\"{}\",\"{}\"}'::jsonb[], '[0:1]={NULL,NULL}'",
    ],
)
def test_arrays_of_a_batch_have_one_shape(bank, arguments):
    with bank.connect() as conn, pytest.raises(psycopg.DatabaseError, match="must have one dimension and count from 1"):
        conn.execute(f"SELECT rlsguard.record_batch('opt_out', 'client', {arguments})")
    assert events(bank) == []


def person_table(db, key: str, *people: str) -> str:
    """Create a table of *people* by a text *key*, apply a map of it, and return the map."""
    db.execute(f"CREATE SCHEMA app; CREATE TABLE app.person ({key} text PRIMARY KEY)")
    for one in people:
        db.execute(f"INSERT INTO app.person VALUES ('{one}')")
    db.execute("CREATE ROLE campaign_app LOGIN; CREATE ROLE bi_reader; CREATE ROLE teller_app; CREATE ROLE sox_auditor")
    db.execute("GRANT USAGE ON SCHEMA app TO campaign_app; GRANT SELECT ON app.person TO campaign_app")
    text = HEAD.replace("table: bank.client, key: client_id", f"table: app.person, key: {key}")
    text += f"tables:\n  app.person: {{holds: [personal], subject: {{client: {key}}}}}\n"
    apply(db, text)
    return text


def test_spellings_that_have_become_one_persons_keep_the_last_word(db):
    """A key that was text, and is a number now: of '07' and '7' the newest entry counts."""
    text = person_table(db, "id", "07", "8")
    opt_out(db, "07", "marketing")
    opt_in(db, "07", "marketing")
    opt_out(db, "7", "marketing")
    with db.connect() as conn:
        uninstall(conn)
    db.execute("ALTER TABLE app.person ALTER id TYPE int USING id::int")
    apply(db, text)
    assert column(db, "SELECT id FROM app.person", user="campaign_app") == [8]
    opt_in(db, "7", "marketing")
    assert column(db, "SELECT id FROM app.person", user="campaign_app") == [7, 8]


def test_a_key_with_a_collation_of_its_own(db):
    """One that upper case and lower case are alike to: they are one person, and were two before."""
    if not db.execute("SELECT FROM pg_collation WHERE collname = 'en-x-icu'"):
        pytest.skip(f"PostgreSQL {db.major} here comes without ICU")
    text = person_table(db, "email", "ANN@x", "bob@x")
    db.execute("CREATE COLLATION app.any_case (provider = icu, locale = 'und-u-ks-level2', deterministic = false)")
    opt_out(db, "ANN@x", "marketing")
    opt_in(db, "ANN@x", "marketing")
    opt_out(db, "ann@x", "marketing")
    with db.connect() as conn:
        uninstall(conn)
    db.execute("ALTER TABLE app.person ALTER email TYPE text COLLATE app.any_case")
    apply(db, text)
    assert column(db, "SELECT email FROM app.person", user="campaign_app") == ["bob@x"]
    opt_out(db, "BOB@x", "marketing")
    assert column(db, "SELECT email FROM app.person", user="campaign_app") == []
    opt_in(db, "Ann@X", "marketing")
    assert column(db, "SELECT email FROM app.person", user="campaign_app") == ["ANN@x"]


def test_a_long_batch_does_not_read_the_ledger_for_each_entry(bank):
    bank.execute("VACUUM ANALYZE rlsguard.opt_out_event")
    many = 300
    keys, none = [str(1000 + number) for number in range(many)], [None] * many
    with bank.connect(autocommit=False) as conn:
        conn.execute(
            "SELECT rlsguard.record_batch('opt_out', 'client', %s, %s, %s, %s, %s::jsonb[], %s::timestamptz[])",
            [keys, ["marketing"] * many, ["desk"] * many, none, ["{}"] * many, none],
        )
        read = "SELECT seq_scan FROM pg_stat_xact_user_tables WHERE relid = 'rlsguard.opt_out_event'::regclass"
        ((scans,),) = conn.execute(read).fetchall()
        conn.rollback()
    assert scans < 10

"""The audit trigger: what changed, by whom, and what it must not keep."""

from __future__ import annotations

import psycopg
import pytest
from psycopg.rows import dict_row

from guarding import BANK, BANK_MAP, HEAD, apply, column, small_bank

AUDITED = BANK_MAP.replace("  bank.trans:\n    {holds", "  bank.trans:\n    {audit: true, holds")


def events(db, where: str = "true") -> list[dict]:
    with db.connect(row_factory=dict_row) as conn:
        return conn.execute(f"SELECT * FROM rlsguard.change_event WHERE {where} ORDER BY id").fetchall()


@pytest.fixture
def bank(template_db):
    return small_bank(template_db, AUDITED)


def test_every_kind_of_change_is_recorded_with_old_and_new(bank):
    with bank.connect("teller_app", application_name="counter 4") as conn:
        conn.execute("SET rlsguard.actor = 'clerk:17'")
        conn.execute("INSERT INTO bank.trans VALUES (1, 10, 1.50), (2, 20, 2)")
        conn.execute("UPDATE bank.trans SET amount = amount + 1, trans_id = trans_id + 100 WHERE trans_id IN (1, 2)")
        conn.execute("DELETE FROM bank.trans WHERE trans_id = 101")
    with bank.connect() as conn:
        conn.execute("TRUNCATE bank.trans")
    seen = [(e["operation"], e["old_row"], e["new_row"]) for e in events(bank)]
    assert seen == [
        ("INSERT", None, {"trans_id": 1, "account_id": 10, "amount": 1.50}),
        ("INSERT", None, {"trans_id": 2, "account_id": 20, "amount": 2}),
        (
            "UPDATE",
            {"trans_id": 1, "account_id": 10, "amount": 1.50},
            {"trans_id": 101, "account_id": 10, "amount": 2.50},
        ),
        ("UPDATE", {"trans_id": 2, "account_id": 20, "amount": 2}, {"trans_id": 102, "account_id": 20, "amount": 3}),
        ("DELETE", {"trans_id": 101, "account_id": 10, "amount": 2.50}, None),
        ("TRUNCATE", None, None),
    ]
    first = events(bank)[0]
    assert (first["session_role"], first["current_role_name"], first["claimed_actor"]) == (
        "teller_app",
        "teller_app",
        "clerk:17",
    )
    assert (first["application_name"], first["table_name"]) == ("counter 4", "bank.trans")
    assert events(bank)[-1]["session_role"] == "postgres"


def test_the_role_is_the_one_in_force_not_the_login_nor_the_guard(bank):
    with bank.connect() as conn:
        conn.execute("SET ROLE teller_app; INSERT INTO bank.trans VALUES (1, 10, 1); RESET ROLE")
        conn.execute(
            "CREATE FUNCTION bank.pay() RETURNS void LANGUAGE sql SECURITY DEFINER "
            "AS 'UPDATE bank.trans SET amount = 7 WHERE trans_id = 1'; ALTER FUNCTION bank.pay() OWNER TO campaign_app"
        )
    with bank.connect("teller_app") as conn:
        conn.execute("SELECT bank.pay()")
    assert [(e["session_role"], e["current_role_name"]) for e in events(bank)] == [
        ("postgres", "teller_app"),
        ("teller_app", "campaign_app"),
    ]


def test_a_writer_cannot_claim_another_role(bank):
    with bank.connect("teller_app") as conn:
        conn.execute("SET rlsguard.writer = 'postgres'")
        conn.execute("INSERT INTO bank.trans SELECT 1, 10, length(set_config('rlsguard.writer', 'postgres', false))")
        conn.execute(
            "UPDATE bank.trans SET amount = length(set_config('rlsguard.writer', 'postgres', true)) WHERE trans_id = 1"
        )
        conn.execute(
            "WITH w AS (DELETE FROM bank.trans WHERE trans_id = 1 RETURNING 1) "
            "SELECT set_config('rlsguard.writer', 'postgres', false) FROM w"
        )
    assert [e["current_role_name"] for e in events(bank)] == ["teller_app"] * 3


def test_the_audit_survives_the_replica_role_and_a_rollback_takes_it_back(bank):
    with bank.connect() as conn:
        conn.execute("SET session_replication_role = replica")
        conn.execute("INSERT INTO bank.trans VALUES (1, 10, 1)")
        conn.execute("UPDATE bank.trans SET amount = 2 WHERE trans_id = 1")
        conn.execute("TRUNCATE bank.trans")
    assert [e["operation"] for e in events(bank)] == ["INSERT", "UPDATE", "TRUNCATE"]
    with bank.connect(autocommit=False) as conn:
        conn.execute("INSERT INTO bank.trans VALUES (1, 10, 1)")
        conn.rollback()
    assert len(events(bank)) == 3


def test_upsert_and_merge_record_what_they_did(bank):
    with bank.connect() as conn:
        conn.execute(
            "INSERT INTO bank.trans VALUES (1000, 10, 9), (1, 10, 1) ON CONFLICT (trans_id) DO UPDATE SET amount = 9"
        )
        conn.execute(
            "MERGE INTO bank.trans t USING (VALUES (1), (2)) s (id) ON t.trans_id = s.id "
            "WHEN MATCHED THEN DELETE WHEN NOT MATCHED THEN INSERT VALUES (s.id, 20, 0)"
        )
    assert sorted((e["operation"], (e["new_row"] or e["old_row"])["trans_id"]) for e in events(bank)) == [
        ("DELETE", 1),
        ("INSERT", 1),
        ("INSERT", 2),
        ("UPDATE", 1000),
    ]


def test_bulk_copy_is_recorded_row_for_row(bank):
    with bank.connect() as conn, conn.cursor().copy("COPY bank.trans FROM STDIN") as copy:
        for number in range(5000):
            copy.write_row((10_000 + number, 10, 1))
    assert column(bank, "SELECT count(*) FROM rlsguard.change_event WHERE operation = 'INSERT'") == [5000]


def test_without_a_salt_nothing_is_recorded_of_hashed_columns(bank):
    apply(bank, BANK_MAP.replace("bank.trans:\n    {holds", "bank.trans:\n    {audit: {hash: [amount]}, holds"))
    for statement in (
        "UPDATE rlsguard.secret SET value = ''",
        "DELETE FROM rlsguard.secret",
        "TRUNCATE rlsguard.secret",
    ):
        with pytest.raises(psycopg.errors.InsufficientPrivilege, match="it only grows"):
            bank.execute(statement)
    bank.execute("INSERT INTO bank.trans VALUES (1, 10, 31)")
    bank.execute("ALTER TABLE rlsguard.secret DISABLE TRIGGER append_only; DELETE FROM rlsguard.secret")
    bank.execute("INSERT INTO bank.trans VALUES (2, 10, 31)")
    assert [row.keys() for (row,) in bank.execute("SELECT new_row FROM rlsguard.change_event ORDER BY id")] == [
        {"trans_id", "account_id", "amount"},
        {"trans_id", "account_id"},
    ]


def test_redacted_columns_are_gone_and_hashed_ones_salted(db):
    with db.connect() as conn:
        conn.execute(BANK)
        conn.execute("ALTER TABLE bank.client ADD account text")
    apply(
        db,
        HEAD + "tables:\n  bank.client: {holds: [personal], subject: {client: client_id}, "
        "audit: {redact: [birth_number], hash: [account]}}\n",
    )
    with db.connect() as conn:
        conn.execute(
            "INSERT INTO bank.client (client_id, birth_number, account) VALUES (7, 'SECRET', 'IBAN'), (8, 'S', 'IBAN')"
        )
        conn.execute("UPDATE bank.client SET account = NULL, birth_number = 'SECRET2' WHERE client_id = 7")
    seen = events(db)
    assert all("SECRET" not in str(event) and "IBAN" not in str(event) for event in seen)
    assert all("birth_number" not in (e["new_row"] or {}) for e in seen)
    hashes = [e["new_row"]["account"] for e in seen[:2]]
    assert hashes[0] == hashes[1]
    assert len(hashes[0]) == 64
    assert seen[2]["new_row"]["account"] is None
    assert seen[2]["old_row"]["account"] == hashes[0]
    assert seen[0]["withheld"] == ["birth_number", "account"]
    with db.connect() as conn:
        unsalted = conn.execute("SELECT encode(sha256('IBAN'), 'hex')").fetchone()[0]
    assert hashes[0] != unsalted
    # Renamed behind the map's back, the column would no longer be recognised: nothing is kept.
    with db.connect() as conn:
        conn.execute("ALTER TABLE bank.client RENAME birth_number TO born")
        conn.execute("INSERT INTO bank.client (client_id, born) VALUES (9, 'SECRET')")
    assert events(db)[-1]["new_row"] == {}


def test_partitions_and_children_are_audited_however_they_are_written(db):
    with db.connect() as conn:
        conn.execute(BANK)
        conn.execute(
            "DROP TABLE bank.trans; "
            "CREATE TABLE bank.trans (trans_id int NOT NULL, account_id int NOT NULL, amount numeric) "
            "PARTITION BY RANGE (trans_id); "
            "CREATE TABLE bank.trans_low PARTITION OF bank.trans FOR VALUES FROM (0) TO (100); "
            "CREATE TABLE bank.vip_client () INHERITS (bank.client)"
        )
    apply(db, AUDITED.replace("  bank.client: {holds", "  bank.client: {audit: true, holds"))
    with db.connect() as conn:
        conn.execute("INSERT INTO bank.trans VALUES (1, 10, 1)")
        conn.execute("INSERT INTO bank.trans_low VALUES (2, 10, 1)")
        conn.execute("UPDATE bank.trans_low SET amount = 2 WHERE trans_id = 2")
        conn.execute("TRUNCATE bank.trans_low")
        conn.execute("CREATE TABLE bank.trans_high PARTITION OF bank.trans FOR VALUES FROM (100) TO (200)")
        conn.execute("SET session_replication_role = replica")
        conn.execute("INSERT INTO bank.trans_high VALUES (150, 10, 1)")
        conn.execute("INSERT INTO bank.vip_client VALUES (50, 'x')")
        conn.execute("UPDATE bank.client SET birth_number = 'y' WHERE client_id = 50")
        conn.execute("DELETE FROM bank.vip_client")
    assert [(e["table_name"], e["operation"]) for e in events(db)] == [
        ("bank.trans_low", "INSERT"),
        ("bank.trans_low", "INSERT"),
        ("bank.trans_low", "UPDATE"),
        ("bank.trans_low", "TRUNCATE"),
        ("bank.trans_high", "INSERT"),
        ("bank.vip_client", "INSERT"),
        ("bank.vip_client", "UPDATE"),
        ("bank.vip_client", "DELETE"),
    ]


def test_only_auditors_read_the_changes_and_nobody_rewrites_them(bank):
    with bank.connect() as conn:
        conn.execute("INSERT INTO bank.trans VALUES (1, 10, 1); GRANT rlsguard_auditor TO sox_auditor")
    assert column(bank, "SELECT count(*) FROM rlsguard.change_event", user="sox_auditor") == [1]
    for user, statement in (
        ("teller_app", "SELECT * FROM rlsguard.change_event"),
        ("sox_auditor", "INSERT INTO rlsguard.change_entry DEFAULT VALUES"),
        ("postgres", "UPDATE rlsguard.change_entry SET content = 'x'"),
    ):
        with bank.connect(user) as conn, pytest.raises(psycopg.errors.InsufficientPrivilege):
            conn.execute(statement)

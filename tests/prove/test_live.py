"""A proof on a database that lives: it changes nothing, stands in nobody's way, and does not cry wolf."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest
from psycopg import sql

from guarding import BANK_MAP, HEAD, apply, load, opt_in, opt_out, small_bank
from proving import faults, leaked, prove_map, verdicts
from rlsguard.problems import RlsguardError
from rlsguard.prove import prove
from servers import Clone, Database

pytestmark = pytest.mark.by_turns


@pytest.fixture
def bank(template_db: Clone) -> Database:
    return small_bank(template_db)


# --- nothing changes -----------------------------------------------------------------------------------------------

STANDING = {
    "ledger": "SELECT * FROM rlsguard.opt_out_event ORDER BY id",
    "row changes": "SELECT * FROM rlsguard.change_event ORDER BY id",
    "state": "SELECT * FROM rlsguard.opt_out_client ORDER BY 1, 2",
    "trans": "SELECT * FROM bank.trans ORDER BY 1",
    "disp": "SELECT * FROM bank.disp ORDER BY 1",
    "sequences": "SELECT schemaname, sequencename, last_value FROM pg_sequences ORDER BY 1, 2",
    "roles": "SELECT r::text FROM pg_roles AS r ORDER BY 1",
    "objects": "SELECT oid, relname, relfilenode, relacl::text, relrowsecurity FROM pg_class ORDER BY 1",
    "prepared statements": "SELECT name FROM pg_prepared_statements",
}
AUDITED = BANK_MAP.replace("  bank.disp: {holds: [personal],", "  bank.disp: {holds: [personal], audit: true,")


def standing(conn: psycopg.Connection[Any]) -> dict[str, Any]:
    return {what: conn.execute(query).fetchall() for what, query in STANDING.items()}


def test_nothing_is_left_of_it(bank: Database) -> None:
    # A table whose every write would leave a trace: sequences do not go back.
    bank.execute(
        """
        CREATE SEQUENCE bank.writes;
        CREATE FUNCTION bank.count() RETURNS trigger LANGUAGE plpgsql AS
            'BEGIN PERFORM nextval(''bank.writes''); RETURN new; END';
        CREATE TRIGGER count BEFORE INSERT OR UPDATE ON bank.trans FOR EACH ROW EXECUTE FUNCTION bank.count();
        CREATE TRIGGER counted AFTER INSERT OR UPDATE ON bank.disp FOR EACH STATEMENT EXECUTE FUNCTION bank.count();
        ALTER TABLE bank.trans ADD number bigint GENERATED ALWAYS AS IDENTITY;
        GRANT USAGE ON ALL SEQUENCES IN SCHEMA bank TO PUBLIC;
        """
    )
    apply(bank, AUDITED)
    opt_out(bank, 3, "marketing")
    with bank.connect() as conn:
        before = standing(conn)
        proof = prove(conn, load(AUDITED))
        assert standing(conn) == before
    assert faults(proof) == []
    # The writes were tried all the same.
    assert verdicts(proof, "bank.trans", "campaign_app")["UPDATE"] == "passed"
    assert verdicts(proof, "bank.disp", "campaign_app")["INSERT"] == "passed"


def test_no_lock_is_stronger_than_a_rows(bank: Database) -> None:
    apply(bank, AUDITED)
    seen: set[tuple[str, str]] = set()
    with bank.connect() as conn, bank.connect() as watcher:
        pid = conn.info.backend_pid

        def watch(done: int, total: int, what: str) -> None:
            seen.update(
                watcher.execute(
                    "SELECT relation::regclass::text, mode FROM pg_locks WHERE pid = %s AND locktype = 'relation'",
                    [pid],
                ).fetchall()
            )

        prove(conn, load(AUDITED), progress=watch)
    assert ("bank.trans", "AccessShareLock") in seen
    assert {mode for _, mode in seen} <= {"AccessShareLock", "RowShareLock", "RowExclusiveLock"}


def test_recording_goes_on_meanwhile(bank: Database) -> None:
    apply(bank, BANK_MAP)
    with bank.connect() as conn, bank.connect() as desk:
        desk.execute("SET statement_timeout = '2s'")

        def record(done: int, total: int, what: str) -> None:
            # Also for the people who are opted out for the proof.
            for function in ("opt_out", "opt_in"):
                call = sql.SQL("SELECT FROM rlsguard.{}('client', '1', '{{marketing}}', 'test', 'because')")
                desk.execute(call.format(sql.Identifier(function)))

        proof = prove(conn, load(BANK_MAP), progress=record)
    # Rows that somebody changed in the meantime cannot be changed in an older snapshot: not tried, and no alarm.
    assert faults(proof) == []


def test_interrupted_it_leaves_nothing(bank: Database) -> None:
    apply(bank, BANK_MAP)

    def interrupt(done: int, total: int, what: str) -> None:
        if done == 7:
            raise KeyboardInterrupt

    with bank.connect() as conn:
        before = standing(conn)
        with pytest.raises(KeyboardInterrupt):
            prove(conn, load(BANK_MAP), progress=interrupt)
        assert conn.info.transaction_status == psycopg.pq.TransactionStatus.IDLE
        assert standing(conn) == before


# --- what it sees --------------------------------------------------------------------------------------------------


def test_every_path_is_tried_by_who_may_go_it(bank: Database) -> None:
    apply(bank, BANK_MAP)
    proof = prove_map(bank, BANK_MAP)
    assert set(verdicts(proof, "bank.trans", "campaign_app")) >= {
        "SELECT", "aggregate", "join", "sub-query", "CTE", "COPY TO", "cursor", "prepared before", "prepared after",
        "TABLESAMPLE", "FOR UPDATE", "UPDATE", "UPDATE to others", "DELETE", "INSERT", "ON CONFLICT", "MERGE",
        "pg_stats", "audit trail",
    }  # fmt: skip
    assert set(verdicts(proof, "bank.trans", "campaign_app").values()) == {"passed"}
    bank.execute("REVOKE UPDATE ON bank.trans FROM campaign_app; REVOKE SELECT ON bank.client FROM campaign_app")
    proof = prove_map(bank, BANK_MAP)
    assert verdicts(proof, "bank.trans", "campaign_app")["UPDATE"] == "closed"
    assert verdicts(proof, "bank.trans", "campaign_app")["FOR UPDATE"] == "closed"
    assert verdicts(proof, "bank.client", "campaign_app")["SELECT"] == "closed"


def test_what_hides_without_an_opt_out_is_found(bank: Database) -> None:
    apply(bank, BANK_MAP)
    bank.execute("CREATE POLICY zealous ON bank.trans AS RESTRICTIVE TO teller_app USING (trans_id <> 1001)")
    proof = prove_map(bank, BANK_MAP)
    assert not proof.right
    assert {(str(cell.table), cell.role, cell.verdict) for cell in faults(proof)} == {
        ("bank.trans", "teller_app", "over-blocked")
    }
    assert "trans_id=1001" in faults(proof)[0].detail


def test_a_servicing_role_that_cannot_write_is_found(bank: Database) -> None:
    apply(bank, BANK_MAP)
    bank.execute(
        "CREATE POLICY zealous ON bank.trans AS RESTRICTIVE FOR UPDATE TO teller_app USING (true) WITH CHECK (false)"
    )
    proof = prove_map(bank, BANK_MAP)
    assert ("teller_app", "UPDATE", "over-blocked") in {(c.role, c.path, c.verdict) for c in faults(proof)}


def test_a_guard_that_shows_nothing_is_found(bank: Database) -> None:
    apply(bank, BANK_MAP)
    bank.execute('DROP POLICY "rlsguard baseline" ON bank.trans')
    proof = prove_map(bank, BANK_MAP)
    assert {(str(cell.table), cell.verdict) for cell in faults(proof)} == {("bank.trans", "over-blocked")}


def test_policies_of_its_own_may_hide_more(bank: Database) -> None:
    bank.execute(
        "ALTER TABLE bank.trans ENABLE ROW LEVEL SECURITY; CREATE POLICY half ON bank.trans USING (trans_id <> 1001)"
    )
    apply(bank, BANK_MAP)
    assert faults(prove_map(bank, BANK_MAP)) == []
    bank.execute('ALTER POLICY "!rlsguard" ON bank.trans USING (true)')
    assert {table for table, _ in leaked(prove_map(bank, BANK_MAP))} == {"bank.trans"}


def test_people_who_opted_out_before_stay_hidden(bank: Database) -> None:
    apply(bank, BANK_MAP)
    opt_out(bank, 1, "marketing", "analytics")
    opt_out(bank, 3, "marketing")
    opt_in(bank, 3, "marketing")
    assert faults(prove_map(bank, BANK_MAP)) == []


def test_joint_all_and_rows_of_nobody(bank: Database) -> None:
    bank.execute("ALTER TABLE bank.trans ALTER account_id DROP NOT NULL; INSERT INTO bank.trans VALUES (1003, NULL, 4)")
    text = BANK_MAP.replace(
        "  bank.trans:\n    {holds: [financial],",
        "  bank.trans:\n    {holds: [financial], joint: all, when_unknown: hide,",
    )
    apply(bank, text)
    proof = prove_map(bank, text)
    assert faults(proof) == []
    assert verdicts(proof, "bank.trans", "campaign_app")["SELECT"] == "passed"
    # Were it joint: any after all, rows would be hidden too soon; were rows of nobody shown, too many would be seen.
    for other in (text.replace("joint: all, ", ""), text.replace("when_unknown: hide", "when_unknown: show")):
        assert faults(prove_map(bank, other)) != []


def test_a_role_with_rights_to_single_columns(bank: Database) -> None:
    bank.execute(
        "REVOKE ALL ON bank.trans, bank.client FROM campaign_app;"
        "GRANT SELECT (trans_id, amount), UPDATE (amount) ON bank.trans TO campaign_app;"
        "GRANT SELECT (birth_number) ON bank.client TO campaign_app"
    )
    apply(bank, BANK_MAP)
    proof = prove_map(bank, BANK_MAP)
    assert faults(proof) == []
    trans = verdicts(proof, "bank.trans", "campaign_app")
    assert (trans["SELECT"], trans["UPDATE"], trans["join"], trans["DELETE"]) == (
        "passed",
        "passed",
        "not tried",
        "closed",
    )
    assert verdicts(proof, "bank.client", "campaign_app")["single columns"] == "not tried"
    assert proof.right
    bank.execute('ALTER POLICY "!rlsguard" ON bank.trans USING (true)')
    assert ("bank.trans", "campaign_app") in leaked(prove_map(bank, BANK_MAP))


def test_tables_without_rows_or_without_people_are_not_proven(bank: Database) -> None:
    bank.execute("TRUNCATE bank.trans; DELETE FROM bank.disp WHERE account_id = 20")
    apply(bank, BANK_MAP)
    proof = prove_map(bank, BANK_MAP)
    assert verdicts(proof, "bank.trans", "campaign_app")["SELECT"] == "empty"
    assert verdicts(proof, "bank.account", "campaign_app")["SELECT"] == "passed"
    for client in (1, 2):
        opt_out(bank, client, "marketing")
    # Everybody who leads to an account has opted out already: their rows are watched, and nobody is left to opt out.
    proof = prove_map(bank, BANK_MAP)
    assert faults(proof) == []


# --- names and shapes ----------------------------------------------------------------------------------------------

LONG = "č" * 31
ODD = """
CREATE SCHEMA "Sche ma";
CREATE TABLE "Sche ma"."per%son" ("Key" int PRIMARY KEY, "t" text);
CREATE TABLE "Sche ma"."{long}" (
    "ctid 2" int, "a""b%s" int NOT NULL REFERENCES "Sche ma"."per%son", t int,
    doubled int GENERATED ALWAYS AS (t * 2) STORED, PRIMARY KEY ("ctid 2", t)
);
CREATE INDEX ON "Sche ma"."{long}" ("a""b%s");
INSERT INTO "Sche ma"."per%son" VALUES (1, 'x'), (2, 'y''%s'), (3, E'\\\\z');
INSERT INTO "Sche ma"."{long}" SELECT n, n % 3 + 1, n FROM generate_series(1, 30) AS n;
CREATE ROLE "Cam paign""%s" LOGIN;
CREATE ROLE teller LOGIN;
GRANT USAGE ON SCHEMA "Sche ma" TO "Cam paign""%s", teller;
GRANT ALL ON ALL TABLES IN SCHEMA "Sche ma" TO teller, "Cam paign""%s";
REVOKE TRIGGER, REFERENCES ON ALL TABLES IN SCHEMA "Sche ma" FROM teller, "Cam paign""%s";
CREATE VIEW "Sche ma"."a view" WITH (security_invoker = true) AS
    SELECT "ctid 2" AS "N o", t AS "T", "a""b%s" FROM "Sche ma"."{long}";
GRANT SELECT ON "Sche ma"."a view" TO "Cam paign""%s";
""".replace("{long}", LONG)
ODD_MAP = f"""
version: 1
subjects: {{person: {{table: '"Sche ma"."per%son"', key: '"Key"'}}}}
purposes: {{marketing: {{}}, servicing: {{opt_out: false}}}}
roles: {{'Cam paign"%s': [marketing], teller: [servicing]}}
tables:
  '"Sche ma"."per%son"': {{holds: [personal], subject: {{person: '"Key"'}}}}
  '"Sche ma"."{LONG}"': {{holds: [financial], subject: {{person: '"a""b%s"'}}}}
"""


def test_odd_names(db: Database) -> None:
    db.execute(ODD)
    apply(db, ODD_MAP)
    proof = prove_map(db, ODD_MAP)
    assert faults(proof) == []
    assert proof.ways_around == ()
    long = verdicts(proof, f'"Sche ma"."{LONG}"', 'Cam paign"%s')
    assert long['view "Sche ma"."a view"'] == "passed"
    assert set(long.values()) == {"passed"}, long
    db.execute(f'ALTER POLICY "!rlsguard" ON "Sche ma"."{LONG}" USING (true)')
    assert leaked(prove_map(db, ODD_MAP)) == {(f'"Sche ma"."{LONG}"', 'Cam paign"%s')}


def test_partitions_children_and_tables_without_a_key(bank: Database) -> None:
    bank.execute(
        """
        CREATE TABLE bank.visit (client_id int, day date) PARTITION BY RANGE (day);
        CREATE TABLE bank.visit_1 PARTITION OF bank.visit FOR VALUES FROM ('2026-01-01') TO ('2026-02-01');
        CREATE TABLE bank.visit_2 PARTITION OF bank.visit FOR VALUES FROM ('2026-02-01') TO ('2026-03-01');
        INSERT INTO bank.visit SELECT n % 3 + 1, date '2026-01-20' + n FROM generate_series(1, 30) AS n;
        CREATE TABLE bank.note (client_id int, text text);
        CREATE TABLE bank.long_note (more text) INHERITS (bank.note);
        INSERT INTO bank.note SELECT n % 3 + 1, 'n' FROM generate_series(1, 9) AS n;
        INSERT INTO bank.long_note SELECT n % 3 + 1, 'n', 'm' FROM generate_series(1, 9) AS n;
        GRANT SELECT, UPDATE ON ALL TABLES IN SCHEMA bank TO campaign_app, teller_app;
        """
    )
    text = BANK_MAP + (
        "  bank.visit: {holds: [personal], subject: {client: client_id}, when_unknown: hide}\n"
        "  bank.note: {holds: [personal], subject: {client: client_id}, when_unknown: hide}\n"
    )
    apply(bank, text)
    proof = prove_map(bank, text)
    assert faults(proof) == []
    visit = verdicts(proof, "bank.visit", "campaign_app")
    assert (visit["partition bank.visit_1"], visit["partition bank.visit_2"], visit["UPDATE"]) == ("passed",) * 3
    assert verdicts(proof, "bank.note", "campaign_app")["partition bank.long_note"] == "passed"
    bank.execute('ALTER POLICY "!rlsguard" ON bank.visit_2 USING (true)')
    found = [(cell.path, cell.role) for cell in faults(prove_map(bank, text))]
    assert found == [("partition bank.visit_2", "campaign_app")]


def test_a_parent_outside_the_map_is_a_way_around(bank: Database) -> None:
    bank.execute(
        """
        CREATE TABLE bank.base (client_id int NOT NULL);
        CREATE TABLE bank.derived () INHERITS (bank.base);
        INSERT INTO bank.derived VALUES (1), (2), (3);
        GRANT SELECT ON bank.base, bank.derived TO campaign_app;
        """
    )
    text = BANK_MAP + "  bank.derived: {holds: [personal], subject: {client: client_id}}\n"
    apply(bank, text)
    proof = prove_map(bank, text)
    assert [(way.check, way.about) for way in proof.ways_around] == [("partition", "table bank.base")]
    assert [(cell.path, cell.role) for cell in faults(proof)] == [("parent bank.base", "campaign_app")]


# --- who may prove -------------------------------------------------------------------------------------------------


def test_a_login_that_does_not_see_every_row_is_told_so(bank: Database) -> None:
    apply(bank, BANK_MAP)
    with bank.connect("campaign_app") as conn, pytest.raises(RlsguardError, match="does not see every row"):
        prove(conn, load(BANK_MAP))


def test_what_is_not_applied_cannot_be_proven(bank: Database) -> None:
    with bank.connect() as conn, pytest.raises(RlsguardError, match="not applied here"):
        prove(conn, load(BANK_MAP))


def test_logins_that_the_map_does_not_name_are_sampled_by_class(bank: Database) -> None:
    bank.execute(
        """
        CREATE ROLE jane LOGIN IN ROLE campaign_app;
        CREATE ROLE pool LOGIN NOINHERIT; GRANT campaign_app, teller_app TO pool;
        CREATE ROLE guest_1 LOGIN; CREATE ROLE guest_2 LOGIN; CREATE ROLE guest_3 LOGIN; CREATE ROLE idle LOGIN;
        GRANT USAGE ON SCHEMA bank TO pool, guest_1, guest_2, guest_3;
        GRANT SELECT ON ALL TABLES IN SCHEMA bank TO pool, guest_1, guest_2, guest_3;
        """
    )
    apply(bank, BANK_MAP)
    proof = prove_map(bank, BANK_MAP)
    assert faults(proof) == []
    roles = {role for _, role, _ in proof.cells}
    assert {"campaign_app", "bi_reader", "teller_app", "sox_auditor", "jane", "pool"} <= roles
    assert len(roles & {"guest_1", "guest_2", "guest_3", "stranger"}) == 2
    assert "idle" not in roles


def test_an_empty_map_head_is_enough_to_try(bank: Database) -> None:
    text = HEAD + "tables: {}\n"
    apply(bank, text)
    proof = prove_map(bank, text)
    assert proof.cells == {}
    assert not proof.right  # nothing was tried, so nothing is proven

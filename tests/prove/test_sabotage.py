"""A guard weakened in one way at a time: each is found, named, and ended by the SQL that the proof gives."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from guarding import BANK_MAP, apply, opt_out, small_bank
from proving import faults, leaked, prove_map
from rlsguard.prove import Proof
from servers import Clone, Database

# A partition, so that one can be added behind the guard's back; all else is the small bank.
PARTITIONED = """
CREATE TABLE bank.payment (payment_id int PRIMARY KEY, client_id int NOT NULL) PARTITION BY RANGE (payment_id);
CREATE TABLE bank.payment_1 PARTITION OF bank.payment FOR VALUES FROM (0) TO (100);
INSERT INTO bank.payment VALUES (1, 1), (2, 2), (3, 3);
GRANT SELECT, INSERT, UPDATE, DELETE ON bank.payment TO campaign_app, bi_reader, teller_app, stranger;
"""
MAP = BANK_MAP + "  bank.payment: {holds: [financial], subject: {client: client_id}}\n"


@dataclass(frozen=True)
class Sabotage:
    """What is done, and what the proof must say: the way around, and which roles it is seen to leak to."""

    do: str
    check: str
    about: str
    leaks_to: frozenset[str] = frozenset()


HELD = frozenset({"campaign_app", "bi_reader", "stranger"})

SABOTAGES = {
    "drop FORCE": Sabotage(
        "ALTER TABLE bank.trans NO FORCE ROW LEVEL SECURITY", "guard", "row security bank.trans"
    ),
    "row security off": Sabotage(
        "ALTER TABLE bank.trans DISABLE ROW LEVEL SECURITY", "guard", "row security bank.trans", HELD
    ),
    "row security off without DDL": Sabotage(
        "UPDATE pg_class SET relrowsecurity = false WHERE oid = 'bank.trans'::regclass",
        "guard", "row security bank.trans", HELD,
    ),
    "superuser's view": Sabotage(
        "CREATE VIEW bank.all_trans AS SELECT trans_id AS id, amount FROM bank.trans;"
        "GRANT SELECT ON bank.all_trans TO campaign_app",
        "view", "view bank.all_trans", frozenset({"campaign_app"}),
    ),
    "view over a superuser's view": Sabotage(
        "CREATE VIEW bank.inner_view AS SELECT * FROM bank.trans;"
        "CREATE VIEW bank.outer_view WITH (security_invoker = true) AS SELECT trans_id FROM bank.inner_view;"
        "GRANT SELECT ON bank.inner_view, bank.outer_view TO bi_reader",
        "view", "view bank.inner_view", frozenset({"bi_reader"}),
    ),
    "security_invoker dropped": Sabotage(
        "CREATE VIEW bank.mine WITH (security_invoker = true) AS SELECT * FROM bank.trans;"
        "GRANT SELECT ON bank.mine TO campaign_app; CREATE OR REPLACE VIEW bank.mine AS SELECT * FROM bank.trans",
        "view", "view bank.mine", frozenset({"campaign_app"}),
    ),
    "definer function": Sabotage(
        "CREATE FUNCTION bank.every_trans() RETURNS SETOF bank.trans LANGUAGE sql STABLE SECURITY DEFINER"
        " AS 'SELECT * FROM bank.trans'",
        "definer", "function bank.every_trans()", HELD,
    ),
    "definer function that may write": Sabotage(
        "CREATE FUNCTION bank.find(n int) RETURNS SETOF bank.trans LANGUAGE plpgsql SECURITY DEFINER"
        " AS 'BEGIN RETURN QUERY SELECT * FROM bank.trans WHERE trans_id = n; END'",
        "definer", "function bank.find(integer)",
    ),
    "definer function of the counter's": Sabotage(
        "CREATE FUNCTION bank.counter() RETURNS SETOF bank.trans LANGUAGE sql STABLE SECURITY DEFINER"
        " AS 'SELECT * FROM bank.trans'; ALTER FUNCTION bank.counter() OWNER TO teller_app",
        "definer", "function bank.counter()", HELD,
    ),
    "direct partition": Sabotage(
        "CREATE TABLE bank.payment_2 PARTITION OF bank.payment FOR VALUES FROM (100) TO (200);"
        "INSERT INTO bank.payment VALUES (101, 1), (102, 3); GRANT SELECT ON bank.payment_2 TO campaign_app",
        "guard", "protect bank.payment_2", frozenset({"campaign_app"}),
    ),
    "materialised view": Sabotage(
        "CREATE MATERIALIZED VIEW bank.snapshot AS SELECT * FROM bank.trans; GRANT SELECT ON bank.snapshot TO PUBLIC",
        "materialised-view", "materialised view bank.snapshot", HELD,
    ),
    "PERMISSIVE guard": Sabotage(
        """DO $$
        DECLARE expression text := (SELECT pg_get_expr(polqual, polrelid) FROM pg_policy
                                    WHERE polrelid = 'bank.trans'::regclass AND polname = '!rlsguard');
        BEGIN
            DROP POLICY "!rlsguard" ON bank.trans;
            EXECUTE format('CREATE POLICY "!rlsguard" ON bank.trans AS PERMISSIVE USING (%s) WITH CHECK (%s)',
                           expression, expression);
        END $$""",
        "guard", "policy bank.trans !rlsguard", HELD,
    ),
    "guard for SELECT only": Sabotage(
        """DO $$
        DECLARE expression text := (SELECT pg_get_expr(polqual, polrelid) FROM pg_policy
                                    WHERE polrelid = 'bank.trans'::regclass AND polname = '!rlsguard');
        BEGIN
            DROP POLICY "!rlsguard" ON bank.trans;
            EXECUTE format('CREATE POLICY "!rlsguard" ON bank.trans AS RESTRICTIVE FOR SELECT USING (%s)', expression);
        END $$""",
        "guard", "policy bank.trans !rlsguard", HELD,
    ),
    "WITH CHECK (true)": Sabotage(
        'ALTER POLICY "!rlsguard" ON bank.trans WITH CHECK (true)', "guard", "policy bank.trans !rlsguard", HELD
    ),
    "guard for one role": Sabotage(
        'ALTER POLICY "!rlsguard" ON bank.trans TO bi_reader', "guard", "policy bank.trans !rlsguard",
        frozenset({"campaign_app", "stranger"}),
    ),
    "replaced helper": Sabotage(
        "CREATE OR REPLACE FUNCTION rlsguard.current_purposes() RETURNS SETOF text LANGUAGE sql STABLE PARALLEL SAFE"
        " COST 1 ROWS 1 SET search_path = pg_catalog, pg_temp AS 'SELECT NULL::text WHERE false'",
        "guard", "function rlsguard.current_purposes()", HELD,
    ),
    "replaced view": Sabotage(
        "CREATE OR REPLACE VIEW rlsguard_views.suppressed_client AS"
        " SELECT o.subject_key FROM rlsguard.opt_out_client AS o WHERE false",
        "guard", "relation rlsguard_views.suppressed_client", HELD,
    ),
    "emptied state": Sabotage(
        "ALTER TABLE rlsguard.opt_out_client DISABLE TRIGGER append_only; TRUNCATE rlsguard.opt_out_client;"
        "ALTER TABLE rlsguard.opt_out_client ENABLE ALWAYS TRIGGER append_only",
        "state", "rlsguard.opt_out_client", HELD - {"bi_reader"},
    ),
    "purpose made a duty": Sabotage(
        "UPDATE rlsguard.purpose SET opt_out = false WHERE purpose = 'marketing'", "guard", "rows rlsguard.map",
        frozenset({"campaign_app", "stranger"}),
    ),
    "exempt membership": Sabotage("GRANT sox_auditor TO stranger", "exempt-member", "role stranger"),
    "publication": Sabotage("CREATE PUBLICATION feed FOR TABLE bank.trans", "publication", "publication feed"),
    "publication of a schema": Sabotage(
        "CREATE PUBLICATION feed FOR TABLES IN SCHEMA bank", "publication", "publication feed"
    ),
    "publication of everything": Sabotage(
        "CREATE PUBLICATION feed FOR ALL TABLES", "publication", "publication feed"
    ),
    "rule": Sabotage(
        "CREATE TABLE bank.trail (LIKE bank.trans);"
        "CREATE RULE trail AS ON UPDATE TO bank.trans DO ALSO INSERT INTO bank.trail VALUES (old.*)",
        "rule", "rule trail on bank.trans",
    ),
    "trigger right": Sabotage("GRANT TRIGGER ON bank.trans TO stranger", "privilege", "TRIGGER of stranger"),
    "trigger on the ledger": Sabotage(
        "CREATE FUNCTION bank.nothing() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';"
        "CREATE TRIGGER nothing BEFORE INSERT ON rlsguard.opt_out_event FOR EACH ROW EXECUTE FUNCTION bank.nothing()",
        "guard", "trigger nothing",
    ),
    "BYPASSRLS": Sabotage("ALTER ROLE campaign_app BYPASSRLS", "role", "role campaign_app"),
    "member of a bypasser": Sabotage(
        "CREATE ROLE bypasser BYPASSRLS; GRANT bypasser TO stranger", "member", "role stranger"
    ),
    "file reader": Sabotage("GRANT pg_read_server_files TO stranger", "predefined-role", "role stranger"),
    "auditor of changes": Sabotage(
        "GRANT rlsguard_auditor TO stranger", "auditor", "role stranger", frozenset({"stranger"})
    ),
    "begins as another": Sabotage(
        "ALTER ROLE stranger NOINHERIT; GRANT teller_app TO stranger; ALTER ROLE stranger SET role = 'teller_app'",
        "role-setting", "setting role of role stranger",
    ),
    "replica role": Sabotage(
        "ALTER ROLE stranger SET session_replication_role = replica", "role-setting",
        "setting session_replication_role of role stranger",
    ),
    "LEAKPROOF": Sabotage(
        "CREATE FUNCTION bank.peek(int) RETURNS boolean LANGUAGE plpgsql LEAKPROOF AS 'BEGIN RETURN true; END'",
        "leakproof", "function bank.peek(integer)",
    ),
    "domain of another": Sabotage(
        "CREATE DOMAIN bank.money AS numeric; ALTER DOMAIN bank.money OWNER TO stranger;"
        "ALTER TABLE bank.trans ADD fee bank.money",
        "code-of-others", "domain bank.money",
    ),
    "partition of another": Sabotage(
        "CREATE TABLE bank.payment_2 PARTITION OF bank.payment FOR VALUES FROM (100) TO (200);"
        "ALTER TABLE bank.payment_2 OWNER TO stranger",
        "partition", "table bank.payment_2",
    ),
}  # fmt: skip


@pytest.fixture
def bank(template_db: Clone) -> Database:
    db = small_bank(template_db, MAP, more=PARTITIONED)
    # Somebody opted out before, so that an emptied state shows.
    opt_out(db, 3, "marketing")
    return db


def test_an_untouched_guard_is_proven(bank: Database) -> None:
    proof = prove_map(bank, MAP)
    assert faults(proof) == []
    assert proof.ways_around == ()
    assert proof.right
    assert proof.count("passed") > 300


@pytest.mark.by_turns
@pytest.mark.parametrize("name", SABOTAGES)
def test_sabotage_is_found_and_mended(bank: Database, name: str) -> None:
    sabotage = SABOTAGES[name]
    bank.execute(sabotage.do)
    proof = prove_map(bank, MAP)
    assert not proof.right
    ways = [way for way in proof.ways_around if way.check == sabotage.check and way.about == sabotage.about]
    assert ways, proof.ways_around
    # Leaks are seen by exactly the roles that they open to, and nothing is said of tables that are not concerned.
    shown = {role for _, role in leaked(proof)}
    assert shown == sabotage.leaks_to, faults(proof)
    mend(bank, proof)
    again = prove_map(bank, MAP)
    assert faults(again) == []
    assert again.ways_around == ()


def mend(db: Database, proof: Proof) -> None:
    """Do what the proof says, to the letter."""
    for way in proof.ways_around:
        if way.mend != "rlsguard apply MAP":
            db.execute(way.mend)
    apply(db, MAP)

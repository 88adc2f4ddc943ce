"""The guard's own objects: what everybody can read of them, and that nobody else rewrites, shadows or empties them."""

from __future__ import annotations

import pytest

from catalogue.attacking import refused, run
from catalogue.searching import ways
from guarding import ALL, BANK_MAP, WITHOUT_1, apply, opt_out, visible

CLIENTS = "SELECT client_id FROM bank.client"
USERS = ("campaign_app", "teller_app", "sox_auditor", "stranger")

# What anybody may read of the definitions in a database.
DEFINITIONS = """
SELECT count(*) FROM (
    SELECT concat(p.*) FROM pg_policies AS p
    UNION ALL SELECT definition FROM pg_views
    UNION ALL SELECT concat(prosrc, pg_get_functiondef(oid)) FROM pg_proc WHERE prokind IN ('f', 'p')
    UNION ALL SELECT pg_get_expr(relpartbound, oid) FROM pg_class
    UNION ALL SELECT pg_get_constraintdef(oid) FROM pg_constraint
    UNION ALL SELECT pg_get_triggerdef(oid) FROM pg_trigger
    UNION ALL SELECT pg_get_indexdef(indexrelid) FROM pg_index
    UNION ALL SELECT description FROM pg_description
    UNION ALL SELECT concat(s.*) FROM pg_stats AS s WHERE s.schemaname !~ '^pg_'
) AS t (text) WHERE text LIKE '%424242%'
"""


def test_no_key_stands_in_a_definition(bank):
    # T21. Policies, views and functions of the guard look people up; whom, stands in its tables alone.
    bank.execute("INSERT INTO bank.client VALUES (424242, '010101')")
    opt_out(bank, 424242, "marketing")
    bank.execute("ANALYZE")
    assert run(bank, "campaign_app", CLIENTS) == [2, 3]
    assert run(bank, "stranger", DEFINITIONS) == [0]
    # Control: written into a policy, or the bounds of a partition, everybody reads it.
    bank.execute("CREATE POLICY naive ON bank.client AS RESTRICTIVE USING (client_id <> 424242)")
    assert run(bank, "stranger", DEFINITIONS) == [1]
    bank.execute("CREATE TABLE bank.p (id int) PARTITION BY LIST (id)")
    bank.execute("CREATE TABLE bank.p1 PARTITION OF bank.p FOR VALUES IN (424242)")
    assert run(bank, "stranger", DEFINITIONS) == [2]


# Empty objects of the names that the guard's views and functions use, and an operator that finds nothing equal.
SHADOWS = [
    "CREATE TEMP TABLE opt_out_client (subject_key int, purpose text, in_force boolean, opted_in_by xid8)",
    "CREATE TEMP TABLE purpose (purpose text, opt_out boolean)",
    "CREATE TEMP TABLE current_purpose (purpose text)",
    "CREATE TEMP TABLE role_purpose (role regrole, purpose text)",
    "CREATE TEMP TABLE suppressed_client (subject_key int)",
    "CREATE TEMP TABLE hop_like (one boolean)",
    "CREATE FUNCTION pg_temp.never(int, int) RETURNS boolean LANGUAGE sql AS 'SELECT false'",
    "CREATE OPERATOR pg_temp.= (LEFTARG = int, RIGHTARG = int, FUNCTION = pg_temp.never)",
    "CREATE FUNCTION pg_temp.pg_has_role(name, oid, text) RETURNS boolean LANGUAGE sql AS 'SELECT false'",
    "SET search_path = pg_temp, pg_catalog",
]


def test_nothing_of_the_guard_is_shadowed(bank):
    # T34. Every name in it is qualified or bound when it was made, and pg_temp comes last.
    assert run(bank, "campaign_app", *SHADOWS, CLIENTS) == [2, 3]
    assert run(bank, "campaign_app", *SHADOWS, "SELECT trans_id FROM bank.trans") == [1002]
    # Control: a helper with a search_path, and no word of pg_temp, finds the reader's own table first.
    bank.execute("CREATE TABLE bank.purpose (purpose text); INSERT INTO bank.purpose VALUES ('marketing')")
    bank.execute(
        "CREATE FUNCTION bank.naive() RETURNS bigint LANGUAGE plpgsql SECURITY DEFINER SET search_path = bank"
        " AS 'BEGIN RETURN (SELECT count(*) FROM purpose); END'"
    )
    assert run(bank, "campaign_app", "SELECT bank.naive()") == [1]
    assert run(bank, "campaign_app", *SHADOWS, "SELECT bank.naive()") == [0]


def test_every_function_of_the_guard_has_a_search_path_or_was_bound_when_made(bank):
    # T34.
    loose = bank.execute(
        "SELECT p.oid::regprocedure::text FROM pg_proc AS p WHERE p.pronamespace = 'rlsguard'::regnamespace"
        " AND p.prosqlbody IS NULL AND NOT 'search_path=pg_catalog, pg_temp' = ANY (coalesce(p.proconfig, '{}'))"
    )
    assert loose == []


REPLACING = [
    "CREATE OR REPLACE FUNCTION rlsguard.current_purposes() RETURNS SETOF text LANGUAGE sql AS 'SELECT NULL'",
    "CREATE OR REPLACE FUNCTION rlsguard.mine() RETURNS int LANGUAGE sql AS 'SELECT 1'",
    "CREATE OR REPLACE VIEW rlsguard_views.suppressed_client AS SELECT 1 AS subject_key WHERE false",
    "CREATE TABLE rlsguard_views.mine (id int)",
    "ALTER FUNCTION rlsguard.current_purposes() RENAME TO gone",
    "ALTER VIEW rlsguard_views.suppressed_client RENAME TO gone",
    "ALTER TABLE rlsguard.opt_out_client RENAME TO gone",
    "DROP VIEW rlsguard_views.suppressed_client CASCADE",
    "DROP SCHEMA rlsguard CASCADE",
    "ALTER SCHEMA rlsguard RENAME TO gone",
    "ALTER ROLE rlsguard_owner LOGIN",
]


@pytest.mark.parametrize("statement", REPLACING)
def test_nobody_else_replaces_what_policies_ask(bank, statement):
    # T35. That whoever may has done so is detected.
    for user in USERS:
        refused(bank, user, statement)
    assert visible(bank, "campaign_app") == WITHOUT_1


@pytest.mark.parametrize("mode", ["force_generic_plan", "force_custom_plan"])
def test_a_statement_prepared_before_an_opt_out_hides_after_it(bank, mode):
    # T36. What the policy asks is STABLE: a plan keeps no answer.
    bank.execute("CREATE TABLE bank.refusal (client_id int); GRANT SELECT ON bank.refusal TO campaign_app")
    bank.execute(
        "CREATE FUNCTION bank.stale(int) RETURNS boolean LANGUAGE sql IMMUTABLE"
        " AS 'SELECT EXISTS (SELECT FROM bank.refusal WHERE client_id = $1)'"
    )
    with bank.connect("campaign_app") as conn:
        conn.execute(f"SET plan_cache_mode = {mode}")
        conn.execute(f"PREPARE ours AS {CLIENTS}")
        conn.execute("PREPARE naive AS SELECT bank.stale(3)")
        assert len(conn.execute("EXECUTE ours").fetchall()) == 2
        assert conn.execute("EXECUTE naive").fetchall() == [(False,)]
        opt_out(bank, 3, "marketing")
        bank.execute("INSERT INTO bank.refusal VALUES (3)")
        assert conn.execute("EXECUTE ours").fetchall() == [(2,)]
        # Control: a plan that is kept has the answer of an IMMUTABLE helper in it.
        assert conn.execute("EXECUTE naive").fetchall() == [(False,)]


def test_the_one_immutable_function_knows_nothing(bank):
    # T36. It is STRICT, and only ever given NULL.
    immutable = "SELECT proname::text FROM pg_proc WHERE pronamespace = 'rlsguard'::regnamespace AND provolatile = 'i'"
    assert run(bank, "postgres", immutable) == ["unknown"]


WRITES = [
    "DELETE FROM rlsguard.opt_out_event",
    "DELETE FROM rlsguard.opt_out_client",
    "UPDATE rlsguard.opt_out_client SET in_force = false",
    "INSERT INTO rlsguard.exemption VALUES ('campaign_app', 'mine', NULL)",
    "UPDATE rlsguard.purpose SET opt_out = false",
    "DELETE FROM rlsguard_views.suppressed_client",
    "UPDATE rlsguard_views.suppressed_client SET subject_key = 99",
    "SELECT * FROM rlsguard.opt_in('client', '1', '{marketing}', 'me', 'because')",
    "SELECT * FROM rlsguard_views.suppressed_client",
]


@pytest.mark.parametrize("statement", WRITES)
def test_nobody_else_writes_ledger_or_state_or_lists_them(bank, statement):
    # T64. No role of the map has a right in the guard's schemas; its views can be read by policies alone.
    for user in USERS:
        refused(bank, user, statement, match="permission denied")
    assert visible(bank, "campaign_app") == WITHOUT_1


CARELESS = """
GRANT USAGE ON SCHEMA rlsguard, rlsguard_views TO stranger;
GRANT ALL ON ALL TABLES IN SCHEMA rlsguard, rlsguard_views TO stranger, PUBLIC, rlsguard_auditor;
GRANT ALL ON ALL ROUTINES IN SCHEMA rlsguard TO stranger;
GRANT UPDATE (in_force) ON rlsguard.opt_out_client TO stranger;
"""


@pytest.mark.by_turns
@pytest.mark.parametrize("statement", WRITES[:7])
def test_rights_given_away_are_found_and_taken_back_by_apply(bank, statement):
    # T64. A careless GRANT ALL opens what is not append-only. It is found, and the next apply takes it back.
    assert ways(bank, "guard") == {}
    bank.execute(CARELESS)
    if statement.startswith("DELETE") and "purpose" not in statement:
        # Rows of ledger and state go for nobody, by way of a view neither.
        refused(bank, "stranger", statement, match="it only grows")
    else:
        with bank.connect("stranger", autocommit=False) as conn:
            conn.execute(statement)
            conn.rollback()
    found = ways(bank, "guard")
    assert {"relation rlsguard.opt_out_client", "relation rlsguard_views.suppressed_client", "schema rlsguard"} <= set(
        found
    )
    assert {way.mend for way in found.values()} == {"rlsguard apply MAP"}
    apply(bank, BANK_MAP)
    refused(bank, "stranger", statement, match="permission denied")
    assert ways(bank, "guard") == {}
    assert apply(bank, BANK_MAP).changes == ()
    assert (visible(bank, "campaign_app"), visible(bank, "teller_app")) == (WITHOUT_1, ALL)


@pytest.mark.parametrize("table", ["opt_out_client", "opt_out_event", "role_purpose"])
def test_a_list_that_a_crash_would_empty_is_found_and_kept_again(bank, table):
    # T64. Whoever may, made it UNLOGGED; the next apply makes it last, where it took that for its own doing.
    bank.execute(f"ALTER TABLE rlsguard.{table} SET UNLOGGED")
    sequence = {"sequence rlsguard.opt_out_event_id_seq"} if table == "opt_out_event" else set()
    assert set(ways(bank, "guard")) == {f"relation rlsguard.{table}"} | sequence
    apply(bank, BANK_MAP)
    persistence = f"SELECT relpersistence::text FROM pg_class WHERE oid = 'rlsguard.{table}'::regclass"
    assert run(bank, "postgres", persistence) == ["p"]
    assert ways(bank, "guard") == {}


def test_control_a_textbook_list_that_its_readers_may_write(plain):
    # T64, control: GRANT ALL on a view of the list lets whoever is held to it delete from it.
    plain.execute("CREATE TABLE bank.refusal (client_id int); INSERT INTO bank.refusal VALUES (1)")
    plain.execute("CREATE VIEW bank.refused AS SELECT * FROM bank.refusal; GRANT ALL ON bank.refused TO campaign_app")
    plain.execute("ALTER TABLE bank.client ENABLE ROW LEVEL SECURITY")
    plain.execute(
        "CREATE POLICY naive ON bank.client USING"
        " (NOT EXISTS (SELECT FROM bank.refused AS r WHERE r.client_id = client.client_id))"
    )
    assert run(plain, "campaign_app", CLIENTS) == [2, 3]
    assert run(plain, "campaign_app", "DELETE FROM bank.refused", CLIENTS) == [1, 2, 3]


def test_functions_of_the_guard_tell_nobody_who_opted_out(bank):
    # T64. What the textbook's helpers do for anybody who calls them, ours do not: none that has rights is for all.
    callable = (
        "SELECT p.proname::text FROM pg_proc AS p WHERE p.pronamespace = 'rlsguard'::regnamespace"
        " AND p.prosecdef AND has_function_privilege(p.oid, 'EXECUTE')"
    )
    for user in USERS:
        assert run(bank, user, callable) == []

"""Traps that have been fallen into: each once made rows visible, or would have."""

from __future__ import annotations

import psycopg
import pytest

from guarding import ALL, BANK_MAP, HEAD, WITHOUT_1, apply, column, load, opt_in, opt_out, small_bank, visible
from rlsguard import apply as applying
from rlsguard.problems import MapError


@pytest.fixture
def bank(template_db):
    return small_bank(template_db)


@pytest.mark.parametrize("mode", ["attribute", "marker"])
def test_the_guard_sees_past_the_policies_of_hop_tables(bank, mode):
    apply(bank, BANK_MAP + f"guard: {{bypass: {mode}}}\n")
    opt_out(bank, 1, "marketing")
    assert visible(bank, "campaign_app") == WITHOUT_1
    assert column(bank, "SELECT rolbypassrls FROM pg_roles WHERE rolname = 'rlsguard_owner'") == [mode == "attribute"]


def test_marker_mode_lets_the_guard_past_permissive_policies_of_others(bank):
    with bank.connect() as conn:
        conn.execute("ALTER TABLE bank.disp ENABLE ROW LEVEL SECURITY")
        conn.execute("CREATE POLICY theirs ON bank.disp TO campaign_app, teller_app USING (true)")
    apply(bank, BANK_MAP + "guard: {bypass: marker}\n")
    opt_out(bank, 1, "marketing")
    assert column(bank, "SELECT trans_id FROM bank.trans", user="campaign_app") == WITHOUT_1["trans"]
    assert column(bank, "SELECT disp_id FROM bank.disp", user="campaign_app") == WITHOUT_1["disp"]
    # bi_reader had no policy that lets it in, and still has none.
    assert column(bank, "SELECT disp_id FROM bank.disp", user="bi_reader") == []


def test_marker_mode_refuses_hop_tables_whose_restrictive_policies_would_blind_the_guard(bank):
    with bank.connect() as conn:
        conn.execute("ALTER TABLE bank.disp ENABLE ROW LEVEL SECURITY")
        conn.execute("CREATE POLICY theirs ON bank.disp AS RESTRICTIVE USING (disp_id < 102)")
    with pytest.raises(MapError, match=r"policy theirs of bank\.disp would hide rows from the guard"):
        apply(bank, BANK_MAP + "guard: {bypass: marker}\n")


def test_the_marker_row_is_seen_by_the_guard_alone(bank):
    apply(bank, BANK_MAP + "guard: {bypass: marker}\n")
    with bank.connect() as conn:
        conn.execute("GRANT USAGE ON SCHEMA rlsguard TO campaign_app")
    assert column(bank, "SELECT one FROM rlsguard.guard_only", user="campaign_app") == []


def test_state_and_configuration_have_statistics_before_the_first_opt_out(bank):
    apply(bank, BANK_MAP)
    analysed = column(
        bank,
        "SELECT tablename::text FROM pg_stats WHERE schemaname = 'rlsguard' GROUP BY 1",
    )
    assert {"opt_out_client", "purpose", "role_purpose", "subject", "exemption"} <= set(analysed)
    # The row behind the statistics is in force for no purpose.
    assert column(bank, "SELECT purpose || in_force FROM rlsguard.opt_out_client") == ["false"]
    assert visible(bank, "campaign_app") == ALL


def test_row_security_switched_on_at_the_guard_does_not_empty_it(bank):
    apply(bank, BANK_MAP)
    opt_out(bank, 1, "marketing")
    with bank.connect() as conn:
        tables = conn.execute(
            "SELECT oid::regclass::text FROM pg_class WHERE relkind = 'r' AND relnamespace = 'rlsguard'::regnamespace "
            "AND relname <> 'guard_only'"
        ).fetchall()
        for (table,) in tables:
            conn.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY")
    assert len(tables) >= 8
    assert visible(bank, "campaign_app") == WITHOUT_1
    assert visible(bank, "teller_app") == ALL
    opt_out(bank, 3, "marketing")
    assert column(bank, "SELECT client_id FROM bank.client", user="campaign_app") == [2]


@pytest.mark.parametrize(
    "sabotage",
    [
        "DROP SCHEMA rlsguard CASCADE",
        "DROP VIEW rlsguard.current_purpose CASCADE",
        "DROP TABLE rlsguard.opt_out_client CASCADE",
        "DROP TABLE bank.disp CASCADE",
        "ALTER TABLE bank.trans DROP COLUMN account_id CASCADE",
    ],
)
def test_what_the_policy_needs_cannot_be_dropped_and_leave_rows_visible(bank, sabotage):
    apply(bank, BANK_MAP)
    opt_out(bank, 1, "marketing")
    with bank.connect() as conn:
        conn.execute(sabotage)
    assert column(bank, "SELECT trans_id FROM bank.trans", user="campaign_app") == []


def test_dropping_the_guard_without_cascade_is_refused(bank):
    apply(bank, BANK_MAP)
    for statement in ("DROP VIEW rlsguard_views.suppressed_client", "DROP TABLE bank.disp"):
        with bank.connect() as conn, pytest.raises(psycopg.errors.DependentObjectsStillExist):
            conn.execute(statement)


def test_the_ledger_refuses_to_forget_even_for_a_superuser_and_a_replica(bank):
    apply(bank, BANK_MAP)
    opt_out(bank, 1, "marketing")
    for statement in (
        "UPDATE rlsguard.opt_out_event SET actor = 'nobody'",
        "DELETE FROM rlsguard.opt_out_event",
        "TRUNCATE rlsguard.opt_out_event",
        "DELETE FROM rlsguard.opt_out_client",
        "TRUNCATE rlsguard.opt_out_client",
        "DELETE FROM rlsguard.change_entry",
    ):
        with bank.connect() as conn:
            conn.execute("SET session_replication_role = replica")
            with pytest.raises(psycopg.errors.InsufficientPrivilege, match="is refused: it only grows"):
                conn.execute(statement)
    assert visible(bank, "campaign_app") == WITHOUT_1


def test_guard_tables_are_logged(bank):
    apply(bank, BANK_MAP)
    assert set(
        column(bank, "SELECT relpersistence::text FROM pg_class WHERE relnamespace = 'rlsguard'::regnamespace")
    ) == {"p"}


def test_the_guards_owner_cannot_log_in_and_has_no_members(bank):
    apply(bank, BANK_MAP)
    assert column(bank, "SELECT rolcanlogin FROM pg_roles WHERE rolname = 'rlsguard_owner'") == [False]
    assert (
        column(bank, "SELECT member::regrole::text FROM pg_auth_members WHERE roleid = 'rlsguard_owner'::regrole") == []
    )


def test_writes_about_a_person_who_opted_out_are_refused(bank):
    apply(bank, BANK_MAP)
    opt_out(bank, 1, "marketing")
    refused = pytest.raises(psycopg.errors.InsufficientPrivilege, match="row-level security")
    with bank.connect("campaign_app") as conn:
        with refused:
            conn.execute("INSERT INTO bank.trans VALUES (2000, 10, 5)")
        with refused:
            conn.execute("UPDATE bank.trans SET account_id = 10 WHERE trans_id = 1002")
        assert conn.execute("UPDATE bank.trans SET amount = 0").rowcount == 1
        assert conn.execute("DELETE FROM bank.client WHERE client_id = 1").rowcount == 0
        with pytest.raises(psycopg.errors.FeatureNotSupported), conn.cursor().copy("COPY bank.trans FROM STDIN"):
            pass
    with bank.connect("teller_app") as conn:
        conn.execute("INSERT INTO bank.trans VALUES (2000, 10, 5)")


def test_policies_that_slept_are_named_and_not_woken_unasked(bank):
    with bank.connect() as conn:
        conn.execute("CREATE POLICY asleep ON bank.trans TO campaign_app USING (amount < 3)")
    with pytest.raises(MapError, match=r"bank\.trans has policies that sleep.*: asleep; say existing_policies"):
        apply(bank, BANK_MAP)
    before, after = BANK_MAP.split("  bank.trans:\n")
    entry = after.replace("{holds", "{existing_policies: %s, holds")
    apply(bank, before + "  bank.trans:\n" + entry % "keep_dormant")
    assert column(bank, "SELECT trans_id FROM bank.trans", user="campaign_app") == ALL["trans"]
    apply(bank, before + "  bank.trans:\n" + entry % "wake")
    assert column(bank, "SELECT trans_id FROM bank.trans", user="campaign_app") == [1000, 1001]
    assert column(bank, "SELECT trans_id FROM bank.trans", user="teller_app") == []


def test_a_table_with_policies_keeps_them_and_is_not_widened(bank):
    with bank.connect() as conn:
        conn.execute("ALTER TABLE bank.trans ENABLE ROW LEVEL SECURITY")
        conn.execute("CREATE POLICY small ON bank.trans TO campaign_app USING (amount < 3)")
        conn.execute("CREATE ROLE bank_owner LOGIN; ALTER TABLE bank.trans OWNER TO bank_owner")
        conn.execute("GRANT USAGE ON SCHEMA bank TO bank_owner")
    apply(bank, BANK_MAP)
    assert column(bank, "SELECT trans_id FROM bank.trans", user="campaign_app") == [1000, 1001]
    assert column(bank, "SELECT trans_id FROM bank.trans", user="bi_reader") == []
    # Row security was not forced on the owner: it still sees all but opted-out rows.
    assert column(bank, "SELECT trans_id FROM bank.trans", user="bank_owner") == ALL["trans"]
    opt_out(bank, 1, "marketing")
    assert column(bank, "SELECT trans_id FROM bank.trans", user="campaign_app") == []
    assert column(bank, "SELECT trans_id FROM bank.trans", user="bank_owner") == [1002]


def test_our_policy_sorts_before_every_restrictive_one(bank):
    with bank.connect() as conn:
        conn.execute("ALTER TABLE bank.trans ENABLE ROW LEVEL SECURITY")
        conn.execute("CREATE POLICY everyone ON bank.trans USING (true)")
        conn.execute('CREATE POLICY "!!first" ON bank.trans AS RESTRICTIVE USING (amount > 1)')
    apply(bank, BANK_MAP)
    names = column(
        bank, "SELECT polname::text FROM pg_policy WHERE NOT polpermissive AND polrelid = 'bank.trans'::regclass"
    )
    assert sorted(names, key=str.encode) == ["!!!rlsguard", "!!first", "rlsguard present"]
    with bank.connect() as conn:
        conn.execute('DROP POLICY "!!first" ON bank.trans; CREATE POLICY " " ON bank.trans AS RESTRICTIVE USING (true)')
    with pytest.raises(MapError, match=r"bank\.trans has a restrictive policy that sorts before any other name"):
        apply(bank, BANK_MAP)


def test_joint_all_hides_only_when_everyone_opted_out(bank):
    apply(bank, BANK_MAP.replace("client_id]}}", "client_id]}, joint: all}"))
    opt_out(bank, 1, "marketing")
    assert visible(bank, "campaign_app") == {**WITHOUT_1, "account": [10, 20], "trans": [1000, 1001, 1002]}
    # Per person the union of a reader's purposes counts: 1 refused marketing, 2 analytics.
    opt_out(bank, 2, "analytics")
    assert column(bank, "SELECT account_id FROM bank.account", user="campaign_app") == [10, 20]
    assert column(bank, "SELECT account_id FROM bank.account", user="stranger") == [20]
    opt_out(bank, 2, "marketing")
    assert column(bank, "SELECT account_id FROM bank.account", user="campaign_app") == [20]


def test_joint_all_warns_of_who_can_add_a_holder(bank):
    delta = apply(bank, BANK_MAP.replace("client_id]}}", "client_id]}, joint: all}"))
    assert any("whoever may insert there can make hidden rows visible" in notice.text for notice in delta.notices)


def test_a_path_that_can_end_in_null_must_say_what_then(bank):
    with bank.connect() as conn:
        conn.execute(
            "ALTER TABLE bank.trans ALTER account_id DROP NOT NULL; INSERT INTO bank.trans VALUES (1003, NULL, 4)"
        )
    with pytest.raises(MapError, match=r"bank\.trans\.account_id can be NULL; say when_unknown: hide or when_unknown"):
        apply(bank, BANK_MAP)
    before, after = BANK_MAP.split("  bank.trans:\n")
    entry = after.replace("{holds", "{when_unknown: %s, holds")
    apply(bank, before + "  bank.trans:\n" + entry % "show")
    assert column(bank, "SELECT trans_id FROM bank.trans", user="campaign_app") == [1000, 1001, 1002, 1003]
    apply(bank, before + "  bank.trans:\n" + entry % "hide")
    assert column(bank, "SELECT trans_id FROM bank.trans", user="campaign_app") == [1000, 1001, 1002]
    assert column(bank, "SELECT trans_id FROM bank.trans", user="stranger") == [1000, 1001, 1002]
    assert column(bank, "SELECT trans_id FROM bank.trans", user="teller_app") == [1000, 1001, 1002, 1003]
    # A row that finds nobody over the hop is nobody's, too.
    with bank.connect() as conn:
        conn.execute("INSERT INTO bank.account VALUES (30); INSERT INTO bank.trans VALUES (1004, 30, 4)")
    assert column(bank, "SELECT trans_id FROM bank.trans", user="campaign_app") == [1000, 1001, 1002]
    assert column(bank, "SELECT trans_id FROM bank.trans", user="teller_app") == [1000, 1001, 1002, 1003, 1004]


def test_types_and_collations_that_differ_are_refused(bank):
    with bank.connect() as conn:
        conn.execute("ALTER TABLE bank.disp DROP CONSTRAINT disp_client_id_fkey, ALTER client_id TYPE bigint")
    with pytest.raises(MapError) as caught:
        apply(bank, BANK_MAP)
    assert "bank.disp.client_id and bank.client.client_id differ in type: bigint and integer" in str(caught.value)
    assert len(caught.value.problems) == 3


def test_a_role_that_row_security_cannot_hold_is_refused(bank):
    with bank.connect() as conn:
        conn.execute("ALTER ROLE campaign_app BYPASSRLS")
    with pytest.raises(MapError, match=r"role campaign_app has BYPASSRLS: row security never holds it"):
        apply(bank, BANK_MAP)


def test_paths_in_a_circle_are_refused(bank):
    circle = (
        HEAD
        + """
tables:
  bank.account: {holds: [financial], subject: {client: [account_id = bank.disp.account_id, client_id]}}
  bank.disp: {holds: [personal], subject: {client: [account_id = bank.account.account_id, account_id]}}
"""
    )
    with pytest.raises(MapError, match=r"circle|cycle"):
        apply(bank, circle)


def test_a_second_map_cannot_lose_the_state(bank):
    apply(bank, BANK_MAP)
    opt_out(bank, 1, "marketing")
    with bank.connect() as conn:
        applying.apply(conn, load(BANK_MAP))
    apply(bank, BANK_MAP.replace("marketing: {description: Campaigns}", "marketing: {description: Other words}"))
    assert visible(bank, "campaign_app") == WITHOUT_1
    opt_in(bank, 1, "marketing")
    assert visible(bank, "campaign_app") == ALL

"""The guard itself, weakened or gone: a proof names what is no longer as it was applied, and apply mends it."""

from __future__ import annotations

import psycopg
import pytest

from catalogue.attacking import SECRET, SPY, refused, run, undone
from catalogue.detecting import ALL, CLIENTS, DISP, HEAD, LEFT, MAP, TRANS, guarded, mended, named, named_roles, proven
from catalogue.searching import ways
from guarding import apply, opt_out
from proving import faults, leaked, prove_map
from rlsguard.problems import MapError, RlsguardError

pytestmark = pytest.mark.by_turns

AUDITED = MAP.replace("holds: [personal],", "holds: [personal], audit: true,")
EXPRESSION = "(SELECT pg_get_expr(polqual, polrelid) FROM pg_policy WHERE polname = '!rlsguard')"


@pytest.mark.parametrize(
    ("do", "seen_by"),
    [
        ("ALTER TABLE bank.client DISABLE ROW LEVEL SECURITY", "campaign_app"),
        ("ALTER TABLE bank.client NO FORCE ROW LEVEL SECURITY", "bank_owner"),
        # T9. A superuser who writes the catalog: no DDL, so no event trigger and no pgaudit class tells of it.
        ("UPDATE pg_class SET relrowsecurity = false WHERE oid = 'bank.client'::regclass", "campaign_app"),
        ("UPDATE pg_class SET relforcerowsecurity = false WHERE oid = 'bank.client'::regclass", "bank_owner"),
    ],
)
def test_row_security_off_or_not_forced(db, do, seen_by):
    # T3. T9. Read from the catalog, whoever wrote it there.
    guarded(
        db,
        before="CREATE ROLE bank_owner LOGIN; GRANT USAGE ON SCHEMA bank TO bank_owner;"
        "ALTER TABLE bank.client OWNER TO bank_owner;",
    )
    assert run(db, seen_by, CLIENTS) == LEFT
    db.execute(do)
    assert run(db, seen_by, CLIENTS) == ALL
    way = named(db, "guard", "row security bank.client")
    assert [str(table) for table in way.tables] == ["bank.client"]
    mended(db, way)
    assert run(db, seen_by, CLIENTS) == LEFT


@pytest.mark.parametrize(
    ("create", "leaks"),
    [
        # T40. Beside the baseline a permissive policy takes nothing away.
        ("AS PERMISSIVE USING (%s) WITH CHECK (%s)", True),
        # T40.
        ("AS RESTRICTIVE TO bi_reader USING (%s) WITH CHECK (%s)", True),
        # T42. Hidden rows are deleted.
        ("AS RESTRICTIVE FOR SELECT USING (%s)", False),
        # T43.
        ("AS RESTRICTIVE USING (%s) WITH CHECK (true)", False),
    ],
)
def test_a_policy_of_another_shape(db, create, leaks):
    # T40. T42. T43.
    guarded(db)
    drop = 'DROP POLICY "!rlsguard" ON bank.client'
    values = ", ".join(["x"] * create.count("%s"))
    create = f'format($s$CREATE POLICY "!rlsguard" ON bank.client {create}$s$, {values})'
    db.execute(f"DO $d$ DECLARE x text := {EXPRESSION}; BEGIN {drop}; EXECUTE {create}; END $d$")
    assert run(db, "campaign_app", CLIENTS) == (ALL if leaks else LEFT)
    way = named(db, "guard", "policy bank.client !rlsguard")
    assert ("bank.client", "campaign_app") in leaked(prove_map(db, MAP, max_rows=20))
    mended(db, way)


def test_a_policy_that_is_gone_says_nothing_of_row_security(db):
    guarded(db)
    db.execute('DROP POLICY "!rlsguard" ON bank.client')
    assert run(db, "campaign_app", CLIENTS) == ALL
    assert list(ways(db, "guard", MAP)) == ["policy bank.client !rlsguard"]
    mended(db, named(db, "guard", "policy bank.client !rlsguard"))
    assert run(db, "campaign_app", CLIENTS) == LEFT


def test_a_policy_that_sorts_first(db):
    # T44. Its function is asked before ours, and shown hidden rows.
    guarded(db, before=SPY)
    db.execute('CREATE POLICY "!!later" ON bank.client AS RESTRICTIVE USING (bank.spy(birth_number))')
    seen = "SELECT current_setting('spy.seen')"
    assert SECRET in run(db, "campaign_app", CLIENTS, seen)[0]
    way = named(db, "policy-order", 'policy "!!later" on bank.client')
    assert way.mend == 'ALTER POLICY "!!later" ON bank.client RENAME TO later;'
    mended(db, way)
    assert SECRET not in run(db, "campaign_app", CLIENTS, seen)[0]


@pytest.mark.parametrize(
    ("do", "about"),
    [
        (
            "CREATE OR REPLACE FUNCTION rlsguard.current_purposes() RETURNS SETOF text LANGUAGE sql STABLE"
            " PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS 'SELECT NULL::text WHERE false'",
            "function rlsguard.current_purposes()",
        ),
        (
            "CREATE OR REPLACE VIEW rlsguard.current_purpose AS"
            " SELECT p.purpose FROM rlsguard.purpose AS p WHERE false",
            "relation rlsguard.current_purpose",
        ),
        (
            "CREATE OR REPLACE VIEW rlsguard_views.suppressed_client AS"
            " SELECT o.subject_key FROM rlsguard.opt_out_client AS o WHERE false",
            "relation rlsguard_views.suppressed_client",
        ),
    ],
)
def test_what_the_policy_asks_replaced(db, do, about):
    # T35. The text of the policy stays the same.
    guarded(db)
    before = db.execute(f"SELECT {EXPRESSION}")
    db.execute(do)
    assert db.execute(f"SELECT {EXPRESSION}") == before
    assert run(db, "campaign_app", CLIENTS) == ALL
    mended(db, named(db, "guard", about))
    assert run(db, "campaign_app", CLIENTS) == LEFT


@pytest.mark.parametrize(
    "alter",
    [
        # T34. Names in it could come to mean something else.
        "RESET search_path",
        # T36. A plan would keep what it answered.
        "IMMUTABLE",
    ],
)
def test_a_helper_altered(db, alter):
    # T34. T36. Nothing leaks by that alone; it is no longer what was applied.
    guarded(db)
    db.execute(f"ALTER FUNCTION rlsguard.current_purposes() {alter}")
    mended(db, named(db, "guard", "function rlsguard.current_purposes()"))


def test_a_helper_given_away(db):
    # T35. Whoever owns it can replace it at any time.
    guarded(db)
    db.execute(
        "ALTER FUNCTION rlsguard.current_purposes() OWNER TO stranger; GRANT CREATE ON SCHEMA rlsguard TO stranger"
    )
    replace = (
        "CREATE OR REPLACE FUNCTION rlsguard.current_purposes() RETURNS SETOF text STABLE PARALLEL SAFE LANGUAGE sql"
    )
    run(db, "stranger", "SET check_function_bodies = off", replace + " AS 'SELECT NULL::text WHERE false'")
    assert run(db, "campaign_app", CLIENTS) == ALL
    way = named(db, "guard-owner", "function rlsguard.current_purposes()")
    assert named_roles(way) == {"stranger"}
    db.execute(way.mend)
    mended(db, named(db, "guard", "function rlsguard.current_purposes()"))
    assert run(db, "campaign_app", CLIENTS) == LEFT


def test_the_list_renamed_and_made_anew(db):
    # T35. Views and functions go on with the old one, both of them: nothing shows, and all the same it is named.
    guarded(db)
    db.execute(
        "ALTER TABLE rlsguard.opt_out_client RENAME TO old_list;"
        "CREATE TABLE rlsguard.opt_out_client (LIKE rlsguard.old_list INCLUDING ALL);"
        "INSERT INTO rlsguard.opt_out_client SELECT * FROM rlsguard.old_list;"
        "ALTER TABLE rlsguard.opt_out_client OWNER TO rlsguard_owner"
    )
    opt_out(db, 2, "marketing")
    assert run(db, "campaign_app", CLIENTS) == [3]
    ways = prove_map(db, MAP, max_rows=20).ways_around
    assert {"relation rlsguard.opt_out_client", "trigger rlsguard.opt_out_client append_only"} <= {
        way.about for way in ways if way.check == "guard"
    }
    # What the ledger has and the list of that name has not.
    assert ["such as that of client 2" in way.why for way in ways if way.check == "state"] == [True]
    db.execute("DROP TABLE rlsguard.opt_out_client; ALTER TABLE rlsguard.old_list RENAME TO opt_out_client")
    mended(db)


@pytest.mark.parametrize("state", ["DISABLE TRIGGER", "ENABLE TRIGGER", "ENABLE REPLICA TRIGGER"])
def test_an_audit_trigger_that_can_be_silenced(db, state):
    # T57. An ordinary one does not fire under session_replication_role = replica.
    guarded(db, AUDITED)
    changed = "SELECT count(*) FROM rlsguard.change_event"
    write = ("SET session_replication_role = replica", "UPDATE bank.client SET birth_number = '7'")
    assert undone(db, "postgres", *write, changed) == [3]
    (trigger,) = [name for (name,) in db.execute(
        "SELECT t.tgname::text FROM pg_trigger AS t JOIN pg_proc AS p ON p.oid = t.tgfoid"
        " WHERE t.tgrelid = 'bank.client'::regclass AND p.proname = 'audit_change' AND t.tgtype & 16 > 0"
    )]  # fmt: skip
    db.execute(f'ALTER TABLE bank.client {state} "{trigger}"')
    silent = write[-1:] if "REPLICA" in state else write
    assert undone(db, "postgres", *silent, changed) == [0]
    way = named(db, "guard", f"trigger bank.client {trigger}", AUDITED)
    mended(db, way, text=AUDITED)


def test_an_audit_trigger_that_waits_for_the_commit(db):
    # T63. Up to 17 a deferred one notes the role of the COMMIT.
    guarded(db, AUDITED)
    (name, definition) = db.execute(
        "SELECT t.tgname::text, pg_get_triggerdef(t.oid) FROM pg_trigger AS t JOIN pg_proc AS p ON p.oid = t.tgfoid"
        " WHERE t.tgrelid = 'bank.client'::regclass AND p.proname = 'audit_change' AND t.tgtype & 16 > 0"
    )[0]
    deferred = definition.replace("CREATE TRIGGER", "CREATE CONSTRAINT TRIGGER").replace(
        " FOR EACH ROW", " DEFERRABLE INITIALLY DEFERRED FOR EACH ROW"
    )
    db.execute(f'DROP TRIGGER "{name}" ON bank.client')
    db.execute(deferred)
    mended(db, named(db, "guard", f"trigger bank.client {name}", AUDITED), text=AUDITED)


def test_rights_to_the_list(db):
    # T64. Who may write it un-hides whom he likes.
    guarded(db)
    db.execute(
        "GRANT USAGE ON SCHEMA rlsguard TO stranger; GRANT SELECT, UPDATE ON rlsguard.opt_out_client TO stranger"
    )
    undo = "UPDATE rlsguard.opt_out_client SET in_force = false"
    assert undone(db, "stranger", undo, CLIENTS) == ALL
    ways = [named(db, "guard", "schema rlsguard"), named(db, "guard", "relation rlsguard.opt_out_client")]
    mended(db, *ways)
    assert db.execute("SELECT has_table_privilege('stranger', 'rlsguard.opt_out_client', 'UPDATE')") == [(False,)]


def test_a_view_of_the_guard_given_away(db):
    # T64. What the guard's views show is the guard's: whoever may look in could list everybody.
    guarded(db)
    db.execute("GRANT USAGE ON SCHEMA rlsguard_views TO stranger")
    assert run(db, "stranger", "SELECT subject_key FROM rlsguard_views.suppressed_client") == [1]
    mended(db, named(db, "guard", "schema rlsguard_views"))


@pytest.mark.parametrize("on", ["opt_out_event", "opt_out_client"])
def test_something_that_swallows_opt_outs(db, on):
    # T65. A trigger of others on the guard's own tables.
    guarded(db)
    db.execute(
        "CREATE FUNCTION bank.swallow() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';"
        f"CREATE TRIGGER swallow BEFORE INSERT OR UPDATE ON rlsguard.{on} FOR EACH ROW EXECUTE FUNCTION bank.swallow()"
    )
    if on == "opt_out_event":
        opt_out(db, 2, "marketing")
        # It is hidden, and there is no word of why.
        assert run(db, "campaign_app", CLIENTS) == [3]
        assert db.execute("SELECT subject_key FROM rlsguard.opt_out_event") == [("1",)]
    else:
        with pytest.raises(psycopg.errors.NotNullViolation):
            opt_out(db, 2, "marketing")
    way = named(db, "guard", "trigger swallow")
    assert way.mend == f"DROP TRIGGER swallow ON rlsguard.{on};"
    if on == "opt_out_event":
        # Then what it swallowed shows: as rows that are hidden without an opt-out.
        db.execute(way.mend)
        assert {cell.verdict for cell in faults(prove_map(db, MAP, max_rows=20))} == {"over-blocked"}
        opt_out(db, 2, "marketing")
        proven(db)
    else:
        mended(db, way)


def test_the_key_column_dropped_with_its_policies(db):
    # T66. The table shuts, and neither apply nor a proof goes on without the column.
    guarded(db, HEAD + DISP)
    db.execute("ALTER TABLE bank.disp DROP COLUMN client_id CASCADE")
    assert run(db, "campaign_app", "SELECT disp_id FROM bank.disp") == []
    for what in (apply, prove_map):
        with pytest.raises(MapError, match=r"bank\.disp has no column client_id"):
            what(db, HEAD + DISP)
    db.execute("ALTER TABLE bank.disp ADD client_id int NOT NULL DEFAULT 1 REFERENCES bank.client")
    mended(db, named(db, "guard", "policy bank.disp !rlsguard", HEAD + DISP), text=HEAD + DISP)


def test_the_key_column_renamed_and_another_in_its_place(db):
    # T66. The policy follows the old one; people's keys go into the new one.
    guarded(db, HEAD + DISP)
    db.execute(
        "ALTER TABLE bank.disp RENAME client_id TO former;"
        "ALTER TABLE bank.disp ADD client_id int REFERENCES bank.client;"
        "UPDATE bank.disp SET client_id = former % 3 + 1; ALTER TABLE bank.disp ALTER client_id SET NOT NULL"
    )
    # Of client 1 by the new column.
    assert 102 in run(db, "campaign_app", "SELECT disp_id FROM bank.disp WHERE client_id = 1")
    way = named(db, "guard", "policy bank.disp !rlsguard", HEAD + DISP)
    assert ("bank.disp", "campaign_app") in leaked(prove_map(db, HEAD + DISP, max_rows=20))
    mended(db, way, text=HEAD + DISP)
    assert run(db, "campaign_app", "SELECT disp_id FROM bank.disp") == [100, 101]


SWAPS = {
    "copied and swapped": "CREATE TABLE bank.new (LIKE bank.disp INCLUDING ALL);"
    "INSERT INTO bank.new SELECT * FROM bank.disp;"
    "ALTER TABLE bank.disp RENAME TO old; ALTER TABLE bank.new RENAME TO disp;",
    "dropped and made anew": "CREATE TABLE bank.kept AS SELECT * FROM bank.disp; DROP TABLE bank.disp;"
    "CREATE TABLE bank.disp (disp_id int PRIMARY KEY, client_id int NOT NULL);"
    "INSERT INTO bank.disp SELECT disp_id, client_id FROM bank.kept; DROP TABLE bank.kept;",
}


@pytest.mark.parametrize("how", SWAPS)
def test_another_table_under_its_name(db, how):
    # T23. Policies belong to the table, not to its name.
    text, disps = HEAD + DISP, "SELECT disp_id FROM bank.disp"
    guarded(db, text)
    assert run(db, "campaign_app", disps) == [101, 102]
    db.execute(SWAPS[how] + "GRANT SELECT ON bank.disp TO campaign_app, teller_app, stranger")
    assert run(db, "campaign_app", disps) == [100, 101, 102]
    way = named(db, "guard", "policy bank.disp !rlsguard", text)
    assert ("bank.disp", "campaign_app") in leaked(prove_map(db, text, max_rows=20))
    mended(db, way, text=text)
    assert run(db, "campaign_app", disps) == [101, 102]


def test_another_table_of_people(db):
    # T23. Keys of the new one could be other people's: apply asks that the old one be gone first.
    guarded(db)
    db.execute(
        "CREATE TABLE bank.new (LIKE bank.client INCLUDING ALL); INSERT INTO bank.new SELECT * FROM bank.client;"
        "ALTER TABLE bank.client RENAME TO old; ALTER TABLE bank.new RENAME TO client;"
        "GRANT SELECT ON bank.client TO campaign_app, teller_app"
    )
    assert run(db, "campaign_app", CLIENTS) == ALL
    way = named(db, "guard", "policy bank.client !rlsguard")
    with pytest.raises(RlsguardError, match=r"opt-outs of client are recorded by bank\.old\.client_id"):
        apply(db, MAP)
    db.execute("DROP TABLE bank.old CASCADE")
    mended(db, way)
    assert run(db, "campaign_app", CLIENTS) == LEFT


def test_rows_without_a_person_are_possible_all_of_a_sudden(db):
    # T38. A key that can be NULL: the map has to say what then, or nothing is proven.
    guarded(db, HEAD + DISP)
    db.execute(
        "ALTER TABLE bank.disp ALTER client_id DROP NOT NULL; UPDATE bank.disp SET client_id = NULL WHERE disp_id = 100"
    )
    assert 100 in run(db, "campaign_app", "SELECT disp_id FROM bank.disp")
    with pytest.raises(MapError, match="client_id can be NULL; say when_unknown"):
        prove_map(db, HEAD + DISP)
    hides = HEAD + DISP.replace("client_id}}", "client_id}, when_unknown: hide}")
    # Once it says so, what was applied is not enough.
    assert ("bank.disp", "campaign_app") in leaked(prove_map(db, hides, max_rows=20))
    apply(db, hides)
    mended(db, text=hides)
    assert 100 not in run(db, "campaign_app", "SELECT disp_id FROM bank.disp")


def test_no_policy_lets_anybody_see(db):
    # T39. The outage that a restrictive policy is, alone: over-blocked, and named.
    guarded(db)
    db.execute('DROP POLICY "rlsguard baseline" ON bank.client')
    assert run(db, "teller_app", CLIENTS) == []
    way = named(db, "guard", "policy bank.client rlsguard baseline")
    assert {(cell.role, cell.verdict) for cell in faults(prove_map(db, MAP, max_rows=20))} >= {
        ("teller_app", "over-blocked")
    }
    mended(db, way)
    assert run(db, "teller_app", CLIENTS) == ALL


@pytest.mark.parametrize("lint", ["FORCE ROW LEVEL SECURITY", "DISABLE ROW LEVEL SECURITY"])
def test_row_security_switched_at_the_guards_own_tables(db, lint):
    # T81. What changes nothing is named all the same; the marker must not be forced, or every query is refused.
    text = HEAD + DISP + TRANS + "guard: {bypass: marker}\n"
    guarded(db, text)
    table = "guard_only" if lint.startswith("FORCE") else "opt_out_client"
    db.execute(f"ALTER TABLE rlsguard.{table} {lint}")
    way = named(db, "guard", f"relation rlsguard.{table}", text)
    mended(db, way, text=text)


@pytest.mark.parametrize("mode", ["attribute", "marker"])
def test_a_policy_added_at_the_guards_own_tables(db, mode):
    # T81. One that hides: the guard that bypasses does not heed it, the other would see no opt-out.
    text = MAP + f"guard: {{bypass: {mode}}}\n"
    guarded(db, text)
    db.execute("CREATE POLICY lint ON rlsguard.opt_out_client AS RESTRICTIVE USING (false)")
    assert run(db, "campaign_app", CLIENTS) == (LEFT if mode == "attribute" else ALL)
    way = named(db, "guard", "policy lint", text)
    assert way.mend == "DROP POLICY lint ON rlsguard.opt_out_client;"
    mended(db, way, text=text)


def test_a_guard_that_lost_its_sight(db):
    # T74. As after a restore without the roles: it refuses every query, and nothing is proven.
    guarded(db, MAP + "guard: {bypass: attribute}\n")
    db.execute("ALTER ROLE rlsguard_owner NOBYPASSRLS")
    refused(db, "teller_app", CLIENTS, error=psycopg.errors.ObjectNotInPrerequisiteState)
    way = named(db, "guard", "role rlsguard_owner")
    mended(db, way)
    assert run(db, "campaign_app", CLIENTS) == LEFT

"""The shape of the policy: for whom, for what, in which order, and what it compares."""

from __future__ import annotations

import psycopg
import pytest

from catalogue.attacking import SECRET, SPY, changed, guard, refused, run
from guarding import ALL, BANK_MAP, WITHOUT_1, apply, opt_out, visible
from rlsguard.problems import MapError
from servers import Database

CLIENTS = "SELECT client_id FROM bank.client"
NAIVE = "SELECT client_id FROM bank.naive"
CONDITION = "(NOT EXISTS (SELECT FROM bank.refusal AS r WHERE r.client_id = naive.client_id))"


def naive(db: Database, *policies: str) -> None:
    """Make bank.naive: the clients with textbook policies, for controls."""
    db.execute("CREATE TABLE bank.refusal (client_id int); INSERT INTO bank.refusal VALUES (1)")
    db.execute("CREATE TABLE bank.naive AS SELECT * FROM bank.client; ALTER TABLE bank.naive ENABLE ROW LEVEL SECURITY")
    db.execute("GRANT ALL ON bank.refusal, bank.naive TO campaign_app, stranger")
    for policy in policies:
        db.execute(policy)


@pytest.mark.parametrize(
    ("key_type", "stored", "spelled"),
    [
        ("int", "42", " 042 "),
        ("numeric", "1.0", "1.00"),
        ("char(5)", "abc", "abc  "),
        ("uuid", "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11", "{A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11}"),
        ("date", "2026-03-01", "1 March 2026"),
    ],
)
def test_a_key_is_one_person_however_it_is_spelled(db, key_type, stored, spelled):
    # T38. Keys are kept and compared in the type of the subject's own column.
    db.execute(f"CREATE SCHEMA s; CREATE TABLE s.person (id {key_type} PRIMARY KEY); CREATE ROLE campaign_app LOGIN")
    db.execute(f"INSERT INTO s.person VALUES ('{stored}'); GRANT USAGE ON SCHEMA s TO campaign_app")
    db.execute("GRANT SELECT ON s.person TO campaign_app")
    assert run(db, "campaign_app", "SELECT count(*) FROM s.person") == [1]
    apply(
        db,
        "version: 1\nsubjects: {person: {table: s.person, key: id}}\npurposes: {marketing: {}}\n"
        "roles: {campaign_app: [marketing]}\ntables: {s.person: {holds: [personal], subject: {person: id}}}\n",
    )
    opt_out(db, spelled, "marketing", kind="person")
    assert run(db, "campaign_app", "SELECT count(*) FROM s.person") == [0]


def test_a_row_without_a_person_is_not_left_to_chance(plain):
    # T38. Where a key may be NULL the map must say what then, and `hide` hides.
    plain.execute(
        "CREATE TABLE bank.note (note_id int, client_id int); INSERT INTO bank.note VALUES (1, 1), (2, NULL), (3, 3)"
    )
    plain.execute("GRANT SELECT ON bank.note TO campaign_app")
    entry = "  bank.note: {holds: [personal], subject: {client: client_id}%s}\n"
    with pytest.raises(MapError, match="client_id can be NULL; say when_unknown"):
        apply(plain, BANK_MAP + entry % "")
    guard(plain, BANK_MAP + entry % ", when_unknown: hide")
    assert run(plain, "campaign_app", "SELECT note_id FROM bank.note") == [3]


def test_an_empty_or_odd_list_is_no_outage(plain):
    # T39. It is NOT EXISTS, so no NULL empties it; and where there was no row security a baseline lets rows be seen.
    plain.execute(
        "CREATE TABLE bank.note (note_id int, client_id int); INSERT INTO bank.note VALUES (1, 1), (2, NULL), (3, 3)"
    )
    plain.execute("GRANT SELECT ON bank.note TO campaign_app")
    apply(plain, BANK_MAP + "  bank.note: {holds: [personal], subject: {client: client_id}, when_unknown: show}\n")
    assert visible(plain, "campaign_app") == ALL
    assert run(plain, "campaign_app", "SELECT note_id FROM bank.note") == [1, 2, 3]
    opt_out(plain, 1, "marketing")
    assert run(plain, "campaign_app", "SELECT note_id FROM bank.note") == [2, 3]
    refused(
        plain,
        "postgres",
        "SELECT rlsguard.opt_out('client', NULL, '{marketing}', 'test', 'because')",
        error=psycopg.errors.NullValueNotAllowed,
        match="the key of a client is missing",
    )
    # Control: one NULL in a NOT IN list hides everybody.
    naive(plain, "CREATE POLICY naive ON bank.naive USING (client_id NOT IN (SELECT client_id FROM bank.refusal))")
    assert run(plain, "campaign_app", NAIVE) == [2, 3]
    plain.execute("INSERT INTO bank.refusal VALUES (NULL)")
    assert run(plain, "campaign_app", NAIVE) == []


def test_the_policy_holds_everybody(bank):
    # T40. RESTRICTIVE, TO PUBLIC: also for members that do not inherit, and for roles that are made later.
    bank.execute("CREATE ROLE loner LOGIN NOINHERIT IN ROLE campaign_app; CREATE ROLE newcomer LOGIN")
    bank.execute("GRANT USAGE ON SCHEMA bank TO loner, newcomer; GRANT SELECT ON bank.client TO loner, newcomer")
    assert run(bank, "loner", CLIENTS) == [2, 3]
    assert run(bank, "newcomer", CLIENTS) == [2, 3]
    # Control: a policy for one role is escaped by a member that does not inherit, a permissive one by any other.
    naive(
        bank,
        "CREATE POLICY everything ON bank.naive USING (true)",
        f"CREATE POLICY hide ON bank.naive AS RESTRICTIVE TO campaign_app USING {CONDITION}",
    )
    bank.execute("GRANT SELECT ON bank.naive, bank.refusal TO loner")
    assert run(bank, "campaign_app", NAIVE) == [2, 3]
    assert run(bank, "loner", NAIVE) == [1, 2, 3]
    bank.execute(f"DROP POLICY hide ON bank.naive; CREATE POLICY hide ON bank.naive USING {CONDITION}")
    assert run(bank, "campaign_app", NAIVE) == [1, 2, 3]


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_permissive_policy_beside_it_widens_nothing(plain, when):
    # T41. Restrictive policies count whatever permissive ones say.
    if when == "before":
        plain.execute(
            "ALTER TABLE bank.client ENABLE ROW LEVEL SECURITY; CREATE POLICY open ON bank.client USING (true)"
        )
    guard(plain)
    if when == "after":
        plain.execute("CREATE POLICY open ON bank.client USING (true) WITH CHECK (true)")
    assert run(plain, "campaign_app", CLIENTS) == [2, 3]
    refused(plain, "campaign_app", "INSERT INTO bank.disp VALUES (103, 1, 10)", match="row-level security")


@pytest.mark.parametrize(
    ("statement", "all_rows", "left"),
    [
        ("UPDATE bank.trans SET amount = 0", 3, 1),
        ("UPDATE bank.trans SET amount = 0 WHERE trans_id = 1000", 1, 0),
        ("DELETE FROM bank.trans", 3, 1),
        ("DELETE FROM bank.trans WHERE trans_id = 1000", 1, 0),
    ],
)
def test_hidden_rows_are_not_changed(plain, statement, all_rows, left):
    # T42. The policy is FOR ALL: a statement that reads no column finds no hidden row either.
    assert changed(plain, "campaign_app", statement) == all_rows
    guard(plain)
    assert changed(plain, "campaign_app", statement) == left


def test_control_a_policy_for_select_alone_lets_hidden_rows_be_changed(plain):
    # T42, control.
    naive(
        plain,
        "CREATE POLICY everything ON bank.naive USING (true)",
        f"CREATE POLICY hide ON bank.naive AS RESTRICTIVE FOR SELECT USING {CONDITION}",
    )
    assert run(plain, "campaign_app", NAIVE) == [2, 3]
    assert changed(plain, "campaign_app", "DELETE FROM bank.naive") == 3


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO bank.trans VALUES (2000, 10, 5)",
        "INSERT INTO bank.trans VALUES (2000, 10, 5) ON CONFLICT DO NOTHING",
        "INSERT INTO bank.trans VALUES (1002, 20, 5) ON CONFLICT (trans_id) DO UPDATE SET account_id = 10",
        "UPDATE bank.trans SET account_id = 10 WHERE trans_id = 1002",
        "MERGE INTO bank.trans USING (VALUES (2000)) AS v (id) ON trans_id = v.id"
        " WHEN NOT MATCHED THEN INSERT VALUES (v.id, 10, 5)",
        "MERGE INTO bank.trans USING (VALUES (1002)) AS v (id) ON trans_id = v.id"
        " WHEN MATCHED THEN UPDATE SET account_id = 10",
    ],
)
def test_nothing_is_written_about_a_person_who_opted_out(plain, statement):
    # T43. WITH CHECK says the same as USING.
    assert changed(plain, "campaign_app", statement) == 1
    guard(plain)
    refused(plain, "campaign_app", statement, match="row-level security")
    # Control: with a check that is always true it goes through.
    plain.execute('ALTER POLICY "!rlsguard" ON bank.trans WITH CHECK (true)')
    if statement.startswith("INSERT INTO bank.trans VALUES (2000, 10, 5)") and "CONFLICT" not in statement:
        assert changed(plain, "campaign_app", statement) == 1


@pytest.mark.parametrize("name", ["aa spy", "!spy", "!!spy"])
def test_policies_of_others_are_not_shown_hidden_rows(plain, name):
    # T44. Restrictive policies run in the order of their names: ours is named to sort before all that are there.
    plain.execute(SPY + "ALTER TABLE bank.client ENABLE ROW LEVEL SECURITY")
    plain.execute("CREATE POLICY everything ON bank.client USING (true)")
    plain.execute(f'CREATE POLICY "{name}" ON bank.client AS RESTRICTIVE USING (bank.spy(birth_number))')
    seen = "SELECT current_setting('spy.seen')"
    assert SECRET in run(plain, "campaign_app", CLIENTS, seen)[0]
    guard(plain)
    assert set(run(plain, "campaign_app", CLIENTS, seen)[0].split()) == {"750202", "800303"}


def test_a_policy_that_comes_to_sort_first_stops_the_next_apply(bank):
    # T44. Only the owner can make one. It is shown hidden rows until somebody applies again.
    bank.execute('CREATE POLICY "!!later" ON bank.client AS RESTRICTIVE USING (client_id > 0)')
    with pytest.raises(MapError, match=r"bank\.client has policies .*!!later"):
        apply(bank, BANK_MAP)


LINTS = ("ENABLE ROW LEVEL SECURITY", "FORCE ROW LEVEL SECURITY", "DISABLE ROW LEVEL SECURITY")
GUARD_TABLES = """
SELECT c.relname::text FROM pg_class AS c
WHERE c.relkind = 'r' AND c.relnamespace = 'rlsguard'::regnamespace AND c.relname <> ALL (%s)
"""


@pytest.mark.parametrize("mode", ["attribute", "marker"])
def test_row_security_switched_on_or_off_at_the_guard_itself_changes_nothing(plain, mode):
    # T81. Its tables have row security from the start, forced, with a policy that lets the guard read them.
    # In marker mode rlsguard.guard_only must stay unforced: forcing it is detected.
    guard(plain, BANK_MAP + f"guard: {{bypass: {mode}}}\n")
    tables = [name for (name,) in plain.execute(GUARD_TABLES, [["guard_only"] if mode == "marker" else []])]
    assert len(tables) >= 8
    for lint in LINTS:
        for table in tables:
            plain.execute(f"ALTER TABLE rlsguard.{table} {lint}")
        assert visible(plain, "campaign_app") == WITHOUT_1
        assert visible(plain, "teller_app") == ALL


def test_policies_that_are_always_true_can_be_dropped_from_the_guard_that_bypasses(plain):
    # T81. With BYPASSRLS the guard needs none of them. In marker mode it does: their loss is detected.
    guard(plain, BANK_MAP + "guard: {bypass: attribute}\n")
    for (table,) in plain.execute(GUARD_TABLES, [[]]):
        plain.execute(f"DROP POLICY IF EXISTS guard ON rlsguard.{table}")
        plain.execute(f"CREATE POLICY lint ON rlsguard.{table} AS RESTRICTIVE USING (false)")
    assert visible(plain, "campaign_app") == WITHOUT_1


def test_control_row_security_on_a_textbook_ledger_empties_it(plain):
    # T81, control: a policy asks an empty list, and everything is back.
    naive(plain, f"CREATE POLICY hide ON bank.naive USING {CONDITION}")
    assert run(plain, "campaign_app", NAIVE) == [2, 3]
    plain.execute("ALTER TABLE bank.refusal ENABLE ROW LEVEL SECURITY")
    assert run(plain, "campaign_app", NAIVE) == [1, 2, 3]

"""Why a row is hidden or visible: every reason by name, and agreement with what the role sees."""

from __future__ import annotations

import pytest

from guarding import ALL, BANK, BANK_MAP, apply, load, opt_in, opt_out, small_bank, visible
from rlsguard.names import QualifiedName
from rlsguard.problems import RlsguardError
from rlsguard.why import Why, why
from rlsguard.why.wording import title
from servers import Clone, Database

pytestmark = pytest.mark.by_turns

ROLES = ("campaign_app", "bi_reader", "teller_app", "sox_auditor", "stranger", "postgres")
JOINT_ALL = BANK_MAP.replace(
    "  bank.trans:\n    {holds: [financial],", "  bank.trans:\n    {holds: [financial], joint: all,"
)


@pytest.fixture
def bank(template_db: Clone) -> Database:
    """The small bank, guarded; client 1 has opted out of marketing."""
    db = small_bank(template_db, BANK_MAP)
    opt_out(db, 1, "marketing")
    return db


def ask(db: Database, table: str, *row: str, role: str = "campaign_app", text: str = BANK_MAP) -> Why:
    with db.connect() as conn:
        return why(conn, load(text), QualifiedName(*table.split(".")), row, role)


def told(answer: Why) -> tuple[str, str, list[str]]:
    """Return what should be, what is, and why, without the moments that entries were recorded at."""
    because = [line.split(" at 2")[0] for line in answer.reasoning.because]
    return answer.reasoning.expected, answer.sight.measured, because


def test_a_row_hidden_over_a_hop_names_person_and_ledger_entry(bank: Database) -> None:
    answer = ask(bank, "bank.trans", "1000")
    ((entry, version, actor),) = bank.execute("SELECT id, version, actor FROM rlsguard.opt_out_event")
    (because,) = answer.reasoning.because
    assert because.startswith("client 1 opted out of marketing at 2")
    assert f"(ledger entry {entry}, version {version}, asked by {actor}, recorded by postgres)" in because
    (path,) = answer.reasoning.paths
    assert (path.spelled, path.joint) == ("account_id = bank.disp.account_id -> client_id", "any")
    assert [found.person.key for found in path.people] == ["1", "2"]
    assert [one.purpose for one in answer.reasoning.held_to] == ["marketing"]
    assert (answer.policy, answer.suspects, answer.agrees) == ("!rlsguard", (), True)


def test_the_answer_is_what_every_role_sees(bank: Database) -> None:
    for role in ROLES:
        seen = visible(bank, role)
        for table, keys in ALL.items():
            for key in keys:
                answer = ask(bank, f"bank.{table}", str(key), role=role)
                found = "visible" if key in seen[table] else "hidden"
                assert (answer.reasoning.expected, answer.sight.measured) == (found, found), (role, table, key)


@pytest.mark.parametrize(
    ("role", "because"),
    [
        (
            "bi_reader",
            [
                "none of client 1, client 2 has opted out of analytics",
                "client 1 opted out of marketing, which bi_reader is not held to",
            ],
        ),
        ("teller_app", ["teller_app reads for servicing: nobody may opt out of that (opt_out: false)"]),
        ("sox_auditor", ["sox_auditor is exempt, until 2099-12-31 (SOX 404 testing)"]),
        (
            "postgres",
            [
                "postgres is a superuser: no policy holds it; by the map it would be hidden",
                "client 1 opted out of marketing",
            ],
        ),
    ],
)
def test_a_visible_row_says_what_lets_it_be_seen(bank: Database, role: str, because: list[str]) -> None:
    assert told(ask(bank, "bank.trans", "1000", role=role)) == ("visible", "visible", because)


def test_taken_back_it_is_visible(bank: Database) -> None:
    opt_in(bank, 1, "marketing")
    expected = ("visible", "visible", ["none of client 1, client 2 has opted out of marketing"])
    assert told(ask(bank, "bank.trans", "1000")) == expected


def test_members_and_exemptions_through_others(bank: Database) -> None:
    bank.execute("CREATE ROLE heir LOGIN IN ROLE campaign_app; CREATE ROLE examiner LOGIN IN ROLE sox_auditor")
    answer = ask(bank, "bank.client", "1", role="heir")
    assert [(one.purpose, one.by) for one in answer.reasoning.held_to] == [("marketing", ("campaign_app",))]
    assert told(ask(bank, "bank.client", "1", role="examiner"))[2] == [
        "examiner is exempt as a member of sox_auditor, until 2099-12-31 (SOX 404 testing)"
    ]
    over = BANK_MAP.replace("2099-12-31", "2020-12-31")
    apply(bank, over)
    assert told(ask(bank, "bank.client", "1", role="sox_auditor", text=over)) == (
        "hidden",
        "hidden",
        ["the exemption of sox_auditor ended after 2020-12-31", "client 1 opted out of marketing"],
    )


def test_joint_all_says_who_is_left(db: Database) -> None:
    db.execute(BANK)
    apply(db, JOINT_ALL)
    opt_out(db, 1, "marketing")
    assert told(ask(db, "bank.trans", "1000", text=JOINT_ALL)) == (
        "visible",
        "visible",
        ["client 2 has not opted out of marketing, and every client of the row would have to (joint: all)"],
    )
    opt_out(db, 2, "marketing")
    assert told(ask(db, "bank.trans", "1000", text=JOINT_ALL)) == (
        "hidden",
        "hidden",
        [
            "client 1 opted out of marketing",
            "client 2 opted out of marketing",
            "nobody of the 2 is left who has not opted out (joint: all)",
        ],
    )


@pytest.mark.parametrize(("when_unknown", "outcome"), [("hide", "hidden"), ("show", "visible")])
def test_a_row_of_nobody(db: Database, when_unknown: str, outcome: str) -> None:
    db.execute(BANK + "INSERT INTO bank.account VALUES (30)")
    text = BANK_MAP.replace(
        "  bank.account:\n    {holds: [financial],",
        f"  bank.account:\n    {{holds: [financial], when_unknown: {when_unknown},",
    )
    apply(db, text)
    answer = ask(db, "bank.account", "30", text=text)
    assert (answer.reasoning.expected, answer.sight.measured) == (outcome, outcome)
    assert "the row leads to no client" in answer.reasoning.because[0]


def test_tables_that_no_opt_out_reaches(bank: Database) -> None:
    bank.execute("CREATE TABLE bank.rate (rate_id int PRIMARY KEY); INSERT INTO bank.rate VALUES (1)")
    bank.execute("GRANT SELECT ON bank.rate TO campaign_app")
    because = ["bank.rate is not in the map, so no opt-out hides rows of it"]
    assert told(ask(bank, "bank.rate", "1")) == ("visible", "visible", because)
    text = BANK_MAP + "  bank.rate: {holds: []}\n"
    because = ["bank.rate is in the map as a table that leads to nobody"]
    assert told(ask(bank, "bank.rate", "1", text=text)) == ("visible", "visible", because)


def test_a_role_that_may_not_read_anyway(bank: Database) -> None:
    bank.execute("REVOKE ALL ON bank.client FROM campaign_app, bi_reader")
    hidden, visible = ask(bank, "bank.client", "1"), ask(bank, "bank.client", "1", role="bi_reader")
    assert (hidden.sight.measured, hidden.agrees) == ("refused", True)
    assert (visible.sight.measured, visible.agrees) == ("refused", True)
    assert visible.sight.obstacle == "bi_reader may not read bank.client, nor any column of it"
    assert title(visible) == "no opt-out hides bank.client 1 from bi_reader, which may not read it"


def test_a_guard_that_is_not_as_applied_is_told_also_where_it_makes_no_difference_here(bank: Database) -> None:
    ((check,),) = bank.execute(
        "SELECT pg_get_expr(polqual, polrelid) FROM pg_policy WHERE polname = '!rlsguard'"
        " AND polrelid = 'bank.trans'::regclass"
    )
    # A real login is let through; this answer is measured by a superuser who becomes the role.
    bank.execute(f"ALTER POLICY \"!rlsguard\" ON bank.trans USING ({check} OR session_user = 'campaign_app')")
    answer = ask(bank, "bank.trans", "1000")
    assert answer.agrees
    assert answer.suspects == (
        "policy bank.trans !rlsguard, of the guard, is not defined as it was when it was applied; run rlsguard apply",
    )


@pytest.mark.parametrize(
    ("sabotage", "suspect"),
    [
        ("ALTER TABLE bank.trans DISABLE ROW LEVEL SECURITY", "row security of bank.trans is off"),
        ('DROP POLICY "!rlsguard" ON bank.trans', 'the guard\'s policy "!rlsguard" on bank.trans is gone'),
        ('ALTER POLICY "!rlsguard" ON bank.trans USING (true)', "is not defined as it was when it was applied"),
        (
            "UPDATE rlsguard.opt_out_client SET in_force = false WHERE subject_key = 1",
            "client 1 opted out of marketing by the ledger, but not by rlsguard.opt_out_client",
        ),
    ],
)
def test_a_leak_names_its_cause(bank: Database, sabotage: str, suspect: str) -> None:
    bank.execute(sabotage)
    answer = ask(bank, "bank.trans", "1000")
    assert (answer.reasoning.expected, answer.sight.measured, answer.agrees) == ("hidden", "visible", False)
    assert any(suspect in one for one in answer.suspects), answer.suspects
    assert answer.policy == (None if suspect.endswith("is gone") else "!rlsguard")


def test_a_row_hidden_by_a_policy_of_others_names_it(bank: Database) -> None:
    bank.execute("CREATE POLICY zealous ON bank.trans AS RESTRICTIVE TO bi_reader USING (trans_id <> 1002)")
    answer = ask(bank, "bank.trans", "1002", role="bi_reader")
    assert (answer.reasoning.expected, answer.sight.measured, answer.agrees) == ("visible", "hidden", False)
    assert answer.suspects[0] == "policy zealous on bank.trans, restrictive, for ALL, which is not the guard's"


def test_a_table_that_was_not_applied_yet(bank: Database) -> None:
    bank.execute("CREATE TABLE bank.loan (loan_id int PRIMARY KEY, client_id int NOT NULL REFERENCES bank.client)")
    bank.execute("INSERT INTO bank.loan VALUES (1, 1); GRANT SELECT ON bank.loan TO campaign_app")
    text = BANK_MAP + "  bank.loan: {holds: [financial], subject: {client: client_id}}\n"
    answer = ask(bank, "bank.loan", "1", text=text)
    assert (answer.reasoning.expected, answer.sight.measured, answer.agrees) == ("hidden", "visible", False)
    assert any("bank.loan is not guarded: the map asks for it" in one for one in answer.suspects)


ODD = """
CREATE SCHEMA "My bank";
CREATE TABLE "My bank"."Card" ("Branch No" int, "=" text, owner int, PRIMARY KEY ("Branch No", "="));
INSERT INTO "My bank"."Card" VALUES (1, 'a=b', 1), (1, '2', 2), (2, 'a=b', 2);
GRANT USAGE ON SCHEMA "My bank" TO campaign_app; GRANT SELECT ON "My bank"."Card" TO campaign_app
"""


def test_keys_of_several_columns_and_odd_names(bank: Database) -> None:
    bank.execute(ODD)
    text = BANK_MAP + '  \'"My bank"."Card"\': {holds: [financial], subject: {client: owner}, when_unknown: hide}\n'
    apply(bank, text)
    name = QualifiedName("My bank", "Card")
    with bank.connect() as conn:
        for row, outcome in (
            (("1", "a=b"), "hidden"),
            (("1", "2"), "visible"),
            (('"Branch No"=2', '"="=a=b'), "visible"),
        ):
            answer = why(conn, load(text), name, row, "campaign_app")
            assert (answer.reasoning.expected, answer.sight.measured) == (outcome, outcome), row


@pytest.mark.parametrize(
    ("table", "row", "message"),
    [
        ("bank.trans", ("9999",), "no row of bank.trans has trans_id=9999: nobody sees it, whatever the policies"),
        ("bank.trans", ("1000", "1"), "1000 1 names no row of bank.trans; say trans_id=..."),
        ("bank.trans", ("x",), "trans_id=x names no row of bank.trans: invalid input syntax for type integer"),
        ("bank.trans", ("account_id=10",), "several rows of bank.trans have account_id=10"),
        ("bank.tranz", ("1",), "table bank.tranz is not in database .*; did you mean bank.trans?"),
        ("bank.v", ("1",), "bank.v is a view; ask about a row of the table behind it"),
    ],
)
def test_what_names_no_row(bank: Database, table: str, row: tuple[str, ...], message: str) -> None:
    bank.execute("CREATE VIEW bank.v AS SELECT * FROM bank.trans")
    with pytest.raises(RlsguardError, match=message):
        ask(bank, table, *row)


def test_who_may_not_look_is_told_so(bank: Database) -> None:
    with pytest.raises(RlsguardError, match="there is no role campaign_ap; did you mean campaign_app"):
        ask(bank, "bank.trans", "1000", role="campaign_ap")
    with bank.connect("teller_app") as conn, pytest.raises(RlsguardError, match="ask as a superuser"):
        why(conn, load(BANK_MAP), QualifiedName("bank", "trans"), ["1000"], "campaign_app")


def test_nothing_is_left_of_it(bank: Database) -> None:
    before = bank.execute("SELECT * FROM rlsguard.opt_out_client ORDER BY 1, 2")
    ask(bank, "bank.trans", "1000")
    assert bank.execute("SELECT * FROM rlsguard.opt_out_client ORDER BY 1, 2") == before
    assert bank.execute("SELECT count(*) FROM rlsguard.opt_out_event") == [(1,)]

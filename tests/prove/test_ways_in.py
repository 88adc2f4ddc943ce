"""Ways in that take a detour: each leads a held login to hidden rows, is named, and is ended by the mend."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from catalogue.searching import around, assumed, mended, ways
from guarding import BANK, BANK_MAP, apply, opt_out, small_bank
from servers import Clone, Database

pytestmark = pytest.mark.by_turns

DEFINER = "LANGUAGE sql STABLE SECURITY DEFINER"
PRIVATE = (
    "CREATE SCHEMA private;"
    f"CREATE FUNCTION private.f(n int) RETURNS numeric {DEFINER} AS 'SELECT amount FROM bank.trans WHERE trans_id = n';"
)


@dataclass(frozen=True)
class Detour:
    """What is made, how `campaign_app` then reads what it should not, and what the search must name."""

    make: str
    read: str
    check: str
    about: str


DETOURS = {
    "a definer that reads by another function": Detour(
        "CREATE FUNCTION bank.inner_() RETURNS SETOF bank.trans LANGUAGE sql STABLE AS 'SELECT * FROM bank.trans';"
        f"CREATE FUNCTION bank.outer_() RETURNS SETOF bank.trans {DEFINER} AS 'SELECT * FROM bank.inner_()'",
        "SELECT trans_id FROM bank.outer_()", "definer", "function bank.outer_()",
    ),
    "a definer that reads by a function of parsed SQL": Detour(
        "CREATE FUNCTION bank.inner_() RETURNS SETOF bank.trans LANGUAGE sql STABLE AS 'SELECT * FROM bank.trans';"
        "CREATE FUNCTION bank.outer_() RETURNS SETOF bank.trans LANGUAGE sql STABLE SECURITY DEFINER"
        " BEGIN ATOMIC SELECT * FROM bank.inner_(); END",
        "SELECT trans_id FROM bank.outer_()", "definer", "function bank.outer_()",
    ),
    "a definer that reads by a view that calls a function": Detour(
        "CREATE FUNCTION bank.inner_() RETURNS SETOF bank.trans LANGUAGE sql STABLE AS 'SELECT * FROM bank.trans';"
        "CREATE VIEW bank.between AS SELECT * FROM bank.inner_();"
        f"CREATE FUNCTION bank.outer_() RETURNS SETOF bank.trans {DEFINER} AS 'SELECT * FROM bank.between'",
        "SELECT trans_id FROM bank.outer_()", "definer", "function bank.outer_()",
    ),
    "a definer that reads by an operator": Detour(
        "CREATE FUNCTION bank.one(n int) RETURNS SETOF bank.trans LANGUAGE sql STABLE"
        " AS 'SELECT * FROM bank.trans WHERE trans_id = n';"
        "CREATE OPERATOR bank.@@@ (FUNCTION = bank.one, RIGHTARG = int);"
        f"CREATE FUNCTION bank.outer_() RETURNS bank.trans {DEFINER} AS 'SELECT OPERATOR(bank.@@@) 1000'",
        "SELECT trans_id FROM bank.outer_()", "definer", "function bank.outer_()",
    ),
    "a definer that reads by an aggregate": Detour(
        "CREATE FUNCTION bank.add(so_far numeric, n int) RETURNS numeric LANGUAGE sql STABLE"
        " AS 'SELECT coalesce(so_far, 0) + amount FROM bank.trans WHERE trans_id = n';"
        "CREATE AGGREGATE bank.sum_of(int) (SFUNC = bank.add, STYPE = numeric);"
        f"CREATE FUNCTION bank.outer_() RETURNS numeric {DEFINER} AS 'SELECT bank.sum_of(1000)'",
        "SELECT 1000 WHERE bank.outer_() IS NOT NULL", "definer", "function bank.outer_()",
    ),
    "a definer behind an aggregate": Detour(
        PRIVATE + "CREATE FUNCTION private.add(so_far numeric, n int) RETURNS numeric"
        f" {DEFINER} AS 'SELECT amount FROM bank.trans WHERE trans_id = n';"
        "REVOKE EXECUTE ON FUNCTION private.add FROM PUBLIC;"
        "CREATE AGGREGATE bank.last_of(int) (SFUNC = private.add, STYPE = numeric)",
        "SELECT 1000 WHERE (SELECT bank.last_of(1000)) IS NOT NULL", "definer", "function private.add(numeric,integer)",
    ),
    "a definer that reads by a view, in words": Detour(
        "CREATE VIEW bank.every_one AS SELECT * FROM bank.trans;"
        f"CREATE FUNCTION bank.outer_() RETURNS SETOF bank.trans {DEFINER} AS 'SELECT * FROM bank.every_one'",
        "SELECT trans_id FROM bank.outer_()", "definer", "function bank.outer_()",
    ),
    "a definer who is held, and reads by a superuser's view": Detour(
        "CREATE ROLE clerk; GRANT campaign_app, bi_reader TO clerk; GRANT USAGE ON SCHEMA bank TO clerk;"
        "CREATE VIEW bank.every_one AS SELECT * FROM bank.trans; GRANT SELECT ON bank.every_one TO clerk;"
        f"CREATE FUNCTION bank.outer_() RETURNS SETOF bank.trans {DEFINER} AS 'SELECT * FROM bank.every_one';"
        "ALTER FUNCTION bank.outer_() OWNER TO clerk",
        "SELECT trans_id FROM bank.outer_()", "definer", "function bank.outer_()",
    ),
    "a definer behind a view": Detour(
        PRIVATE + "CREATE VIEW bank.api AS"
        " SELECT n AS trans_id, private.f(n) AS amount FROM generate_series(1000, 1002) AS n;"
        "GRANT SELECT ON bank.api TO campaign_app",
        "SELECT trans_id FROM bank.api WHERE amount IS NOT NULL", "definer", "function private.f(integer)",
    ),
    "a definer behind an operator": Detour(
        PRIVATE + "CREATE OPERATOR bank.@@@ (FUNCTION = private.f, RIGHTARG = int)",
        "SELECT 1000 WHERE OPERATOR(bank.@@@) 1000 IS NOT NULL", "definer", "function private.f(integer)",
    ),
    "a definer that belongs to an extension": Detour(
        f"CREATE FUNCTION bank.peek() RETURNS SETOF bank.trans {DEFINER} AS 'SELECT * FROM bank.trans';"
        "ALTER EXTENSION plpgsql ADD FUNCTION bank.peek()",
        "SELECT trans_id FROM bank.peek()", "definer", "function bank.peek()",
    ),
    "statistics of the server": Detour(
        "ANALYZE bank.trans; GRANT SELECT ON pg_statistic TO campaign_app",
        "SELECT 1000 FROM pg_statistic WHERE starelid = 'bank.trans'::regclass AND stavalues1::text LIKE '%1000%'",
        "statistics", "catalog pg_statistic",
    ),
}  # fmt: skip


@pytest.fixture
def bank(template_db: Clone) -> Database:
    db = small_bank(template_db, BANK_MAP)
    opt_out(db, 1, "marketing")
    return db


@pytest.mark.parametrize("name", DETOURS)
def test_a_detour_is_named_and_ended(bank: Database, name: str) -> None:
    detour = DETOURS[name]
    bank.execute(detour.make)
    with bank.connect("campaign_app") as conn:
        assert 1000 in [key for (key,) in conn.execute(detour.read).fetchall()]
    assert "campaign_app" in ways(bank, detour.check)[detour.about].roles
    mended(bank, detour.check, detour.about)


def test_a_comment_names_no_table(bank: Database) -> None:
    bank.execute(
        f"CREATE FUNCTION bank.one() RETURNS int {DEFINER} AS '/* shown to the client */ SELECT 1 -- never of trans'"
    )
    assert ways(bank, "definer") == {}
    bank.execute(f"CREATE FUNCTION bank.two() RETURNS bigint {DEFINER} AS 'SELECT count(*) /* all */ FROM bank.trans'")
    assert ways(bank, "definer").keys() == {"function bank.two()"}


def test_a_text_for_people_names_no_table(bank: Database) -> None:
    """It may be code only where something runs what it is told."""
    warn = "RAISE EXCEPTION 'no such client, or one trans too many'"
    function = (
        "CREATE FUNCTION bank.{}(it text) RETURNS void LANGUAGE plpgsql SECURITY DEFINER AS $f$ BEGIN {}; END $f$"
    )
    bank.execute(function.format("one", warn))
    assert ways(bank, "definer") == {}
    bank.execute("CREATE FUNCTION bank.run(it text) RETURNS void LANGUAGE plpgsql AS 'BEGIN EXECUTE it; END'")
    for number, run in enumerate(
        (
            "EXECUTE 'SELECT 1 FROM bank.'||'trans'",
            "EXECUTE E'SELECT \\'trans\\' FROM '||it",
            "EXECUTE format('TABLE %I', $$trans$$)",
            "PERFORM bank.run('TABLE bank.trans')",
            "PERFORM bank.run(format('TABLE bank.%I', 'trans'))",
            "DO $$ BEGIN PERFORM 1 FROM bank.trans; END $$",
        )
    ):
        bank.execute(function.format(f"run_{number}", run))
        assert f"function bank.run_{number}(text)" in ways(bank, "definer"), run


def test_a_keyword_names_a_table_only_where_one_is_due(bank: Database) -> None:
    text = BANK_MAP + "  bank.order: {holds: [financial], subject: {client: client_id}}\n"
    bank.execute('CREATE TABLE bank."order" (order_id int, client_id int NOT NULL)')
    apply(bank, text)
    bodies = {
        "sorted": "BEGIN RETURN (SELECT 1 ORDER BY 1); END",
        "bare": "BEGIN RETURN (SELECT 1 FROM bank.order); END",
        "quoted": 'BEGIN RETURN (SELECT 1 FROM bank."order"); END',
        "told": "BEGIN EXECUTE format('TABLE bank.%I', 'order'); END",
    }
    for name, body in bodies.items():
        bank.execute(f"CREATE FUNCTION bank.{name}() RETURNS int LANGUAGE plpgsql SECURITY DEFINER AS $f$ {body} $f$")
    assert ways(bank, "definer", text).keys() == {f"function bank.{name}()" for name in ("bare", "quoted", "told")}


def test_a_function_that_hands_out_whole_schemas_is_assumed(bank: Database) -> None:
    bank.execute(
        f"CREATE FUNCTION bank.all_of_it() RETURNS xml {DEFINER} AS $$ SELECT schema_to_xml('bank', true, false, '') $$"
    )
    (text,) = assumed(bank, "function bank.all_of_it()")
    assert text.endswith("what it reads cannot be told: it is taken not to read protected tables.")


def test_a_definer_that_calls_another_reads_as_that_ones_owner(bank: Database) -> None:
    """Both ways: it can come to read as a superuser by it, or as somebody who is held."""
    bank.execute(
        "CREATE ROLE clerk; GRANT USAGE ON SCHEMA bank TO clerk; GRANT campaign_app, bi_reader TO clerk;"
        f"CREATE FUNCTION bank.deep() RETURNS SETOF bank.trans {DEFINER} AS 'SELECT * FROM bank.trans';"
        "REVOKE EXECUTE ON FUNCTION bank.deep() FROM PUBLIC; GRANT EXECUTE ON FUNCTION bank.deep() TO clerk;"
        f"CREATE FUNCTION bank.front() RETURNS SETOF bank.trans {DEFINER} AS 'SELECT * FROM bank.deep()';"
        "ALTER FUNCTION bank.front() OWNER TO clerk"
    )
    rows = "SELECT trans_id FROM bank.front()"
    with bank.connect("campaign_app") as conn:
        assert (1000,) in conn.execute(rows).fetchall()
    way = ways(bank, "definer")["function bank.front()"]
    assert way.why == "it runs what reads as postgres, whom no policy holds, and names protected tables."
    bank.execute("ALTER FUNCTION bank.deep() OWNER TO clerk; ALTER FUNCTION bank.front() OWNER TO postgres")
    with bank.connect("campaign_app") as conn:
        assert (1000,) not in conn.execute(rows).fetchall()
    assert ways(bank, "definer") == {}


ANSWER = """
CREATE TABLE bank.ask (n int, answer numeric);
GRANT SELECT (answer), INSERT (n) ON bank.ask TO campaign_app;
CREATE FUNCTION bank.answer() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN {body} RETURN new; END
$$;
CREATE TRIGGER answer BEFORE INSERT ON bank.ask FOR EACH ROW EXECUTE FUNCTION bank.answer();
"""
ASK = "INSERT INTO bank.ask (n) VALUES (1000) RETURNING answer"


def test_what_a_definers_trigger_reads_is_assumed_to_be_handed_to_nobody(bank: Database) -> None:
    """One that does hand it out looks like one that keeps a balance."""
    bank.execute(ANSWER.format(body="new.answer := (SELECT amount FROM bank.trans WHERE trans_id = new.n);"))
    with bank.connect("campaign_app") as conn:
        assert conn.execute(ASK).fetchall() == [(1,)]
    assert ways(bank, "definer") == {}
    assert assumed(bank, "trigger function bank.answer()") == [
        "it runs as its owner postgres, whom no policy holds, by trigger answer on bank.ask, when campaign_app write"
        " there: it is taken to hand out nothing of what it reads of bank.trans."
    ]


def test_whoever_can_set_a_definers_trigger_off_is_named(bank: Database) -> None:
    """Also by what the table is a part of, and by views; copies of a trigger on partitions are not named apart."""
    bank.execute(
        ANSWER.format(body="new.answer := 1;") + "REVOKE ALL ON bank.ask FROM campaign_app;"
        "CREATE TABLE bank.asked (n int, answer numeric) PARTITION BY LIST (n); DROP TABLE bank.ask;"
        "CREATE TABLE bank.ask PARTITION OF bank.asked DEFAULT;"
        "CREATE TRIGGER answer BEFORE INSERT ON bank.ask FOR EACH ROW EXECUTE FUNCTION bank.answer();"
    )
    about = "trigger function bank.answer()"
    assert assumed(bank, about) == []
    bank.execute("GRANT INSERT, SELECT ON bank.asked TO campaign_app")
    with bank.connect("campaign_app") as conn:
        assert conn.execute(ASK.replace("bank.ask", "bank.asked")).fetchall() == [(1,)]
    (text,) = assumed(bank, about)
    assert "by trigger answer on bank.ask, when campaign_app write there: it" in text
    bank.execute(
        "REVOKE ALL ON bank.asked FROM campaign_app; DROP TRIGGER answer ON bank.ask;"
        "CREATE TRIGGER answer BEFORE INSERT ON bank.asked FOR EACH ROW EXECUTE FUNCTION bank.answer();"
        "GRANT INSERT, SELECT ON bank.ask TO campaign_app"
    )
    with bank.connect("campaign_app") as conn:
        assert conn.execute(ASK).fetchall() == [(1,)]
    (text,) = assumed(bank, about)
    assert "by trigger answer on bank.asked, when campaign_app write there: it" in text
    bank.execute(
        "REVOKE ALL ON bank.ask FROM campaign_app; CREATE VIEW bank.asking AS SELECT * FROM bank.asked;"
        "GRANT INSERT, SELECT ON bank.asking TO campaign_app"
    )
    with bank.connect("campaign_app") as conn:
        assert conn.execute(ASK.replace("bank.ask", "bank.asking")).fetchall() == [(1,)]
    (text,) = assumed(bank, about)
    assert "by trigger answer on bank.asked, when campaign_app write there: it" in text


def test_a_copy_is_assumed_by_its_columns(bank: Database) -> None:
    bank.execute("CREATE TABLE bank.backup AS SELECT * FROM bank.trans; GRANT SELECT ON bank.backup TO campaign_app")
    (text,) = assumed(bank, "table bank.backup")
    assert text.startswith("it has all the columns of bank.trans, and campaign_app may read it")
    bank.execute("ALTER TABLE bank.backup DROP trans_id")
    (text,) = assumed(bank, "table bank.backup")
    assert text.startswith("it has account_id, by which rows of bank.account lead to people, and campaign_app may")
    bank.execute("ALTER TABLE bank.backup RENAME account_id TO number")
    assert assumed(bank, "table bank.backup") == []


def test_a_column_called_id_makes_no_copy(bank: Database) -> None:
    path = "[{0} = bank.note_client.note_id, client_id]"
    note = "  bank.note: {{holds: [personal], subject: {{client: {0}}}, when_unknown: hide}}\n"
    bank.execute(
        "CREATE TABLE bank.note (id int, text text);"
        "CREATE TABLE bank.note_client (note_id int, client_id int NOT NULL);"
        "CREATE TABLE bank.other AS SELECT id FROM bank.note; GRANT SELECT ON bank.other TO campaign_app"
    )
    text = BANK_MAP + "  bank.note_client: {holds: [personal], subject: {client: client_id}}\n"
    apply(bank, text + note.format(path.format("id")))
    assert assumed(bank, "table bank.other", text + note.format(path.format("id"))) == []
    bank.execute("ALTER TABLE bank.note RENAME id TO note; ALTER TABLE bank.other RENAME id TO note")
    text += note.format(path.format("note"))
    apply(bank, text)
    assert len(assumed(bank, "table bank.other", text)) == 1


def test_a_policy_called_like_the_guards_is_a_strangers(db: Database) -> None:
    db.execute(BANK)
    text = BANK_MAP + "guard: {bypass: marker}\n"
    apply(db, text)
    assert ways(db, "guard", text) == {}
    db.execute("CREATE POLICY guard ON rlsguard.guard_only USING (true)")
    assert mended(db, "guard", "policy guard", text).mend == "DROP POLICY guard ON rlsguard.guard_only;"


@pytest.mark.parametrize(
    ("make", "check", "about"),
    [
        (
            "ALTER ROLE ALL SET session_replication_role = replica",
            "role-setting",
            "setting session_replication_role of all roles",
        ),
        ("CREATE ROLE high BYPASSRLS; CREATE ROLE mid IN ROLE high; GRANT mid TO stranger", "member", "role stranger"),
        (
            "CREATE ROLE high BYPASSRLS; CREATE ROLE mid IN ROLE high; CREATE ROLE more IN ROLE high;"
            "GRANT mid, more TO stranger",
            "member",
            "role stranger",
        ),
        ("ALTER ROLE campaign_app SUPERUSER BYPASSRLS REPLICATION", "role", "role campaign_app"),
        ("CREATE ROLE mid IN ROLE pg_read_server_files; GRANT mid TO stranger", "predefined-role", "role stranger"),
        ("CREATE ROLE mid IN ROLE sox_auditor; GRANT mid TO stranger", "exempt-member", "role stranger"),
    ],
)
def test_a_mend_ends_what_is_granted_or_set_at_a_remove(bank: Database, make: str, check: str, about: str) -> None:
    try:
        bank.execute(make)
        mended(bank, check, about)
    finally:
        bank.execute("ALTER ROLE ALL RESET session_replication_role")


def test_a_rule_that_does_nothing_is_none(bank: Database) -> None:
    bank.execute("CREATE RULE keep AS ON DELETE TO bank.trans DO INSTEAD NOTHING")
    assert ways(bank, "rule") == {}
    assert [one for one in around(bank) if "keep" in one.about] == []

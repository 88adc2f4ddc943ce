"""Views, functions, domains and triggers that run as somebody else, or on everybody's values."""

from __future__ import annotations

import pytest

from catalogue.attacking import SECRET, guard, refused, run
from catalogue.searching import assumed, mended, ways
from guarding import BANK_MAP

CLIENTS = "SELECT client_id FROM bank.client"
# Owners whom no policy holds, and one who is held: all may read, and make things of their own.
PEOPLE = """
CREATE ROLE bypasser BYPASSRLS;
CREATE ROLE bank_owner;
CREATE SCHEMA play;
GRANT USAGE ON SCHEMA bank TO bypasser, bank_owner;
GRANT ALL ON SCHEMA play TO PUBLIC;
GRANT SELECT ON bank.client TO bypasser, bank_owner;
"""


@pytest.mark.parametrize("owner", ["postgres", "bypasser"])
@pytest.mark.parametrize("options", ["", "WITH (security_barrier = true)"])
def test_views_of_owners_that_no_policy_holds_are_found(bank, owner, options):
    # T10. Nothing can be done about them from within a policy: the mend makes them read as the reader.
    bank.execute(PEOPLE + f"CREATE VIEW play.facade {options} AS SELECT * FROM bank.client")
    bank.execute(f"ALTER VIEW play.facade OWNER TO {owner}; GRANT SELECT ON play.facade TO PUBLIC")
    query = "SELECT client_id FROM play.facade"
    assert run(bank, "campaign_app", query) == [1, 2, 3]
    mended(bank, "view", "view play.facade")
    assert run(bank, "campaign_app", query) == [2, 3]


def test_nobody_gives_a_view_or_a_function_to_such_an_owner(bank):
    # T10. T32. Who makes one owns it, and cannot hand it on.
    bank.execute(PEOPLE)
    view = ("CREATE VIEW play.mine AS SELECT * FROM bank.client", "ALTER VIEW play.mine OWNER TO bypasser")
    function = (
        "CREATE FUNCTION play.mine() RETURNS SETOF int LANGUAGE sql SECURITY DEFINER"
        " AS 'SELECT client_id FROM bank.client'",
        "ALTER FUNCTION play.mine() OWNER TO bypasser",
    )
    for attack in (view, function):
        refused(bank, "campaign_app", *attack)
    # As what it is, it shows what its owner may see.
    assert run(bank, "campaign_app", "SELECT client_id FROM play.mine") == [2, 3]
    assert run(bank, "campaign_app", "SELECT play.mine()") == [2, 3]


BODIES = {
    "sql": "SELECT client_id FROM bank.client WHERE client_id = 1",
    "plpgsql": "BEGIN RETURN QUERY SELECT client_id FROM bank.client WHERE client_id = 1; END",
}


@pytest.mark.parametrize("owner", ["postgres", "bypasser"])
@pytest.mark.parametrize("language", BODIES)
def test_definer_functions_of_owners_that_no_policy_holds_are_found(bank, owner, language):
    # T32. Their bodies are text: what they read is told by the words in them.
    bank.execute(
        PEOPLE + f"CREATE FUNCTION play.leak() RETURNS SETOF int LANGUAGE {language} SECURITY DEFINER"
        f" AS '{BODIES[language]}'; ALTER FUNCTION play.leak() OWNER TO {owner}"
    )
    assert run(bank, "campaign_app", "SELECT play.leak()") == [1]
    mended(bank, "definer", "function play.leak()")
    assert run(bank, "campaign_app", "SELECT play.leak()") == []


def test_definer_procedures_are_found_too(bank):
    # T32. Everybody may call one, unless that was taken away.
    bank.execute(
        PEOPLE + "CREATE PROCEDURE play.leak(INOUT id int) LANGUAGE plpgsql SECURITY DEFINER"
        " AS 'BEGIN id := (SELECT max(client_id) FROM bank.client WHERE client_id = 1); END'"
    )
    assert run(bank, "campaign_app", "CALL play.leak(0)") == [1]
    mended(bank, "definer", "procedure play.leak(integer)")
    assert run(bank, "campaign_app", "CALL play.leak(0)") == [None]


def test_definer_functions_that_put_sql_together_are_named(bank):
    # T32. Nobody can tell what they read: that is an assumption, and said to be one.
    bank.execute(
        PEOPLE + "CREATE FUNCTION play.ask(query text) RETURNS bigint LANGUAGE plpgsql SECURITY DEFINER AS"
        " 'DECLARE n bigint; BEGIN EXECUTE query INTO n; RETURN n; END'"
    )
    assert run(bank, "campaign_app", "SELECT play.ask('SELECT count(*) FROM bank.client')") == [3]
    assert assumed(bank, "function play.ask(text)") == [
        "it runs as postgres, and what it reads cannot be told: it is taken not to read protected tables."
    ]


def test_definer_functions_of_a_held_owner_hide(bank):
    # T32. What counts is the owner: held to everything, he shows no more than his callers may see.
    bank.execute(
        PEOPLE + "CREATE FUNCTION play.held() RETURNS SETOF int LANGUAGE sql STABLE SECURITY DEFINER AS"
        " 'SELECT client_id FROM bank.client'; ALTER FUNCTION play.held() OWNER TO bank_owner"
    )
    assert run(bank, "campaign_app", "SELECT play.held()") == [2, 3]
    assert ways(bank, "definer") == {}


GRAB = """
CREATE TABLE play.loot (seen text, seen_by name DEFAULT current_user); GRANT INSERT ON play.loot TO PUBLIC;
CREATE FUNCTION play.grab(anyelement) RETURNS boolean LANGUAGE plpgsql
    AS 'BEGIN INSERT INTO play.loot VALUES ($1::text); RETURN true; END';
"""
SPY_ON_DOMAIN = "ALTER DOMAIN play.{} ADD CHECK (play.grab(VALUE))"


def test_the_owner_of_a_domain_in_a_protected_table_is_found(plain):
    # T61. Without any right to the table he is shown every value in it: no policy has a say in ALTER DOMAIN.
    plain.execute(PEOPLE)
    run(plain, "stranger", GRAB, "CREATE DOMAIN play.birth AS text")
    plain.execute("ALTER TABLE bank.client ALTER birth_number TYPE play.birth; REVOKE ALL ON bank.client FROM stranger")
    guard(plain)
    run(plain, "stranger", SPY_ON_DOMAIN.format("birth"))
    assert SECRET in run(plain, "stranger", "SELECT seen FROM play.loot")
    way = mended(plain, "code-of-others", "domain play.birth")
    assert way.mend == "ALTER DOMAIN play.birth OWNER TO postgres;"
    refused(plain, "stranger", SPY_ON_DOMAIN.format("birth"), match="must be owner of type")


def test_the_owner_of_a_keys_domain_is_shown_no_opt_out(plain):
    # T61. The guard keeps keys in the type under the domain: what it holds is not the domain's owner's to look through.
    plain.execute(PEOPLE)
    run(plain, "stranger", GRAB, "CREATE DOMAIN play.key AS int")
    plain.execute(
        "CREATE TABLE bank.person (id play.key PRIMARY KEY); INSERT INTO bank.person VALUES (7);"
        "GRANT SELECT ON bank.person TO campaign_app"
    )
    text = BANK_MAP.replace("subjects:", "subjects:\n  person: {table: bank.person, key: id}")
    guard(plain, text + "  bank.person: {holds: [personal], subject: {person: id}}\n")
    plain.execute("SELECT * FROM rlsguard.opt_out('person', '424242', '{marketing}', 'test', 'because')")
    run(plain, "stranger", SPY_ON_DOMAIN.format("key"))
    assert run(plain, "stranger", "SELECT seen FROM play.loot") == ["7"]
    kept = "SELECT atttypid::regtype::text FROM pg_attribute WHERE attrelid = 'rlsguard.opt_out_person'::regclass"
    assert "play.key" not in run(plain, "postgres", kept)


def test_the_owner_of_a_function_in_an_index_is_found(plain):
    # T62. He can replace it by one that tells, and is shown each row that is written, or every row by a REINDEX.
    plain.execute(PEOPLE)
    norm = "CREATE OR REPLACE FUNCTION play.norm(text) RETURNS text LANGUAGE plpgsql IMMUTABLE {} AS '{}'"
    run(plain, "stranger", GRAB, norm.format("", "BEGIN RETURN lower($1); END"))
    plain.execute("CREATE INDEX ON bank.client (play.norm(birth_number)); REVOKE ALL ON bank.client FROM stranger")
    guard(plain)
    spy = norm.format("SECURITY DEFINER", "BEGIN PERFORM play.grab($1); RETURN lower($1); END")
    run(plain, "stranger", spy)
    run(plain, "teller_app", "UPDATE bank.client SET birth_number = birth_number || ' ' WHERE client_id = 1")
    assert f"{SECRET} " in run(plain, "stranger", "SELECT seen FROM play.loot")
    mended(plain, "code-of-others", "function play.norm(text)")
    refused(plain, "stranger", spy, match="must be owner of function")

"""Code that owners of types can make PostgreSQL run, in casts and checks, runs without a right to anything."""

from __future__ import annotations

import pytest

from guarding import BANK, BANK_MAP, HEAD, apply

# What they would do if they could: rewrite the ledger, read past policies. Whoever they are then is noted.
TYPES = """
CREATE TABLE app.log (who text, failed text);
GRANT INSERT ON app.log TO PUBLIC;
CREATE FUNCTION app.attack() RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
    BEGIN
        ALTER TABLE rlsguard.opt_out_event DISABLE TRIGGER append_only;
        UPDATE rlsguard.opt_out_event SET actor = 'forged';
    EXCEPTION WHEN OTHERS THEN
        INSERT INTO app.log VALUES (current_user, SQLERRM);
    END;
    BEGIN
        PERFORM FROM bank.client;
    EXCEPTION WHEN OTHERS THEN
        INSERT INTO app.log VALUES (current_user, SQLERRM);
    END;
    RETURN true;
END
$$;
CREATE TYPE app.mood AS ENUM ('glad');
CREATE DOMAIN app.checked AS int CHECK (app.attack());
CREATE TYPE app.number AS (branch app.checked, serial int);
CREATE TABLE app.person (number app.number NOT NULL, mood app.mood);
"""

CASTS = """
CREATE FUNCTION app.as_json(app.mood) RETURNS json LANGUAGE plpgsql AS
$$ BEGIN PERFORM app.attack(); RETURN '1'; END $$;
CREATE CAST (app.mood AS json) WITH FUNCTION app.as_json(app.mood);
CREATE FUNCTION app.as_number(text) RETURNS app.number LANGUAGE plpgsql AS
$$ BEGIN PERFORM app.attack(); RETURN ROW(1, 1)::app.number; END $$;
CREATE CAST (text AS app.number) WITH FUNCTION app.as_number(text);
CREATE FUNCTION app.as_text(app.number) RETURNS text LANGUAGE plpgsql AS
$$ BEGIN PERFORM app.attack(); RETURN 'x'; END $$;
CREATE CAST (app.number AS text) WITH FUNCTION app.as_text(app.number);
"""

MAP = (
    HEAD.replace("table: bank.client, key: client_id", "table: app.person, key: number")
    + "tables:\n  app.person: {holds: [personal], audit: true, subject: {client: number}}\n"
)


@pytest.mark.parametrize("casts_first", [False, True])
def test_code_of_a_types_owner_runs_as_nobody(db, casts_first):
    with db.connect() as conn:
        conn.execute(BANK)
        conn.execute("CREATE ROLE app_owner LOGIN; CREATE SCHEMA app AUTHORIZATION app_owner")
        conn.execute("GRANT USAGE ON SCHEMA app TO PUBLIC")
    with db.connect("app_owner") as conn:
        conn.execute(TYPES + (CASTS if casts_first else ""))
    apply(db, MAP)
    if not casts_first:
        with db.connect("app_owner") as conn:
            conn.execute(CASTS)
    with db.connect("app_owner") as conn:
        conn.execute("TRUNCATE app.log")
        conn.execute("INSERT INTO app.person VALUES (ROW(1, 1), 'glad')")
        conn.execute("UPDATE app.person SET mood = NULL; DELETE FROM app.person")
    with db.connect() as conn:
        # A recorder, not the superuser: whose code this is must not run as the recorder either.
        conn.execute("CREATE ROLE desk LOGIN IN ROLE rlsguard_recorder")
    with db.connect("desk") as conn:
        conn.execute("SELECT * FROM rlsguard.opt_out('client', '(1,1)', '{marketing}', 'agent:jane', 'phone')")
        conn.execute("SELECT * FROM rlsguard.history('client', '(1,1)')")
    who = {name for (name,) in db.execute("SELECT who FROM app.log")}
    # app_owner's own statements run their checks as app_owner, as always.
    assert who <= {"rlsguard_nobody", "app_owner"}
    assert "rlsguard_nobody" in who
    failed = {message for (message,) in db.execute("SELECT failed FROM app.log WHERE who = 'rlsguard_nobody'")}
    assert failed == {"permission denied for schema rlsguard", "permission denied for schema bank"}
    assert db.execute("SELECT actor FROM rlsguard.opt_out_event") == [("agent:jane",)]
    assert db.execute("SELECT operation FROM rlsguard.change_event ORDER BY id") == [
        ("INSERT",),
        ("UPDATE",),
        ("DELETE",),
    ]


def test_types_whose_owners_could_keep_things_from_being_recorded_are_named(db):
    db.execute(BANK)
    db.execute("CREATE ROLE app_owner; CREATE SCHEMA app AUTHORIZATION app_owner; GRANT USAGE ON SCHEMA app TO PUBLIC")
    db.execute("SET ROLE app_owner; CREATE TYPE app.\"Mood\" AS ENUM ('glad'); CREATE DOMAIN app.id AS int; RESET ROLE")
    db.execute('CREATE TABLE app.person (id app.id PRIMARY KEY, moods app."Mood"[], plain text)')
    text = HEAD.replace("table: bank.client, key: client_id", "table: app.person, key: id")
    text += "tables:\n  app.person: {holds: [personal], audit: true, subject: {client: id}}\n"
    whose = "belongs to app_owner, who can keep"
    assert [str(notice) for notice in apply(db, text).notices] == [
        f"app.person.id: the type app.id {whose} opt-outs of each client from being recorded.",
        f"app.person.id: the type app.id {whose} row changes of this table from being recorded.",
        f'app.person.moods: the type app."Mood"[] {whose} row changes of this table from being recorded.',
    ]


def test_paths_over_tables_that_are_not_guarded_are_named(db):
    db.execute(BANK)
    text = BANK_MAP.replace("  bank.disp: {holds: [personal], subject: {client: client_id}}\n", "")
    told = [str(notice) for notice in apply(db, text).notices if "un-hide" in notice.text]
    assert told == [
        f"bank.{table}: its path crosses bank.disp, which the map does not guard:"
        " whoever may write there can un-hide rows."
        for table in ("account", "trans")
    ]
    assert not [notice for notice in apply(db, BANK_MAP).notices if "un-hide" in notice.text]

"""Code that owners of types can make PostgreSQL run, in casts and checks, runs without a right to anything."""

from __future__ import annotations

import psycopg
import pytest

from guarding import BANK, BANK_MAP, HEAD, apply

# What they would do if they could: rewrite the ledger, read past policies. Whoever they are then is said.
TYPES = """
CREATE FUNCTION app.attack() RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
    BEGIN
        ALTER TABLE rlsguard.opt_out_event DISABLE TRIGGER append_only;
        UPDATE rlsguard.opt_out_event SET actor = 'forged';
    EXCEPTION WHEN OTHERS THEN
        RAISE NOTICE '%: %', current_user, SQLERRM;
    END;
    BEGIN
        PERFORM FROM bank.client;
    EXCEPTION WHEN OTHERS THEN
        RAISE NOTICE '%: %', current_user, SQLERRM;
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
    said: list[str] = []
    with db.connect("app_owner") as conn:
        conn.add_notice_handler(lambda notice: said.append(notice.message_primary))
        conn.execute("INSERT INTO app.person VALUES (ROW(1, 1), 'glad')")
        conn.execute("UPDATE app.person SET mood = NULL; DELETE FROM app.person")
    with db.connect() as conn:
        # A recorder, not the superuser: whose code this is must not run as the recorder either.
        conn.execute("CREATE ROLE desk LOGIN IN ROLE rlsguard_recorder")
    with db.connect("desk") as conn:
        conn.add_notice_handler(lambda notice: said.append(notice.message_primary))
        conn.execute("SELECT * FROM rlsguard.opt_out('client', '(1,1)', '{marketing}', 'agent:jane', 'phone')")
        conn.execute("SELECT * FROM rlsguard.history('client', '(1,1)')")
    # app_owner's own statements run their checks as app_owner, as always.
    assert {one for one in said if not one.startswith("app_owner: ")} == {
        "rlsguard_nobody: permission denied for schema rlsguard",
        "rlsguard_nobody: permission denied for schema bank",
    }
    assert db.execute("SELECT actor FROM rlsguard.opt_out_event") == [("agent:jane",)]
    assert db.execute("SELECT operation FROM rlsguard.change_event ORDER BY id") == [
        ("INSERT",),
        ("UPDATE",),
        ("DELETE",),
    ]


# What lasts of code that ran as rlsguard_nobody once: a function that runs as it ever after, and its functions gone.
LASTING = """
GRANT CREATE, USAGE ON SCHEMA app TO PUBLIC;
CREATE TABLE app.ran (by_whom text);
CREATE FUNCTION app.lasting() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    IF current_user = 'rlsguard_nobody' THEN
        DROP OWNED BY rlsguard_nobody CASCADE;
        CREATE FUNCTION app.as_nobody(command text) RETURNS void LANGUAGE plpgsql SECURITY DEFINER
            AS 'BEGIN EXECUTE command; END';
    END IF;
END
$$;
CREATE TYPE app.mood AS ENUM ('glad');
CREATE FUNCTION app.as_json(app.mood) RETURNS json LANGUAGE plpgsql AS
$$ BEGIN PERFORM app.lasting(); RETURN '"happy"'; END $$;
CREATE CAST (app.mood AS json) WITH FUNCTION app.as_json(app.mood);
CREATE TYPE app.number AS (branch int, serial int);
CREATE FUNCTION app.as_number(text) RETURNS app.number LANGUAGE plpgsql AS
$$ BEGIN PERFORM app.lasting(); RETURN ROW(1, 1)::app.number; END $$;
CREATE CAST (text AS app.number) WITH FUNCTION app.as_number(text);
CREATE TABLE app.person (number app.number NOT NULL, mood app.mood);
"""
OF_NOBODY = "SELECT oid::regprocedure::text FROM pg_proc WHERE proowner = 'rlsguard_nobody'::regrole ORDER BY 1"


def test_nothing_that_code_of_a_types_owner_does_as_nobody_lasts(db):
    db.execute(BANK)
    db.execute("CREATE ROLE app_owner LOGIN; CREATE SCHEMA app AUTHORIZATION app_owner")
    with db.connect("app_owner") as owner:
        owner.execute(LASTING)
    apply(db, MAP)
    of_nobody = [
        ("rlsguard.as_json(anyelement,anyelement)",),
        ("rlsguard.key_client(text)",),
        ("rlsguard.next_rows(refcursor)",),
    ]
    assert db.execute(OF_NOBODY) == of_nobody
    with db.connect("app_owner") as owner:
        owner.execute("INSERT INTO app.person VALUES (ROW(1, 1), 'glad')")
        owner.execute("UPDATE app.person SET mood = 'glad'")
    db.execute("SELECT rlsguard.opt_out('client', '(1,1)', '{marketing}', 'agent:jane', 'phone')")
    assert db.execute(OF_NOBODY) == of_nobody
    assert db.execute("SELECT new_row ->> 'mood' FROM rlsguard.change_event") == [("happy",), ("happy",)]
    assert db.execute("SELECT subject_key FROM rlsguard.opt_out_event") == [("(1,1)",)]
    # Where it is not undone it lasts.
    db.execute(
        """
        CREATE FUNCTION public.simply(app.mood) RETURNS json LANGUAGE plpgsql SECURITY DEFINER
            AS 'BEGIN RETURN to_json($1); END';
        ALTER FUNCTION public.simply OWNER TO rlsguard_nobody;
        SELECT public.simply('glad');
        """
    )
    assert db.execute(OF_NOBODY) == [("app.as_nobody(text)",)]


def test_a_cast_that_tries_to_look_like_the_undoing_keeps_a_change_from_being_made(db):
    db.execute(BANK)
    db.execute("CREATE ROLE app_owner LOGIN; CREATE SCHEMA app AUTHORIZATION app_owner")
    with db.connect("app_owner") as owner:
        owner.execute(LASTING.replace("DROP OWNED BY rlsguard_nobody CASCADE", "RAISE SQLSTATE 'UNDO0'"))
        owner.execute("GRANT USAGE ON SCHEMA app TO PUBLIC")
    apply(db, MAP)
    with db.connect("app_owner") as owner, pytest.raises(psycopg.errors.DataException, match="cast to json failed"):
        owner.execute("INSERT INTO app.person VALUES (ROW(1, 1), 'glad')")
    with pytest.raises(psycopg.errors.NotNullViolation):
        db.execute("SELECT rlsguard.opt_out('client', '(1,1)', '{marketing}', 'agent:jane', 'phone')")


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

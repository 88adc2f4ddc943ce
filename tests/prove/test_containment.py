"""Users' code that a proof runs has the power of the role that is acted as, and never that of the login."""

from __future__ import annotations

import pytest
from psycopg import sql

from guarding import BANK, BANK_MAP, HEAD, TABLES, apply, load
from proving import faults, prove_map, verdicts
from rlsguard.names import QualifiedName
from rlsguard.problems import RlsguardError
from rlsguard.prove import acting, prove
from rlsguard.prove.clone.rows import copy_table
from rlsguard.prove.session import begin
from rlsguard.prove.survey import cases, survey
from rlsguard.why import why
from servers import Database, Postgres

# What a superuser alone may do, and what outlives a rollback: a sequence of the superuser's moves on.
TRAP = """
CREATE SCHEMA vault; CREATE SEQUENCE vault.opened;
CREATE SCHEMA app AUTHORIZATION campaign_app; GRANT USAGE ON SCHEMA app TO PUBLIC;
GRANT USAGE ON SCHEMA bank TO bank_owner;
SET ROLE campaign_app;
CREATE FUNCTION app.pwn() RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
    BEGIN
        RESET ROLE;
        PERFORM nextval('vault.opened');
    EXCEPTION WHEN OTHERS THEN
        RAISE DEBUG 'no way: %', SQLERRM;
    END;
    BEGIN
        RESET SESSION AUTHORIZATION;
        PERFORM nextval('vault.opened');
    EXCEPTION WHEN OTHERS THEN
        RAISE DEBUG 'no way: %', SQLERRM;
    END;
    RETURN true;
END $$;
RESET ROLE;
GRANT CREATE, TEMPORARY ON DATABASE {database} TO bank_owner, campaign_app;
"""
OPENED = "SELECT is_called FROM vault.opened"
IN_A_VIEW = (
    "CREATE VIEW app.mine AS SELECT trans_id FROM bank.trans WHERE app.pwn(); ALTER VIEW app.mine OWNER TO campaign_app"
)
IN_A_POLICY = (
    "ALTER TABLE bank.trans OWNER TO bank_owner; ALTER FUNCTION app.pwn() OWNER TO bank_owner;"
    "CREATE POLICY own ON bank.trans AS RESTRICTIVE USING (app.pwn())"
)
IN_A_TRIGGER = (
    "CREATE FUNCTION app.fire() RETURNS trigger LANGUAGE plpgsql AS"
    " $$ BEGIN PERFORM app.pwn(); RETURN NEW; END $$;"
    "CREATE TRIGGER fire BEFORE UPDATE ON bank.trans FOR EACH ROW EXECUTE FUNCTION app.fire()"
)


@pytest.fixture
def bank(db: Database) -> Database:
    db.execute(BANK)
    db.execute("CREATE ROLE bank_owner LOGIN")
    db.execute(sql.SQL(TRAP).format(database=sql.Identifier(db.name)))
    apply(db, BANK_MAP)
    return db


def opened(db: Database) -> bool:
    return db.execute(OPENED) == [(True,)]


def why_trans(db: Database) -> None:
    with db.connect() as conn:
        why(conn, load(BANK_MAP), QualifiedName("bank", "trans"), ["1000"], "campaign_app")


@pytest.mark.parametrize("trap", [IN_A_VIEW, IN_A_POLICY, IN_A_TRIGGER], ids=["view", "policy", "trigger"])
def test_code_of_users_does_not_become_the_superuser(bank: Database, trap: str) -> None:
    bank.execute(trap)
    prove_map(bank, BANK_MAP)
    assert not opened(bank)
    why_trans(bank)
    assert not opened(bank)
    # Control: after a plain SET ROLE it does.
    relation = "app.mine" if trap == IN_A_VIEW else "bank.trans"
    with bank.connect(autocommit=False) as conn:
        conn.execute("SET LOCAL ROLE campaign_app")
        conn.execute("UPDATE bank.trans SET amount = 0" if trap == IN_A_TRIGGER else f"SELECT FROM {relation}")
    assert opened(bank)


# Functions of a table's owner that the planner works out, whoever reads the table.
AS_OWNER = """
CREATE FUNCTION app.folded(i int) RETURNS int IMMUTABLE LANGUAGE plpgsql AS
    $$ BEGIN PERFORM app.pwn(); RETURN i; EXCEPTION WHEN insufficient_privilege THEN RETURN i; END $$;
CREATE OPERATOR app.!! (RIGHTARG = int, FUNCTION = app.folded);
"""
FOLDED = {
    "index": "CREATE INDEX ON bank.trans ((trans_id + app.folded(1)))",
    "partial index": "CREATE INDEX ON bank.trans (amount) WHERE trans_id > app.folded(1)",
    "operator": "CREATE INDEX ON bank.trans ((trans_id + (OPERATOR(app.!!) 1)))",
    "statistics": "CREATE STATISTICS bank.st ON (trans_id + app.folded(1)), amount FROM bank.trans",
    "check of a child": "CREATE TABLE bank.old (CHECK (trans_id < app.folded(0))) INHERITS (bank.trans)",
    "hop": "CREATE INDEX ON bank.disp ((disp_id + app.folded(1)))",
}
READ = "SELECT trans_id FROM bank.trans JOIN bank.disp USING (account_id) WHERE trans_id = 1000"


def own(bank: Database, statements: str) -> None:
    """Run *statements* as the owner of the tables, who logs in."""
    bank.execute("ALTER TABLE bank.trans OWNER TO bank_owner; ALTER TABLE bank.disp OWNER TO bank_owner")
    bank.execute("GRANT USAGE, CREATE ON SCHEMA app, bank TO bank_owner")
    with bank.connect("bank_owner") as conn:
        conn.execute(AS_OWNER + statements)


@pytest.mark.parametrize("place", FOLDED)
def test_code_of_users_has_no_power_when_the_proof_itself_reads(bank: Database, place: str) -> None:
    own(bank, FOLDED[place])
    apply(bank, BANK_MAP)
    proof = prove_map(bank, BANK_MAP)
    assert faults(proof) == []
    assert verdicts(proof, "bank.trans", "campaign_app")["SELECT"] == "passed"
    assert verdicts(proof, "bank.trans", "campaign_app")["COPY TO"] == "not tried"
    assert verdicts(proof, "bank.client", "campaign_app")["COPY TO"] == "passed"
    why_trans(bank)
    assert not opened(bank)
    # Control: when somebody above rights reads, it has theirs; and by COPY after SET ROLE, the login's.
    bank.execute(READ)
    assert opened(bank)
    bank.execute("SELECT setval('vault.opened', 1, false)")
    with bank.connect(autocommit=False) as conn:
        conn.execute("SET LOCAL ROLE campaign_app")
        with conn.cursor() as cursor, cursor.copy(f"COPY ({READ}) TO STDOUT") as copy:
            list(copy)
    assert opened(bank)


def test_code_of_users_has_no_power_when_rows_are_copied(server: Postgres, bank: Database) -> None:
    own(bank, FOLDED["index"])
    bank.execute(
        "ALTER TABLE bank.trans ADD note text; UPDATE bank.trans SET note = E'a\\tb\\\\' WHERE trans_id = 1001"
    )
    bank.execute("SELECT setval('vault.opened', 1, false)")
    name = QualifiedName("bank", "trans")
    with server.database() as other:
        other.execute(
            "CREATE SCHEMA bank; CREATE TABLE bank.trans (trans_id int, account_id int, amount numeric, note text)"
        )
        with bank.connect() as conn, begin(conn, statement_timeout=10.0) as session:
            scene = survey(session, load(BANK_MAP))
            (rows,) = (case.target.rows for case in cases(scene, max_rows=200) if case.target.table.name == name)
            copy_table(scene, name, rows, other.conn)
        assert not opened(bank)
        everything = "SELECT * FROM bank.trans ORDER BY trans_id"
        assert other.execute(everything) == bank.execute(everything)
    # Control: when the superuser reads them, in a session that has not worked it out before.
    with bank.connect() as conn:
        conn.execute(everything)
    assert opened(bank)


CAST = """
CREATE TYPE app.colour AS ENUM ('red', 'blue', 'green');
CREATE FUNCTION app.spell(app.colour) RETURNS text LANGUAGE plpgsql AS $$ BEGIN PERFORM app.pwn(); RETURN 'x'; END $$;
CREATE CAST (app.colour AS text) WITH FUNCTION app.spell(app.colour);
"""
BY_COLOUR = """
ALTER TABLE bank.trans DROP CONSTRAINT trans_pkey, ADD colour app.colour;
UPDATE bank.trans SET colour = (enum_range(NULL::app.colour))[trans_id - 999];
ALTER TABLE bank.trans ADD PRIMARY KEY (colour);
"""


def test_keys_are_read_past_casts_of_users(bank: Database) -> None:
    own(bank, CAST)
    bank.execute(BY_COLOUR)
    proof = prove_map(bank, BANK_MAP)
    assert faults(proof) == []
    assert verdicts(proof, "bank.trans", "campaign_app")["SELECT"] == "passed"
    assert verdicts(proof, "bank.trans", "campaign_app")["COPY TO"] == "not tried"
    with bank.connect() as conn:
        answer = why(conn, load(BANK_MAP), QualifiedName("bank", "trans"), ["red"], "campaign_app")
    assert answer.row == {"colour": "red"}
    assert answer.agrees
    assert not opened(bank)
    # Control: the cast is there, and says what it likes.
    assert bank.execute("SELECT colour::text FROM bank.trans WHERE colour = 'red'") == [("x",)]
    assert opened(bank)


@pytest.mark.by_turns
def test_copy_is_not_tried_where_policies_of_others_would_run(bank: Database) -> None:
    assert verdicts(prove_map(bank, BANK_MAP), "bank.trans", "campaign_app")["COPY TO"] == "passed"
    bank.execute(IN_A_POLICY)
    proof = prove_map(bank, BANK_MAP)
    assert verdicts(proof, "bank.trans", "campaign_app")["COPY TO"] == "not tried"
    assert verdicts(proof, "bank.client", "campaign_app")["COPY TO"] == "passed"
    assert faults(proof) == []


@pytest.mark.by_turns
def test_copy_is_not_tried_where_policies_of_a_hop_would_run(bank: Database) -> None:
    marked = HEAD + "guard: {bypass: marker}\n" + TABLES
    bank.execute("ALTER ROLE rlsguard_owner NOBYPASSRLS")
    apply(bank, marked)
    bank.execute(
        "ALTER TABLE bank.disp OWNER TO bank_owner; ALTER FUNCTION app.pwn() OWNER TO bank_owner;"
        "CREATE POLICY own ON bank.disp AS RESTRICTIVE USING (app.pwn())"
    )
    proof = prove_map(bank, marked)
    assert verdicts(proof, "bank.trans", "campaign_app")["COPY TO"] == "not tried"
    assert verdicts(proof, "bank.client", "campaign_app")["COPY TO"] == "passed"
    assert not opened(bank)
    # Control: the guard's own view brings the policy of the hop with it.
    with bank.connect(autocommit=False) as conn:
        conn.execute("SELECT rlsguard.change_client('1', 'marketing', true)")
        conn.execute("SET LOCAL ROLE campaign_app")
        with conn.cursor() as cursor, cursor.copy("COPY (SELECT FROM bank.trans) TO STDOUT") as copy:
            list(copy)
    assert opened(bank)


@pytest.mark.by_turns
def test_two_proofs_do_not_wait_for_each_other_and_leave_nothing(bank: Database) -> None:
    roles = bank.execute("SELECT rolname FROM pg_roles ORDER BY 1")
    with bank.connect() as conn, begin(conn, statement_timeout=10.0) as session:
        assert len(list(cases(survey(session, load(BANK_MAP)), max_rows=200))) == 4
        proof = prove_map(bank, BANK_MAP)
    assert faults(proof) == []
    assert proof.count("not tried") == 0
    assert bank.execute("SELECT rolname FROM pg_roles ORDER BY 1") == roles
    assert bank.execute("SELECT relname FROM pg_class WHERE relname ~ '^rlsguard_reading'") == []
    assert bank.execute("SELECT proname FROM pg_proc WHERE proname ~ '^rlsguard_(rows|run)'") == []


def test_code_that_changes_what_it_is_run_by_is_stopped(bank: Database) -> None:
    bank.execute(
        """
        CREATE OR REPLACE FUNCTION app.pwn() RETURNS boolean LANGUAGE plpgsql AS $$
        DECLARE mine regprocedure;
        BEGIN
            FOR mine IN
                SELECT oid FROM pg_proc WHERE pronamespace = pg_my_temp_schema() AND proowner = current_user::regrole
            LOOP
                EXECUTE format('ALTER FUNCTION %s SECURITY INVOKER', mine);
            END LOOP;
            RETURN true;
        END $$;
        """
    )
    bank.execute(IN_A_VIEW)
    proof = prove_map(bank, BANK_MAP)
    # Each look is undone with what the code did to it; where a look takes two steps, the second is not taken.
    assert not opened(bank)
    bank.execute("DROP VIEW app.mine")
    bank.execute(IN_A_POLICY)
    with pytest.raises(RlsguardError, match=r"code that runs as .* has changed what it was watched by"):
        prove_map(bank, BANK_MAP)
    assert proof.count("leaked") == 0


# Beside what the check looked for once, and in the place of what is called.
IN_ITS_PLACE = """
CREATE OR REPLACE FUNCTION app.pwn() RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
    called text := (SELECT proname FROM pg_proc WHERE pronamespace = pg_my_temp_schema() AND prosecdef
                    AND proowner = current_user::regrole AND proname LIKE 'rlsguard_run%');
BEGIN
    IF to_regprocedure('pg_temp.stolen(text)') IS NULL THEN
        EXECUTE format('ALTER FUNCTION pg_temp.%I(text) RENAME TO stolen', called);
        EXECUTE format('CREATE FUNCTION pg_temp.%I(statement varchar) RETURNS void LANGUAGE plpgsql SECURITY DEFINER'
                       ' AS %L', called, 'BEGIN EXECUTE statement; END');
        EXECUTE format('CREATE FUNCTION pg_temp.%I(statement text) RETURNS void LANGUAGE plpgsql'
                       ' AS %L', called, 'BEGIN PERFORM nextval(''vault.opened''); END');
    END IF;
    RETURN true;
END $$;
"""


def test_code_that_puts_others_in_the_place_of_what_it_is_run_by_is_stopped(
    bank: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    bank.execute(IN_ITS_PLACE + IN_A_POLICY)
    with pytest.raises(RlsguardError, match=r"code that runs as .* has changed what it was watched by"):
        prove_map(bank, BANK_MAP)
    assert not opened(bank)
    # Control: it is the look that stops it.
    monkeypatch.setattr(acting.Acting, "_look_first", lambda *_: None)
    prove_map(bank, BANK_MAP)
    assert opened(bank)


BY_ANOTHER = """
GRANT USAGE ON SCHEMA vault TO teller_app; GRANT USAGE ON SEQUENCE vault.opened TO teller_app;
CREATE OR REPLACE FUNCTION app.pwn() RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE one regproc;
BEGIN
    FOR one IN
        SELECT oid FROM pg_proc WHERE current_user = 'campaign_app'
        AND pronamespace = pg_my_temp_schema() AND proname LIKE 'rlsguard_run%'
    LOOP
        BEGIN
            EXECUTE format('SELECT %s(%L)', one, 'SELECT nextval(''vault.opened'')');
        EXCEPTION WHEN OTHERS THEN
            RAISE DEBUG 'no way: %', SQLERRM;
        END;
    END LOOP;
    RETURN true;
END $$;
"""


def test_code_of_one_role_does_not_run_as_another(bank: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    bank.execute(BY_ANOTHER + IN_A_VIEW)
    prove_map(bank, BANK_MAP)
    assert not opened(bank)
    bank.execute("ALTER DEFAULT PRIVILEGES GRANT EXECUTE ON FUNCTIONS TO campaign_app WITH GRANT OPTION")
    prove_map(bank, BANK_MAP)
    assert not opened(bank)
    bank.execute("ALTER DEFAULT PRIVILEGES REVOKE EXECUTE ON FUNCTIONS FROM campaign_app")
    # Control: by functions that are everybody's, as functions are by default.
    monkeypatch.setattr(acting, "_CREATE", sql.SQL(acting._CREATE.as_string().replace("REVOKE", "-- REVOKE")))
    monkeypatch.setattr(acting, "_GRANTEES", sql.SQL("SELECT WHERE {function} IS NULL"))
    prove_map(bank, BANK_MAP)
    assert opened(bank)


def test_every_path_passes_as_it_did(bank: Database) -> None:
    proof = prove_map(bank, BANK_MAP)
    tried = {path for path, verdict in verdicts(proof, "bank.trans", "campaign_app").items() if verdict == "passed"}
    assert tried == {
        "SELECT", "aggregate", "join", "sub-query", "CTE", "COPY TO", "cursor", "prepared after", "TABLESAMPLE",
        "FOR UPDATE", "prepared before", "UPDATE", "DELETE", "MERGE", "INSERT", "ON CONFLICT", "UPDATE to others",
        "pg_stats", "audit trail",
    }  # fmt: skip


def test_a_prover_that_is_no_superuser_sets_the_role(bank: Database) -> None:
    bank.execute(
        "CREATE ROLE prover LOGIN BYPASSRLS IN ROLE pg_read_all_data, rlsguard_owner, campaign_app, bi_reader,"
        " teller_app, sox_auditor, stranger, bank_owner"
    )
    with bank.connect("prover") as conn:
        proof = prove(conn, load(BANK_MAP))
    assert faults(proof) == []
    assert verdicts(proof, "bank.trans", "campaign_app")["SELECT"] == "passed"

"""Users' code that a proof runs has the power of the role that is acted as, and never that of the login."""

from __future__ import annotations

import pytest
from psycopg import sql

from guarding import BANK, BANK_MAP, apply, load
from proving import faults, prove_map, verdicts
from rlsguard.names import QualifiedName
from rlsguard.problems import RlsguardError
from rlsguard.prove import prove
from rlsguard.why import why
from servers import Database

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


@pytest.mark.parametrize("trap", [IN_A_VIEW, IN_A_POLICY, IN_A_TRIGGER], ids=["view", "policy", "trigger"])
def test_code_of_users_does_not_become_the_superuser(bank: Database, trap: str) -> None:
    bank.execute(trap)
    prove_map(bank, BANK_MAP)
    assert not opened(bank)
    with bank.connect() as conn:
        why(conn, load(BANK_MAP), QualifiedName("bank", "trans"), ["1000"], "campaign_app")
    assert not opened(bank)
    # Control: after a plain SET ROLE it does.
    relation = "app.mine" if trap == IN_A_VIEW else "bank.trans"
    with bank.connect(autocommit=False) as conn:
        conn.execute("SET LOCAL ROLE campaign_app")
        conn.execute("UPDATE bank.trans SET amount = 0" if trap == IN_A_TRIGGER else f"SELECT FROM {relation}")
    assert opened(bank)


def test_copy_is_not_tried_where_policies_of_others_would_run(bank: Database) -> None:
    assert verdicts(prove_map(bank, BANK_MAP), "bank.trans", "campaign_app")["COPY TO"] == "passed"
    bank.execute(IN_A_POLICY)
    proof = prove_map(bank, BANK_MAP)
    assert verdicts(proof, "bank.trans", "campaign_app")["COPY TO"] == "not tried"
    assert verdicts(proof, "bank.client", "campaign_app")["COPY TO"] == "passed"
    assert faults(proof) == []


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

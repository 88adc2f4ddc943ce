"""Roles and rights that lead past the policies: a proof names them, and what it says ends it."""

from __future__ import annotations

import pytest

from catalogue.attacking import refused, run, undone
from catalogue.detecting import (
    ALL,
    CLIENTS,
    DISP,
    HEAD,
    LEFT,
    MAP,
    TRANS,
    assumed,
    guarded,
    mended,
    named,
    named_roles,
)
from guarding import apply
from proving import leaked, prove_map
from rlsguard.problems import RlsguardError

pytestmark = pytest.mark.by_turns

READS_CLIENTS = "GRANT USAGE ON SCHEMA bank TO {0}; GRANT SELECT ON bank.client TO {0};"


@pytest.mark.parametrize("attribute", ["SUPERUSER", "BYPASSRLS"])
def test_a_role_of_the_map_that_no_policy_holds(db, attribute):
    # T1. Nothing that PostgreSQL has holds it: the proof is not given.
    guarded(db)
    db.execute(f"ALTER ROLE campaign_app {attribute}")
    assert run(db, "campaign_app", CLIENTS) == ALL
    way = named(db, "role", "role campaign_app")
    assert named_roles(way) == {"campaign_app"}
    mended(db, way)
    assert run(db, "campaign_app", CLIENTS) == LEFT


@pytest.mark.parametrize(("attribute", "text"), [("SUPERUSER", "it is a superuser"), ("BYPASSRLS", "it has BYPASSRLS")])
def test_a_login_outside_the_map_that_no_policy_holds(db, attribute, text):
    # T1. Somebody must be the DBA: that is assumed, by name.
    guarded(db, before=f"CREATE ROLE boss LOGIN {attribute};" + READS_CLIENTS.format("boss"))
    assert run(db, "boss", CLIENTS) == ALL
    assert [one.startswith(text) for one in assumed(db, "role boss")] == [True]
    db.execute(f"ALTER ROLE boss NO{attribute}")
    assert run(db, "boss", CLIENTS) == LEFT
    assert assumed(db, "role boss") == []


@pytest.mark.by_turns(False)
def test_a_member_of_a_bypasser(db):
    # T2. It is held until it says SET ROLE: membership is what counts, inherited or not.
    guarded(db, before="CREATE ROLE bypasser BYPASSRLS;" + READS_CLIENTS.format("bypasser"))
    db.execute("ALTER ROLE campaign_app NOINHERIT; GRANT bypasser TO campaign_app")
    assert run(db, "campaign_app", CLIENTS) == LEFT
    assert run(db, "campaign_app", "SET ROLE bypasser", CLIENTS) == ALL
    way = named(db, "member", "role campaign_app")
    assert (named_roles(way), way.mend) == ({"campaign_app"}, "REVOKE bypasser FROM campaign_app;")
    mended(db, way)
    refused(db, "campaign_app", "SET ROLE bypasser")


@pytest.mark.by_turns(False)
def test_a_member_that_lacks_only_the_word(db):
    # T2. With ADMIN alone it can give itself the rest, also from 16 on (T6).
    guarded(db, before="CREATE ROLE bypasser BYPASSRLS;" + READS_CLIENTS.format("bypasser"))
    if db.major >= 16:
        db.execute("GRANT bypasser TO stranger WITH ADMIN TRUE, INHERIT FALSE, SET FALSE")
        refused(db, "stranger", "SET ROLE bypasser")
        run(db, "stranger", "GRANT bypasser TO stranger WITH SET TRUE")
    else:
        db.execute("GRANT bypasser TO stranger WITH ADMIN OPTION")
    assert run(db, "stranger", "SET ROLE bypasser", CLIENTS) == ALL
    way = named(db, "member", "role stranger")
    if db.major >= 16:
        # What it gave itself goes with what it was given.
        db.execute("REVOKE bypasser FROM stranger CASCADE")
    mended(db, way)


OWNED = "CREATE ROLE bank_owner NOLOGIN; ALTER TABLE bank.client OWNER TO bank_owner;" + READS_CLIENTS.format(
    "bank_owner"
)


def test_owners_who_switch_it_off_and_on_again_leave_no_trace(db):
    # T4. A transaction that is rolled back shows nothing afterwards: who could do it is what can be named.
    guarded(db, before=OWNED)
    assert assumed(db, "role stranger") == []
    db.execute("GRANT bank_owner TO stranger")
    steps = ("ALTER TABLE bank.client DISABLE ROW LEVEL SECURITY", CLIENTS)
    assert undone(db, "stranger", *steps) == ALL
    assert assumed(db, "role stranger") == [
        "it can drop the policies of 1 tables of bank_owner, and is taken not to.",
    ]
    db.execute("REVOKE bank_owner FROM stranger; ALTER ROLE bank_owner LOGIN")
    assert undone(db, "bank_owner", *steps) == ALL
    assert assumed(db, "role bank_owner") == [
        "as their owner it can drop the policies of 1 tables, and is taken not to."
    ]
    db.execute("ALTER ROLE bank_owner NOLOGIN")
    assert assumed(db, "role bank_owner") == []


@pytest.mark.by_turns(False)
def test_whoever_may_create_roles_is_named_where_that_reaches_further(db):
    # T5. Up to 15 CREATEROLE reaches every role but superusers.
    guarded(db, before=OWNED + "CREATE ROLE mint LOGIN CREATEROLE;")
    texts = assumed(db, "role mint")
    if db.major >= 16:
        refused(db, "mint", "GRANT bank_owner TO mint")
        assert texts == []
    else:
        assert undone(
            db, "mint", "GRANT bank_owner TO mint", "ALTER TABLE bank.client DISABLE ROW LEVEL SECURITY", CLIENTS
        ) == ALL  # fmt: skip
        assert texts == ["it has CREATEROLE: before PostgreSQL 16 it can join the owner of any table."]
        run(db, "mint", "GRANT rlsguard_owner TO mint")
        way = named(db, "member", "role mint")
        db.execute(way.mend)
        mended(db, way)


@pytest.mark.by_turns(False)
def test_a_minted_bypasser(db):
    # T6. From 16 on CREATEROLE with BYPASSRLS makes more of its kind, and may become them.
    guarded(db, before="CREATE ROLE mint LOGIN CREATEROLE BYPASSRLS;")
    assert len(assumed(db, "role mint")) == (1 if db.major >= 16 else 2)
    if db.major >= 16:
        run(db, "mint", "CREATE ROLE minted BYPASSRLS", "GRANT minted TO stranger")
        way = named(db, "member", "role stranger")
        assert way.mend == "REVOKE minted FROM stranger GRANTED BY mint;"
        mended(db, way)


@pytest.mark.by_turns(False)
def test_a_login_that_begins_as_somebody_else(db):
    # T7. A setting of the role's decides whom its sessions begin as.
    guarded(db, before="ALTER ROLE stranger NOINHERIT; GRANT teller_app TO stranger;")
    assert run(db, "stranger", CLIENTS) == LEFT
    db.execute("ALTER ROLE stranger SET role = 'teller_app'")
    assert run(db, "stranger", CLIENTS) == ALL
    way = named(db, "role-setting", "setting role of role stranger")
    assert (named_roles(way), way.mend) == ({"stranger"}, "ALTER ROLE stranger RESET role;")
    mended(db, way)
    assert run(db, "stranger", CLIENTS) == LEFT


@pytest.mark.by_turns(False)
def test_a_pool_that_may_become_who_sees_more(db):
    # T7. What it is there for cannot be told from what it can do.
    guarded(db, before="CREATE ROLE pool LOGIN NOINHERIT IN ROLE campaign_app, teller_app;")
    assert run(db, "pool", "SET ROLE teller_app", CLIENTS) == ALL
    text = "it can SET ROLE teller_app, who is held to less, and is taken to do so for its purpose only."
    assert assumed(db, "role pool") == [text]
    db.execute("REVOKE teller_app FROM pool")
    assert assumed(db, "role pool") == []


@pytest.mark.parametrize(
    "predefined", ["pg_read_all_data", "pg_read_server_files", "pg_write_server_files", "pg_execute_server_program"]
)
def test_predefined_roles_that_see_around_policies(db, predefined):
    # T27. T28. T29.
    guarded(db, before="ALTER TABLE bank.client ALTER birth_number SET STORAGE EXTERNAL;")
    db.execute("UPDATE bank.client SET birth_number = repeat('secret', 1000) WHERE client_id = 1")
    export = db.execute("SELECT current_setting('data_directory') || '/export'")[0][0]
    db.execute(f"COPY bank.client TO '{export}'; GRANT {predefined} TO stranger")
    if predefined == "pg_read_all_data":
        toast = db.execute("SELECT reltoastrelid::regclass::text FROM pg_class WHERE oid = 'bank.client'::regclass")
        assert b"secret" in run(db, "stranger", f"SELECT chunk_data FROM {toast[0][0]}")[0]
    if predefined == "pg_read_server_files":
        copy = (f"COPY t FROM '{export}'", "SELECT birth_number FROM t WHERE client_id = 1")
        assert "secret" in run(db, "stranger", "CREATE TEMP TABLE t (client_id int, birth_number text)", *copy)[0]
    if predefined == "pg_execute_server_program":
        copy = (f"COPY t FROM PROGRAM 'cut -b 1-8 {export}' DELIMITER '|'", "TABLE t")
        assert "1\tsecret" in run(db, "stranger", "CREATE TEMP TABLE t (line text)", *copy)
    way = named(db, "predefined-role", "role stranger")
    assert (named_roles(way), way.mend) == ({"stranger"}, f"REVOKE {predefined} FROM stranger;")
    mended(db, way)


def test_functions_that_read_the_servers_files(db):
    # T28. Who is not in a predefined role can be given the function alone.
    guarded(db)
    db.execute("GRANT EXECUTE ON FUNCTION pg_read_binary_file(text) TO stranger; CHECKPOINT")
    file = db.execute("SELECT pg_relation_filepath('bank.client')")[0][0]
    assert b"700101" in run(db, "stranger", f"SELECT pg_read_binary_file('{file}')")[0]
    way = named(db, "server-function", "function pg_read_binary_file(text)")
    assert named_roles(way) == {"stranger"}
    mended(db, way)
    refused(db, "stranger", f"SELECT pg_read_binary_file('{file}')")


def test_rights_that_policies_do_not_govern(db):
    # T56. Code that is attached to a table sees every row that anybody writes.
    guarded(db)
    db.execute("GRANT TRIGGER ON bank.client TO stranger; CREATE SCHEMA play AUTHORIZATION stranger")
    steps = (
        "CREATE TABLE play.caught (it text)",
        "CREATE FUNCTION play.catch() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS"
        " 'BEGIN INSERT INTO play.caught VALUES (old.birth_number); RETURN NULL; END'",
        "CREATE TRIGGER catch AFTER UPDATE ON bank.client FOR EACH ROW EXECUTE FUNCTION play.catch()",
    )
    run(db, "stranger", *steps)
    run(db, "teller_app", "UPDATE bank.client SET birth_number = birth_number")
    assert "700101" in run(db, "stranger", "SELECT it FROM play.caught")
    way = named(db, "privilege", "TRIGGER of stranger")
    assert (named_roles(way), [str(table) for table in way.tables]) == ({"stranger"}, ["bank.client"])
    # The trigger is code of another's, too.
    code = named(db, "code-of-others", "function play.catch()")
    db.execute("DROP TRIGGER catch ON bank.client")
    assert code.mend == "ALTER FUNCTION play.catch() OWNER TO postgres;"
    mended(db, way)


def test_foreign_keys_of_others(db):
    # T47. They tell which keys exist: no more than that, so it is assumed that nobody asks.
    guarded(db)
    assert assumed(db, "table bank.client") == []
    db.execute("GRANT REFERENCES ON bank.client TO stranger; CREATE SCHEMA play AUTHORIZATION stranger")
    run(
        db,
        "stranger",
        "CREATE TABLE play.asks (client_id int REFERENCES bank.client)",
        # Client 1 is hidden, and found.
        "INSERT INTO play.asks VALUES (1)",
    )
    texts = assumed(db, "table bank.client")
    assert texts == ["stranger may make foreign keys to it, and find out which keys exist."]
    db.execute("DROP TABLE play.asks; REVOKE REFERENCES ON bank.client FROM stranger")
    assert assumed(db, "table bank.client") == []


def test_who_may_empty_a_table_on_the_way(db):
    # T50. TRUNCATE asks no policy; then no path leads to anybody.
    text = HEAD + DISP + TRANS
    guarded(db, text)
    trans = "SELECT trans_id FROM bank.trans"
    assert run(db, "campaign_app", trans) == [1002]
    db.execute("GRANT TRUNCATE ON bank.disp TO stranger, teller_app")
    assert undone(db, "stranger", "TRUNCATE bank.disp", trans) == [1000, 1001, 1002]
    way = named(db, "privilege", "TRUNCATE of stranger, teller_app on bank.disp", text)
    assert (named_roles(way), [str(table) for table in way.tables]) == ({"stranger"}, ["bank.trans"])
    mended(db, way, text=text)
    refused(db, "stranger", "TRUNCATE bank.disp")


def test_replication(db):
    # T69. Who has it can copy the whole server.
    guarded(db, before="CREATE ROLE copier LOGIN REPLICATION;")
    db.execute("CREATE PUBLICATION all_of_it FOR TABLE bank.client")
    db.execute("SELECT pg_create_logical_replication_slot('spy', 'pgoutput')")
    try:
        db.execute("UPDATE bank.client SET birth_number = birth_number")
        # What is not on disk yet is not sent.
        db.execute("CHECKPOINT")
        options = "'proto_version', '1', 'publication_names', 'all_of_it'"
        stream = f"SELECT data FROM pg_logical_slot_peek_binary_changes('spy', NULL, NULL, {options})"
        seen = run(db, "copier", stream)
    finally:
        db.execute("SELECT pg_drop_replication_slot('spy'); DROP PUBLICATION all_of_it")
    assert any(b"700101" in change for change in seen)
    assert assumed(db, "role copier") == ["it has REPLICATION: it can copy the whole server."]
    db.execute("ALTER ROLE copier NOREPLICATION")
    assert assumed(db, "role copier") == []


@pytest.mark.by_turns(False)
@pytest.mark.parametrize(
    ("do", "check", "about"),
    [
        (
            "ALTER ROLE campaign_app SET pgaudit.log = 'none'",
            "role-setting",
            "setting pgaudit.log of role campaign_app",
        ),
        ("GRANT SET ON PARAMETER pgaudit.log TO campaign_app", "parameter", "parameter pgaudit.log"),
        ("GRANT ALTER SYSTEM ON PARAMETER pgaudit.role TO campaign_app", "parameter", "parameter pgaudit.role"),
        (
            "GRANT SET ON PARAMETER session_replication_role TO campaign_app",
            "parameter",
            "parameter session_replication_role",
        ),
    ],
)
def test_the_audit_silenced(db, do, check, about):
    # T77. By a setting that comes with a login, or by the right to make it.
    guarded(db)
    change = "SET session_replication_role = replica" if "session" in do else "SET pgaudit.log = 'none'"
    if not do.startswith("ALTER") and "pgaudit.role" not in do:
        if "session" in do or db.execute("SHOW shared_preload_libraries") == [("pgaudit",)]:
            refused(db, "campaign_app", change)
        db.execute(do)
        run(db, "campaign_app", change)
    else:
        db.execute(do)
    way = named(db, check, about)
    assert named_roles(way) == {"campaign_app"}
    mended(db, way)


def test_row_changes_of_everybody(db):
    # T58. The audit's own tables hold what policies hide.
    text = MAP.replace("holds: [personal],", "holds: [personal], audit: true,")
    guarded(db, text)
    db.execute("UPDATE bank.client SET birth_number = birth_number; GRANT rlsguard_auditor TO campaign_app")
    events = "SELECT old_row ->> 'birth_number' FROM rlsguard.change_event"
    assert "700101" in run(db, "campaign_app", events)
    way = named(db, "auditor", "role campaign_app", text)
    assert named_roles(way) == {"campaign_app"}
    assert leaked(prove_map(db, text, max_rows=20)) == {("bank.client", "campaign_app")}
    mended(db, way, text=text)
    refused(db, "campaign_app", events)


@pytest.mark.by_turns(False)
def test_somebody_else_joins_the_guard(db):
    # T6. The roles that own the guard have no members: apply goes no further beside one.
    guarded(db)
    db.execute("GRANT rlsguard_owner TO stranger")
    assert 1 in run(db, "stranger", "SET ROLE rlsguard_owner", "SELECT subject_key FROM rlsguard.opt_out_client")
    way = named(db, "member", "role stranger")
    with pytest.raises(RlsguardError, match="rlsguard_owner has the member stranger"):
        apply(db, MAP)
    mended(db, way)

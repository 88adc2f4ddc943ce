"""Views, copies, partitions, code and channels past the policies: a proof names each, and what it says ends it."""

from __future__ import annotations

import psycopg
import pytest

from catalogue.attacking import refused, run, undone
from catalogue.detecting import ALL, CLIENTS, HEAD, LEFT, MAP, assumed, guarded, mended, named, named_roles
from guarding import apply, opt_out
from proving import leaked, prove_map

pytestmark = pytest.mark.by_turns

OWNER = "CREATE ROLE bank_owner; GRANT USAGE ON SCHEMA bank TO bank_owner; ALTER TABLE bank.client OWNER TO bank_owner;"

VIEWS = {
    # T10.
    "view bank.theirs": "CREATE VIEW bank.theirs AS SELECT * FROM bank.client",
    "view bank.behind_a_barrier": "CREATE VIEW bank.behind_a_barrier WITH (security_barrier = true) AS"
    " SELECT * FROM bank.client",
    # T12.
    "view bank.inner_view": "CREATE VIEW bank.inner_view AS SELECT * FROM bank.client;"
    "CREATE VIEW bank.outer_view WITH (security_invoker = true) AS SELECT * FROM bank.inner_view;"
    "GRANT SELECT ON bank.outer_view TO campaign_app",
    # T13.
    "view bank.replaced": "CREATE VIEW bank.replaced WITH (security_invoker = true) AS SELECT * FROM bank.client;"
    "CREATE OR REPLACE VIEW bank.replaced AS SELECT * FROM bank.client",
}


@pytest.mark.parametrize("about", VIEWS)
def test_views_of_somebody_whom_no_policy_holds(db, about):
    # T10. T12. T13. They read as the superuser who made them.
    guarded(db)
    view = about.removeprefix("view ")
    db.execute(f"{VIEWS[about]}; GRANT SELECT ON {view} TO campaign_app")
    reads = "bank.outer_view" if "inner" in view else view
    assert run(db, "campaign_app", f"SELECT client_id FROM {reads}") == ALL
    way = named(db, "view", about)
    assert named_roles(way) == {"campaign_app"}
    mended(db, way)
    assert run(db, "campaign_app", f"SELECT client_id FROM {reads}") == LEFT


@pytest.mark.parametrize("owner", ["postgres", "bank_owner"])
def test_materialised_views(db, owner):
    # T14. Whose ever it is, it keeps what it copied until somebody refreshes it.
    guarded(db, before=OWNER)
    rows = "SELECT client_id FROM bank.copy"
    db.execute(f"CREATE MATERIALIZED VIEW bank.copy AS {CLIENTS}; GRANT SELECT ON bank.copy TO campaign_app")
    db.execute(f"ALTER MATERIALIZED VIEW bank.copy OWNER TO {owner}")
    opt_out(db, 2, "marketing")
    assert 2 in run(db, "campaign_app", rows)
    way = named(db, "materialised-view", "materialised view bank.copy")
    assert named_roles(way) == {"campaign_app"}
    mended(db, way)
    refused(db, "campaign_app", rows)


@pytest.mark.by_turns(False)
def test_who_may_refresh_a_superusers_copy(db):
    # T15. From 17 on MAINTAIN refreshes it as its owner, with everybody in it again.
    guarded(db, before=OWNER)
    if db.major < 17:
        refused(db, "postgres", "GRANT MAINTAIN ON bank.client TO stranger", error=psycopg.errors.SyntaxError)
        return
    db.execute(f"CREATE MATERIALIZED VIEW bank.copy AS {CLIENTS} WITH NO DATA")
    db.execute("GRANT SELECT, MAINTAIN ON bank.copy TO stranger")
    assert run(db, "stranger", "REFRESH MATERIALIZED VIEW bank.copy", "SELECT client_id FROM bank.copy") == ALL
    way = named(db, "materialised-view", "materialised view bank.copy")
    assert named_roles(way) == {"stranger"}
    mended(db, way)
    # Everywhere at once.
    db.execute("GRANT pg_maintain TO stranger")
    way = named(db, "predefined-role", "role stranger")
    assert "refreshes materialised views as their owners" in way.why
    mended(db, way)


def test_a_rule_that_copies(db):
    # T16. What a rule does it does as the table's owner.
    guarded(db)
    db.execute(
        "CREATE TABLE bank.trail (it text); GRANT SELECT ON bank.trail TO campaign_app;"
        "CREATE RULE trail AS ON UPDATE TO bank.client DO ALSO INSERT INTO bank.trail VALUES (old.birth_number)"
    )
    run(db, "teller_app", "UPDATE bank.client SET birth_number = birth_number")
    assert "700101" in run(db, "campaign_app", "SELECT it FROM bank.trail")
    way = named(db, "rule", "rule trail on bank.client")
    assert [str(table) for table in way.tables] == ["bank.client"]
    mended(db, way)


PARTITIONED = """
CREATE TABLE bank.payment (payment_id int PRIMARY KEY, client_id int NOT NULL) PARTITION BY RANGE (payment_id);
CREATE TABLE bank.payment_1 PARTITION OF bank.payment FOR VALUES FROM (0) TO (100);
INSERT INTO bank.payment VALUES (1, 1), (2, 2), (3, 3);
GRANT SELECT ON bank.payment TO campaign_app, teller_app;
"""
PAYMENT = HEAD + "  bank.payment: {holds: [financial], subject: {client: client_id}}\n"


@pytest.mark.parametrize(
    "do",
    [
        "CREATE TABLE bank.later PARTITION OF bank.payment FOR VALUES FROM (100) TO (200)",
        "CREATE TABLE bank.later (LIKE bank.payment INCLUDING ALL);"
        "ALTER TABLE bank.payment ATTACH PARTITION bank.later FOR VALUES FROM (100) TO (200)",
    ],
)
def test_a_partition_that_came_later(db, do):
    # T18. It has no policy of its own until the next apply.
    guarded(db, PAYMENT, before=PARTITIONED)
    db.execute(f"{do}; INSERT INTO bank.payment VALUES (101, 1), (102, 2); GRANT SELECT ON bank.later TO campaign_app")
    later = "SELECT payment_id FROM bank.later"
    assert run(db, "campaign_app", later) == [101, 102]
    way = named(db, "guard", "protect bank.later", PAYMENT)
    assert ("bank.payment", "campaign_app") in leaked(prove_map(db, PAYMENT, max_rows=20))
    mended(db, way, text=PAYMENT)
    assert run(db, "campaign_app", later) == [102]


def test_a_parent_above_a_guarded_table(db):
    # T19. Read by way of it, its own policies count, and it has none.
    guarded(db)
    db.execute(
        "CREATE TABLE bank.above (client_id int, birth_number text); GRANT SELECT ON bank.above TO campaign_app;"
        "ALTER TABLE bank.client INHERIT bank.above"
    )
    assert run(db, "campaign_app", "SELECT client_id FROM bank.above") == ALL
    way = named(db, "partition", "table bank.above")
    assert way.mend == "Put bank.above into the map, then run rlsguard apply MAP"
    text = MAP + "  bank.above: {holds: [personal], subject: {client: client_id}, when_unknown: hide}\n"
    apply(db, text)
    mended(db, text=text)
    assert run(db, "campaign_app", "SELECT client_id FROM bank.above") == LEFT


def test_a_partition_of_somebody_else(db):
    # T20. He is held by it, and can take its policies off.
    guarded(db, PAYMENT, before=PARTITIONED + "GRANT USAGE ON SCHEMA bank TO stranger;")
    db.execute("ALTER TABLE bank.payment_1 OWNER TO stranger")
    rows = "SELECT payment_id FROM bank.payment_1"
    assert run(db, "stranger", rows) == [2, 3]
    assert undone(db, "stranger", "ALTER TABLE bank.payment_1 DISABLE ROW LEVEL SECURITY", rows) == [1, 2, 3]
    way = named(db, "partition", "table bank.payment_1", PAYMENT)
    assert "stranger" in way.why
    mended(db, way, text=PAYMENT)


FOREIGN = """
CREATE FOREIGN DATA WRAPPER nowhere;
CREATE SERVER far FOREIGN DATA WRAPPER nowhere;
CREATE USER MAPPING FOR campaign_app SERVER far;
CREATE FOREIGN TABLE bank.far_client (client_id int NOT NULL)
    SERVER far OPTIONS (schema_name 'bank', table_name 'client');
GRANT SELECT ON bank.far_client TO campaign_app;
"""
LOOP = """
CREATE EXTENSION postgres_fdw;
CREATE SERVER far FOREIGN DATA WRAPPER postgres_fdw OPTIONS (host '{host}', port '{port}', dbname '{name}');
CREATE USER MAPPING FOR campaign_app SERVER far OPTIONS (user 'postgres', password_required 'false');
CREATE FOREIGN TABLE bank.far_client (client_id int NOT NULL)
    SERVER far OPTIONS (schema_name 'bank', table_name 'client');
GRANT SELECT ON bank.far_client TO campaign_app;
"""


def test_a_foreign_table_that_leads_back(db):
    # T30. T31. It reads as whom the user mapping says, and can have no policy.
    guarded(db)
    if db.execute("SELECT FROM pg_available_extensions WHERE name = 'postgres_fdw'"):
        server = db.server
        db.execute(LOOP.format(host=server.sockets, port=server.port, name=db.name))
        assert run(db, "campaign_app", "SELECT client_id FROM bank.far_client") == ALL
    else:
        db.execute(FOREIGN)
    way = named(db, "foreign-table", "foreign table bank.far_client")
    assert named_roles(way) == {"campaign_app"}
    db.execute(way.mend)
    # The connection is left, by which he may read with functions such as those of dblink.
    assert len(assumed(db, "server far")) == 1
    db.execute("DROP USER MAPPING FOR campaign_app SERVER far")
    assert assumed(db, "server far") == []


DBLINK = (
    "SELECT client_id FROM public.dblink('host={host} port={port} dbname={name} user=postgres',"
    " 'SELECT client_id FROM bank.client') AS t (client_id int)"
)


def test_a_definers_function_that_dials_back(db):
    # T30. T32. By dblink, for one: the words in its body are what can be seen of it.
    guarded(db)
    here = {"host": db.server.sockets, "port": db.server.port, "name": db.name}
    there = bool(db.execute("SELECT FROM pg_available_extensions WHERE name = 'dblink'"))
    if there:
        db.execute("CREATE EXTENSION dblink")
    body = DBLINK.format(**here)
    db.execute(
        "SET check_function_bodies = off; CREATE FUNCTION bank.dial() RETURNS SETOF int LANGUAGE sql SECURITY DEFINER"
        f" AS $f${body}$f$; RESET check_function_bodies"
    )
    if there:
        assert run(db, "campaign_app", "SELECT * FROM bank.dial()") == ALL
        refused(db, "campaign_app", body, error=psycopg.Error)
    way = named(db, "definer", "function bank.dial()")
    assert "campaign_app" in way.roles
    mended(db, way)


@pytest.mark.parametrize("kind", ["FUNCTION", "PROCEDURE"])
def test_definers_code(db, kind):
    # T32. It reads as its owner, and everybody may call it unless somebody says otherwise.
    guarded(db)
    if kind == "FUNCTION":
        db.execute(f"CREATE FUNCTION bank.every() RETURNS SETOF int LANGUAGE sql SECURITY DEFINER AS '{CLIENTS}'")
        assert run(db, "campaign_app", "SELECT * FROM bank.every()") == ALL
    else:
        db.execute(
            "CREATE PROCEDURE bank.every(INOUT number bigint) LANGUAGE plpgsql SECURITY DEFINER AS"
            " 'BEGIN SELECT count(*) INTO number FROM bank.client; END'"
        )
        assert run(db, "campaign_app", "CALL bank.every(0)") == [3]
    way = named(db, "definer", f"{kind.lower()} bank.every({'' if kind == 'FUNCTION' else 'bigint'})")
    assert "campaign_app" in way.roles
    mended(db, way)


def test_a_function_that_one_login_may_call(db):
    # T32. That login is named, among however many.
    guests = "".join(f"CREATE ROLE guest_{n} LOGIN; GRANT USAGE ON SCHEMA bank TO guest_{n};" for n in range(5))
    guarded(db, before=guests)
    db.execute(
        f"CREATE FUNCTION bank.every() RETURNS SETOF int LANGUAGE sql SECURITY DEFINER AS '{CLIENTS}';"
        "REVOKE ALL ON FUNCTION bank.every() FROM PUBLIC; GRANT EXECUTE ON FUNCTION bank.every() TO guest_4"
    )
    assert run(db, "guest_4", "SELECT * FROM bank.every()") == ALL
    way = named(db, "definer", "function bank.every()")
    assert named_roles(way) == {"guest_4"}
    mended(db, way)


def test_a_view_for_one_login_that_must_set_a_role(db):
    # T10. Nor does it matter how it comes to the right.
    guests = "".join(f"CREATE ROLE guest_{n} LOGIN NOINHERIT;" for n in range(5))
    guarded(db, before=guests + "CREATE ROLE readers; GRANT USAGE ON SCHEMA bank TO readers; GRANT readers TO guest_4;")
    db.execute("CREATE VIEW bank.theirs AS SELECT * FROM bank.client; GRANT SELECT ON bank.theirs TO readers")
    assert run(db, "guest_4", "SET ROLE readers", "SELECT client_id FROM bank.theirs") == ALL
    way = named(db, "view", "view bank.theirs")
    assert named_roles(way) == {"guest_4"}
    mended(db, way)


def test_code_of_an_owner_that_runs_what_it_is_told(db):
    # T33. Its owner is held; what it is told can be to switch that off.
    guarded(db, before=OWNER)
    db.execute(
        "CREATE FUNCTION bank.tell(what text) RETURNS void LANGUAGE plpgsql SECURITY DEFINER AS"
        " 'BEGIN EXECUTE what; END'; ALTER FUNCTION bank.tell(text) OWNER TO bank_owner"
    )
    off = "SELECT bank.tell('ALTER TABLE bank.client DISABLE ROW LEVEL SECURITY')"
    assert undone(db, "campaign_app", off, CLIENTS) == ALL
    texts = assumed(db, "function bank.tell(text)")
    assert texts == ["it runs as bank_owner, who owns protected tables: it is taken not to change their policies."]
    db.execute("REVOKE EXECUTE ON FUNCTION bank.tell(text) FROM PUBLIC")
    assert assumed(db, "function bank.tell(text)") == []


def test_a_function_that_says_it_leaks_nothing(db):
    # T45. The planner believes it, and shows it rows before policies do.
    guarded(db)
    db.execute(
        "CREATE FUNCTION bank.peek(text) RETURNS boolean LANGUAGE plpgsql LEAKPROOF COST 0.0001 AS"
        " 'BEGIN PERFORM set_config(''spy.seen'', concat(current_setting(''spy.seen'', true), '' '', $1), false);"
        " RETURN true; END'"
    )
    attack = ("SELECT count(*) FROM bank.client WHERE bank.peek(birth_number)", "SELECT current_setting('spy.seen')")
    assert "700101" in run(db, "campaign_app", *attack)[0]
    mended(db, named(db, "leakproof", "function bank.peek(text)"))
    assert "700101" not in run(db, "campaign_app", *attack)[0]


def test_the_type_of_somebody_else(db):
    # T61. He sees every value of it by a check that he adds, with no right to the table.
    guarded(
        db,
        before="CREATE DOMAIN bank.number AS text; ALTER TABLE bank.client ALTER birth_number TYPE bank.number;"
        "CREATE SCHEMA play AUTHORIZATION stranger; REVOKE ALL ON bank.client FROM stranger;"
        "ALTER DOMAIN bank.number OWNER TO stranger;",
    )
    spy = (
        "CREATE FUNCTION play.spy(it text) RETURNS boolean LANGUAGE plpgsql AS"
        " 'BEGIN PERFORM set_config(''spy.seen'', concat(current_setting(''spy.seen'', true), '' '', it), false);"
        " RETURN true; END'"
    )
    check = "ALTER DOMAIN bank.number ADD CONSTRAINT spy CHECK (play.spy(VALUE::text))"
    assert "700101" in undone(db, "stranger", spy, check, "SELECT current_setting('spy.seen')")[0]
    way = named(db, "code-of-others", "domain bank.number")
    assert way.mend == "ALTER DOMAIN bank.number OWNER TO postgres;"
    mended(db, way)


def test_the_function_of_an_index(db):
    # T62. It runs on every row that is written, and its owner says what it does.
    guarded(
        db,
        before="CREATE FUNCTION bank.short(it text) RETURNS text LANGUAGE plpgsql IMMUTABLE AS"
        " 'BEGIN RETURN left(it, 2); END'; ALTER FUNCTION bank.short(text) OWNER TO stranger;"
        "CREATE INDEX ON bank.client (bank.short(birth_number)); GRANT CREATE ON SCHEMA bank TO stranger;",
    )
    spy = (
        "CREATE OR REPLACE FUNCTION bank.short(it text) RETURNS text LANGUAGE plpgsql IMMUTABLE AS"
        " 'BEGIN RAISE WARNING ''%'', it; RETURN left(it, 2); END'"
    )
    run(db, "stranger", spy)
    seen: list[str | None] = []
    with db.connect("teller_app") as conn:
        conn.add_notice_handler(lambda notice: seen.append(notice.message_primary))
        conn.execute("UPDATE bank.client SET birth_number = birth_number || 'x' WHERE client_id = 1")
    assert seen == ["700101x"]
    way = named(db, "code-of-others", "function bank.short(text)")
    assert [str(table) for table in way.tables] == ["bank.client"]
    mended(db, way)


@pytest.mark.parametrize("of", ["TABLE bank.client", "TABLES IN SCHEMA bank", "ALL TABLES"])
def test_a_publication(db, of):
    # T70. Its subscribers get every row, and what they do with it is theirs to say.
    guarded(db)
    db.execute(f"CREATE PUBLICATION feed FOR {of}")
    db.execute("SELECT pg_create_logical_replication_slot('feed', 'pgoutput')")
    try:
        db.execute("UPDATE bank.client SET birth_number = birth_number")
        db.execute("CHECKPOINT")
        options = "'proto_version', '1', 'publication_names', 'feed'"
        sent = db.execute(f"SELECT data FROM pg_logical_slot_peek_binary_changes('feed', NULL, NULL, {options})")
    finally:
        db.execute("SELECT pg_drop_replication_slot('feed')")
    assert any(b"700101" in change for (change,) in sent)
    mended(db, named(db, "publication", "publication feed"))


def test_a_subscription(db):
    # T71. What comes from elsewhere is written past the policies, or not at all.
    guarded(db)
    db.execute(
        "CREATE SUBSCRIPTION feed CONNECTION 'dbname=none' PUBLICATION p WITH (connect = false, slot_name = NONE)"
    )
    try:
        # What a refresh would write, if there were a publisher to ask.
        db.execute(
            "INSERT INTO pg_subscription_rel (srsubid, srrelid, srsubstate)"
            " SELECT oid, 'bank.client'::regclass, 'r' FROM pg_subscription"
        )
        (text,) = assumed(db, "subscription feed")
        assert text == "it writes bank.client past their policies, as postgres: what comes is taken to be right."
    finally:
        db.execute("DROP SUBSCRIPTION feed")
    assert assumed(db, "subscription feed") == []


def test_an_event_trigger(db):
    # T59. It runs in the middle of every apply, as whoever applies.
    guarded(db)
    db.execute(
        "CREATE FUNCTION bank.meddle() RETURNS event_trigger LANGUAGE plpgsql AS"
        " 'BEGIN ALTER TABLE bank.client DISABLE ROW LEVEL SECURITY; END';"
        "CREATE EVENT TRIGGER meddle ON ddl_command_end WHEN TAG IN ('COMMENT') EXECUTE FUNCTION bank.meddle()"
    )
    try:
        (text,) = assumed(db, "event trigger meddle")
        assert text.startswith("bank.meddle() runs at every ddl_command_end, as whoever it happens to")
        db.execute("COMMENT ON TABLE bank.client IS 'clients'")
        assert run(db, "campaign_app", CLIENTS) == ALL
    finally:
        db.execute("DROP EVENT TRIGGER meddle")
    mended(db, named(db, "guard", "row security bank.client"))


def test_a_prepared_transaction_on_the_guard(db):
    # T65. Nothing that records can be prepared; what a superuser writes by hand can, and does not count until COMMIT.
    guarded(db)
    with db.connect(autocommit=False) as conn:
        conn.execute("SELECT * FROM rlsguard.opt_out('client', '2', '{marketing}', 'test', 'because')")
        with pytest.raises(psycopg.Error, match="cannot PREPARE a transaction that has executed LISTEN"):
            conn.execute("PREPARE TRANSACTION 'x'")
    with db.connect(autocommit=False) as conn:
        conn.execute("SELECT rlsguard.change_client('2', 'marketing', true)")
        conn.execute("PREPARE TRANSACTION 'late'")
    assert run(db, "campaign_app", CLIENTS) == LEFT
    way = named(db, "prepared-transaction", "prepared transaction 'late'")
    assert named_roles(way) == {"postgres"}
    mended(db, way)
    assert db.execute("SELECT FROM pg_prepared_xacts WHERE database = current_database()") == []

"""Event triggers: DDL that takes the guard off is refused, and what comes under guarded tables is guarded at once."""

from __future__ import annotations

import subprocess

import psycopg
import pytest

from check.mutating import mutations, mutations_of_tables
from check.test_mutations import MORE
from check.test_mutations import TABLES as MORE_TABLES
from guarding import ALL, BANK_MAP, WITHOUT_1, apply, column, load, opt_out, small_bank, visible
from proving import faults, leaked, prove_map
from rlsguard import check
from rlsguard import uninstall as uninstalling
from rlsguard.apply import generate
from rlsguard.problems import RlsguardError
from rlsguard.render import as_one_file
from servers import Database

pytestmark = pytest.mark.by_turns

KEPT = "guard: {event_trigger: true}\n"
ODD = '"Tr 100%s, ""%1$I"'
TREE = f"""
DROP TABLE bank.trans;
CREATE TABLE bank.trans (trans_id int NOT NULL, account_id int NOT NULL, amount numeric) PARTITION BY RANGE (trans_id);
CREATE TABLE bank.first PARTITION OF bank.trans FOR VALUES FROM (1000) TO (2000);
INSERT INTO bank.trans VALUES (1000, 10, 1), (1001, 20, 1);
CREATE TABLE bank.note (note_id int, client_id int);
CREATE TABLE bank.long_note (words text) INHERITS (bank.note);
CREATE ROLE bank_dba;
GRANT CREATE, USAGE ON SCHEMA bank TO bank_dba;
ALTER TABLE bank.trans OWNER TO bank_dba;
ALTER TABLE bank.note OWNER TO bank_dba;
ALTER TABLE bank.long_note OWNER TO bank_dba;
CREATE SCHEMA {ODD};
GRANT CREATE, USAGE ON SCHEMA {ODD} TO bank_dba, PUBLIC;
ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO campaign_app, teller_app;
ALTER DEFAULT PRIVILEGES FOR ROLE bank_dba GRANT SELECT ON TABLES TO campaign_app, teller_app;
GRANT SELECT ON ALL TABLES IN SCHEMA bank TO campaign_app, teller_app;
"""
NOTES = (
    "  bank.note: {holds: [personal], subject: {client: client_id}, when_unknown: show, audit: {redact: [note_id]}}\n"
)
TREE_MAP = BANK_MAP.replace("bank.trans:\n    {", "bank.trans:\n    {audit: true, ") + NOTES + KEPT


@pytest.fixture
def bank(template_db) -> Database:
    return small_bank(template_db, BANK_MAP + MORE_TABLES + KEPT, more=MORE)


@pytest.fixture
def tree(template_db) -> Database:
    return small_bank(template_db, TREE_MAP, more=TREE)


def findings(db: Database, text: str) -> list[str]:
    with db.connect() as conn:
        return [f"{finding.kind.id} {finding.about}" for finding in check.check(conn, load(text)).findings]


# Of these no event trigger hears, and `rlsguard check` finds them.
UNHEARD = ("GRANT ", "REVOKE ", "ALTER ROLE ", "INSERT ", "UPDATE ", "DELETE ")


@pytest.mark.parametrize("mode", ["attribute", "marker"])
def test_every_change_of_the_guard_by_ddl_is_refused(template_db, mode):
    text = BANK_MAP + MORE_TABLES + f"guard: {{event_trigger: true, bypass: {mode}}}\n"
    db = small_bank(template_db, text, more=MORE)
    let_through, refused = [], 0
    with db.connect(autocommit=False) as conn:
        for name, statement in [*mutations(conn), *mutations_of_tables(conn)]:
            try:
                with conn.transaction(force_rollback=True):
                    conn.execute(statement)
                let_through.append(f"{name}: {statement}")
            except psycopg.errors.InsufficientPrivilege as error:
                # it is they that fail, where they themselves were changed
                if "is refused" in str(error) or "function rlsguard_events.after_" in str(error.diag.context):
                    refused += 1
            except psycopg.errors.DependentObjectsStillExist:
                pass  # what names it hinders it
    assert [text for text in let_through if not text.partition(": ")[2].startswith(UNHEARD)] == []
    assert refused > 400


@pytest.mark.parametrize(
    ("statement", "why"),
    [
        ('DROP POLICY "!rlsguard" ON bank.client', 'would drop the guard\'s policy "!rlsguard" on bank.client'),
        ("DROP TABLE bank.disp CASCADE", r"would drop the guard's view rlsguard_views\.suppressed_client_by_disp"),
        ("ALTER TABLE bank.disp DROP COLUMN client_id CASCADE", "would drop the guard's"),
        ("DROP SCHEMA rlsguard CASCADE", "would drop the guard's"),
        ("DROP OWNED BY rlsguard_owner CASCADE", "would drop the guard's"),
        ("ALTER SCHEMA rlsguard RENAME TO mine", "the guard could no longer be found"),
        ("ALTER SCHEMA rlsguard_views RENAME TO mine", "the guard could no longer be found"),
        ("ALTER TABLE rlsguard.opt_out_event SET SCHEMA bank", r"table bank\.opt_out_event belongs to the guard"),
        (
            "ALTER FUNCTION rlsguard.refuse_change() SET SCHEMA bank",
            "function bank.refuse_change.. belongs to the guard",
        ),
        ("CREATE INDEX ON rlsguard.opt_out_event (actor)", "belongs to the guard"),
        ("ALTER TABLE bank.client DISABLE TRIGGER ALL, NO FORCE ROW LEVEL SECURITY", r"row security of bank\.client"),
        ("ALTER TABLE bank.payment DISABLE TRIGGER ALL", r"an audit trigger of bank\.payment would not always fire"),
        (
            "ALTER TABLE bank.payment_1 DISABLE TRIGGER USER",
            r"an audit trigger of bank\.payment_1 would not always fire",
        ),
        ('ALTER POLICY "!rlsguard" ON bank.client USING (true)', 'policy "!rlsguard" on bank.client belongs'),
        ("DROP FUNCTION rlsguard_events.after_ddl() CASCADE", "would drop the guard's"),
    ],
)
def test_the_error_says_what_is_wrong_and_what_to_do(bank, statement, why):
    with bank.connect() as conn:
        with pytest.raises(psycopg.errors.InsufficientPrivilege, match=why) as caught:
            conn.execute(statement)
        assert caught.value.diag.message_hint == "Change the data map and run rlsguard apply, as a superuser."
        # neither does it help to be a replica
        with pytest.raises(psycopg.errors.InsufficientPrivilege, match=why):
            conn.execute(f"SET session_replication_role = replica; {statement}")


HARMLESS = (
    "ALTER TABLE bank.client ADD COLUMN more int",
    "ALTER TABLE bank.client RENAME COLUMN client_id TO number",
    "ALTER TABLE bank.client RENAME TO customer",
    "CREATE SCHEMA more; ALTER TABLE bank.trans SET SCHEMA more",
    "ALTER TABLE bank.client OWNER TO bank_owner",
    "CREATE INDEX ON bank.trans (amount)",
    "CREATE POLICY theirs ON bank.client USING (true)",
    "CREATE TRIGGER theirs BEFORE INSERT ON bank.client FOR EACH ROW EXECUTE FUNCTION bank.swallow();"
    " ALTER TABLE bank.client DISABLE TRIGGER theirs; DROP TRIGGER theirs ON bank.client",
    "CREATE TABLE bank.plain (n int); ALTER TABLE bank.plain ENABLE ROW LEVEL SECURITY, DISABLE ROW LEVEL SECURITY;"
    ' CREATE POLICY "!rlsguard" ON bank.plain USING (true); DROP POLICY "!rlsguard" ON bank.plain',
    "CREATE TEMPORARY TABLE t AS SELECT 1 AS n; CREATE INDEX ON t (n); DROP TABLE t",
    "CREATE VIEW bank.v WITH (security_invoker = true) AS SELECT * FROM bank.client; DROP VIEW bank.v",
    "DROP TABLE bank.trans",
    "DROP TABLE bank.payment",
    "ALTER TABLE bank.payment DETACH PARTITION bank.payment_1",
    "COMMENT ON TABLE rlsguard.opt_out_event IS 'ours'",
    "REINDEX TABLE rlsguard.opt_out_event",
    "CREATE ROLE somebody; GRANT SELECT ON bank.client TO somebody; DROP OWNED BY somebody; DROP ROLE somebody",
)


@pytest.mark.parametrize("statement", HARMLESS)
def test_what_does_not_touch_the_guard_is_nobodys_business(bank, statement):
    with bank.connect() as conn:
        notices: list[str] = []
        conn.add_notice_handler(lambda notice: notices.append(notice.severity))
        conn.execute(statement)
        assert "WARNING" not in notices


NEW = {
    "a partition": ("CREATE TABLE {name} PARTITION OF bank.trans FOR VALUES FROM (5000) TO (6000)", "trans"),
    "attached": (
        "CREATE TABLE {name} (amount numeric, account_id int NOT NULL, trans_id int NOT NULL);"
        " ALTER TABLE bank.trans ATTACH PARTITION {name} FOR VALUES FROM (5000) TO (6000)",
        "trans",
    ),
    "a tree": (
        "CREATE TABLE {name} (LIKE bank.trans) PARTITION BY RANGE (trans_id);"
        " CREATE TABLE bank.twig PARTITION OF {name} FOR VALUES FROM (5000) TO (6000) PARTITION BY RANGE (trans_id);"
        " CREATE TABLE bank.leaf PARTITION OF bank.twig DEFAULT;"
        " ALTER TABLE bank.trans ATTACH PARTITION {name} FOR VALUES FROM (5000) TO (6000)",
        "trans",
    ),
    "a child": ("CREATE TABLE {name} (more text) INHERITS (bank.note)", "note"),
    "made a child": ("CREATE TABLE {name} (LIKE bank.note); ALTER TABLE {name} INHERIT bank.note", "note"),
    "a child of a child": ("CREATE TABLE {name} () INHERITS (bank.long_note)", "note"),
}


@pytest.mark.parametrize("name", ["bank.later", f"{ODD}.{ODD}", '"Tr 100%s, ""%1$I".s2'])
@pytest.mark.parametrize("way", NEW)
def test_what_comes_under_a_guarded_table_is_guarded_at_once(tree, way, name):
    statements, kind = NEW[way]
    opt_out(tree, 1, "marketing")
    # By its owner, who may not look into the guard's schemas.
    with tree.connect() as conn:
        conn.execute("SET ROLE bank_dba")
        conn.execute(statements.format(name=name))
    insert = {
        "trans": "(trans_id, account_id) VALUES (5000, 10), (5001, 20)",
        "note": "(note_id, client_id) VALUES (5000, 1), (5001, 3)",
    }[kind]
    tree.execute(f"INSERT INTO {name} {insert}")
    assert column(tree, f"SELECT {kind}_id FROM {name}", user="campaign_app") == [5001]
    assert column(tree, f"SELECT {kind}_id FROM {name}", user="teller_app") == [5000, 5001]
    if way == "a tree":
        assert column(tree, "SELECT trans_id FROM bank.leaf", user="campaign_app") == [5001]
    if kind == "trans":  # row changes are recorded by whatever way they come
        tree.execute(f"UPDATE bank.trans SET amount = 1 WHERE trans_id = 5000; TRUNCATE {name}")
        assert {*column(tree, "SELECT operation FROM rlsguard.change_event")} == {"INSERT", "TRUNCATE", "UPDATE"}
    else:
        assert column(tree, "SELECT (new_row::jsonb ? 'note_id')::text FROM rlsguard.change_event") == [
            "false",
            "false",
        ]
    # It is all that an apply would have made, and is kept as such.
    assert findings(tree, TREE_MAP) == []
    with tree.connect() as conn, pytest.raises(psycopg.errors.InsufficientPrivilege, match="is refused"):
        conn.execute(f'DROP POLICY "!rlsguard" ON {name}')
    apply(tree, TREE_MAP)
    assert apply(tree, TREE_MAP).changes == ()
    assert column(tree, f"SELECT {kind}_id FROM {name}", user="campaign_app") == ([] if kind == "trans" else [5001])


CLOSED = {
    # its name is that of the policies' view
    "bank.s": "CREATE TABLE bank.s PARTITION OF bank.trans FOR VALUES FROM (5000) TO (6000)",
    "bank.own": "CREATE TABLE bank.own (LIKE bank.trans); ALTER TABLE bank.own ENABLE ROW LEVEL SECURITY;"
    " CREATE POLICY all_of_them ON bank.own USING (true);"
    " ALTER TABLE bank.trans ATTACH PARTITION bank.own FOR VALUES FROM (5000) TO (6000)",
    # a table that had none, for which nobody knew what to do
    "bank.kid": "CREATE TABLE bank.kid () INHERITS (bank.client)",
    "bank.two": "CREATE TABLE bank.two () INHERITS (bank.note, bank.client)",
}


@pytest.mark.parametrize("name", CLOSED)
def test_where_it_is_not_clear_how_to_guard_it_nobody_sees_a_row(tree, name):
    warnings: list[str] = []
    with tree.connect() as conn:
        conn.add_notice_handler(lambda notice: warnings.append(f"{notice.severity} {notice.message_primary}"))
        conn.execute(CLOSED[name])
    assert f"WARNING {name} comes under a guarded table: by itself it shows nobody a row" in warnings
    rows = {"bank.kid": "(client_id, birth_number) VALUES (1, 'x'), (3, 'y')",
            "bank.two": "(client_id, birth_number, note_id) VALUES (1, 'x', 1), (3, 'y', 3)"}  # fmt: skip
    tree.execute(f"INSERT INTO {name} {rows.get(name, '(trans_id, account_id) VALUES (5000, 10), (5001, 20)')}")
    tree.execute(f"GRANT SELECT ON {name} TO campaign_app")
    assert column(tree, f"SELECT 1 FROM {name}", user="campaign_app") == []
    assert findings(tree, TREE_MAP) != []
    # apply knows
    apply(tree, TREE_MAP)
    assert findings(tree, TREE_MAP) == []
    opt_out(tree, 1, "marketing")
    assert column(tree, f"SELECT 1 FROM {name}", user="campaign_app") == [1]


def test_another_table_under_a_guarded_name_shows_nothing(bank):
    with bank.connect() as conn:
        conn.execute("CREATE TABLE bank.new (LIKE bank.client); INSERT INTO bank.new SELECT * FROM bank.client")
        conn.execute("GRANT SELECT ON bank.new TO teller_app")
    assert column(bank, "SELECT client_id FROM bank.new", user="teller_app") == [1, 2, 3]
    bank.execute("ALTER TABLE bank.client RENAME TO old; ALTER TABLE bank.new RENAME TO client")
    assert column(bank, "SELECT client_id FROM bank.client", user="teller_app") == []
    assert column(bank, "SELECT client_id FROM bank.old", user="teller_app") == [1, 2, 3]


def test_a_partition_dropped_and_made_anew_is_guarded_again(tree):
    opt_out(tree, 1, "marketing")
    for _ in range(2):
        tree.execute("CREATE TABLE bank.later PARTITION OF bank.trans FOR VALUES FROM (5000) TO (6000)")
        tree.execute("INSERT INTO bank.later (trans_id, account_id) VALUES (5000, 10), (5001, 20)")
        assert column(tree, "SELECT trans_id FROM bank.later", user="campaign_app") == [5001]
        tree.execute("DROP TABLE bank.later")


def test_only_a_superuser_applies_and_only_the_own_transaction_is_let_through(bank):
    bank.execute("CREATE ROLE deployer LOGIN CREATEROLE")
    if bank.server.major > 15:
        bank.execute("GRANT rlsguard_owner, rlsguard_nobody TO deployer WITH ADMIN TRUE, INHERIT FALSE, SET FALSE")
    text = BANK_MAP + MORE_TABLES + KEPT
    changed = text.replace("bank.disp: {holds: [personal],", "bank.disp: {holds: [personal], reads: scans,")
    with pytest.raises(RlsguardError, match=r"deployer is no superuser, as event triggers need"):
        apply(bank, changed, user="deployer")
    with bank.connect(autocommit=False) as conn, bank.connect() as other:
        conn.execute("ALTER EVENT TRIGGER rlsguard_drop DISABLE")
        conn.execute('DROP POLICY "!rlsguard" ON bank.client')
        with pytest.raises(psycopg.errors.InsufficientPrivilege, match="is refused"):
            other.execute('DROP POLICY "!rlsguard" ON bank.trans')
        conn.rollback()
    # An apply that changes tables is let through, and leaves everything as it was.
    opt_out(bank, 1, "marketing")
    assert [str(change) for change in apply(bank, changed).changes] == ["replace protect bank.disp"]
    assert column(bank, "SELECT evtenabled::text FROM pg_event_trigger") == ["A", "A"]


def test_prove_takes_them_and_what_they_guarded_as_it_is(tree):
    tree.execute("CREATE TABLE bank.later PARTITION OF bank.trans FOR VALUES FROM (5000) TO (6000)")
    tree.execute("INSERT INTO bank.later VALUES (5000, 10, 1), (5001, 20, 1)")
    opt_out(tree, 1, "marketing")
    proof = prove_map(tree, TREE_MAP)
    assert (faults(proof), [str(way) for way in proof.ways_around]) == ([], [])
    tree.execute("ALTER EVENT TRIGGER rlsguard_ddl DISABLE; ALTER TABLE bank.later DISABLE ROW LEVEL SECURITY")
    assert leaked(prove_map(tree, TREE_MAP)) == {("bank.trans", "campaign_app")}


def test_a_map_without_partitions_and_a_restored_dump(template_db, server):
    db = small_bank(template_db, BANK_MAP + KEPT)
    assert findings(db, BANK_MAP + KEPT) == []
    opt_out(db, 1, "marketing")
    with server.database() as copy:
        bindir = db.server.bindir
        archive = subprocess.run([bindir / "pg_dump", "-Fc", "-d", db.dsn()], check=True, capture_output=True).stdout
        command = [bindir / "pg_restore", "--exit-on-error", "-d", copy.dsn()]
        subprocess.run(command, input=archive, check=True)
        assert visible(copy, "campaign_app") == WITHOUT_1
        # OIDs are others here: tables are known by their names
        with copy.connect() as conn, pytest.raises(psycopg.errors.InsufficientPrivilege, match="is refused"):
            conn.execute("ALTER TABLE bank.client DISABLE ROW LEVEL SECURITY")
        apply(copy, BANK_MAP + KEPT)
        assert findings(copy, BANK_MAP + KEPT) == []
        assert apply(copy, BANK_MAP + KEPT).changes == ()


def test_they_go_with_the_word_in_the_map_and_with_uninstall(bank):
    assert "remove event triggers" in map(str, apply(bank, BANK_MAP + MORE_TABLES).changes)
    assert column(bank, "SELECT 1 FROM pg_event_trigger") == []
    assert findings(bank, BANK_MAP + MORE_TABLES) == []
    assert findings(bank, BANK_MAP + MORE_TABLES + KEPT) == ["RG101 event triggers"]
    apply(bank, BANK_MAP + MORE_TABLES + KEPT)
    assert findings(bank, BANK_MAP + MORE_TABLES + KEPT) == []
    with bank.connect() as conn:
        uninstalling.uninstall(conn, drop_ledger=True)
    assert column(bank, "SELECT 1 FROM pg_event_trigger") == []
    assert column(bank, "SELECT 1 FROM pg_namespace WHERE nspname LIKE 'rlsguard%'") == []
    assert visible(bank, "campaign_app") == ALL


def test_the_generated_files_do_the_same_and_may_run_again(template_db, tmp_path):
    db = small_bank(template_db, more=TREE)
    with db.connect() as conn:
        (tmp_path / "all.sql").write_text(as_one_file(generate(conn, load(TREE_MAP))), encoding="utf-8")
    for _ in range(2):
        subprocess.run([db.server.bindir / "psql", "-X", "-q", "-d", db.dsn(), "-f", tmp_path / "all.sql"], check=True)
    assert findings(db, TREE_MAP) == []


@pytest.mark.parametrize(
    ("statement", "found"),
    [
        ("DROP EVENT TRIGGER rlsguard_ddl", "RG111 event trigger rlsguard_ddl"),
        ("ALTER EVENT TRIGGER rlsguard_ddl DISABLE", "RG112 event trigger rlsguard_ddl"),
        ("ALTER EVENT TRIGGER rlsguard_drop ENABLE", "RG112 event trigger rlsguard_drop"),
        (
            "ALTER EVENT TRIGGER rlsguard_ddl DISABLE; ALTER FUNCTION rlsguard_events.guarded(oid[]) OWNER TO stranger;"
            "ALTER EVENT TRIGGER rlsguard_ddl ENABLE ALWAYS",
            "RG110 function rlsguard_events.guarded(among oid[])",
        ),
        (
            "CREATE EVENT TRIGGER more ON sql_drop EXECUTE FUNCTION rlsguard_events.after_drop()",
            "RG118 event trigger more",
        ),
    ],
)
def test_what_is_done_to_them_is_found_and_mended(bank, statement, found):
    bank.execute(statement)
    text = BANK_MAP + MORE_TABLES + KEPT
    seen = findings(bank, text)
    assert found in seen
    if "more" in statement:
        bank.execute("DROP EVENT TRIGGER more")
    apply(bank, text)
    assert findings(bank, text) == []


# What the tables' owner may all do, by which names and columns change places.
SUB = """
CREATE TABLE bank.sub_note (author int) INHERITS (bank.note);
ALTER TABLE bank.first OWNER TO bank_dba;
ALTER TABLE bank.sub_note OWNER TO bank_dba;
"""
SUB_NOTES = "  bank.sub_note: {holds: [personal], subject: {client: author}, when_unknown: show}\n"
SUB_MAP = TREE_MAP.replace(KEPT, SUB_NOTES + KEPT)


@pytest.fixture
def own(template_db) -> Database:
    db = small_bank(template_db, SUB_MAP, more=TREE + SUB)
    opt_out(db, 1, "marketing")
    return db


def as_owner(db: Database, *statements: str) -> list[str]:
    """Run *statements* as the tables' owner, and return what is warned of."""
    warnings: list[str] = []
    with db.connect() as conn:
        conn.add_notice_handler(lambda notice: warnings.append(str(notice.message_primary)))
        conn.execute("SET ROLE bank_dba; SET client_min_messages = warning")
        for statement in statements:
            conn.execute(statement)
    return warnings


@pytest.mark.parametrize(
    ("renamed", "anew"),
    [
        ("first", "CREATE TABLE bank.first PARTITION OF bank.trans FOR VALUES FROM (5000) TO (6000)"),
        ("trans", "CREATE TABLE bank.trans PARTITION OF bank.old FOR VALUES FROM (5000) TO (6000)"),
        ("note", "CREATE TABLE bank.note () INHERITS (bank.old)"),
        ("trans", "CREATE TABLE bank.trans (LIKE bank.old)"),
    ],
)
def test_a_renamed_table_is_still_kept_when_another_has_its_name(own, renamed, anew):
    own.execute("INSERT INTO bank.note VALUES (1, 1), (3, 3)")
    as_owner(own, f"ALTER TABLE bank.{renamed} RENAME TO old", anew)
    for table in ("old", renamed):
        for statement in (
            f'DROP POLICY "!rlsguard" ON bank.{table}',
            f"ALTER TABLE bank.{table} DISABLE ROW LEVEL SECURITY",
        ):
            with pytest.raises(psycopg.errors.InsufficientPrivilege, match="is refused"):
                as_owner(own, statement)
    # what else is done to it is nobody's business
    assert as_owner(own, "COMMENT ON TABLE bank.old IS 'old'; ALTER TABLE bank.old SET (autovacuum_enabled)"
                    if renamed != "trans" else "ALTER TABLE bank.old ADD COLUMN more int") == []  # fmt: skip
    assert column(own, "SELECT client_id FROM bank.old" if renamed == "note" else "SELECT trans_id FROM bank.old",
                  user="campaign_app") == ([3] if renamed == "note" else [1001])  # fmt: skip


def test_another_table_under_a_guarded_name_cannot_be_opened_by_its_own_policies(own):
    new = "CREATE TABLE bank.new (note_id int, client_id int)"
    opened = "ALTER TABLE {0} ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY; CREATE POLICY x ON {0} USING (true)"
    swap = "ALTER TABLE bank.new RENAME TO note"
    for statements in ((opened.format("bank.new"), swap), (swap, opened.format("bank.note"))):
        with own.connect(autocommit=False) as conn:
            conn.execute(f"SET ROLE bank_dba; ALTER TABLE bank.note RENAME TO old; {new}")
            for statement in statements:
                conn.execute(statement)
            conn.execute("RESET ROLE; INSERT INTO bank.note VALUES (1, 1), (3, 3); SET ROLE campaign_app")
            assert conn.execute("SELECT note_id FROM bank.note").fetchall() == []
            conn.rollback()


def test_apply_opens_the_other_table_under_a_guarded_name(bank):
    bank.execute("DROP TABLE bank.trans; CREATE TABLE bank.trans (trans_id int, account_id int NOT NULL);"
                 " GRANT SELECT ON bank.trans TO campaign_app, teller_app;"
                 " INSERT INTO bank.trans VALUES (1, 10), (2, 20)")  # fmt: skip
    opt_out(bank, 1, "marketing")
    assert column(bank, "SELECT trans_id FROM bank.trans", user="teller_app") == []
    apply(bank, BANK_MAP + MORE_TABLES + KEPT)
    assert column(bank, "SELECT trans_id FROM bank.trans", user="teller_app") == [1, 2]
    assert column(bank, "SELECT trans_id FROM bank.trans", user="campaign_app") == [2]
    assert findings(bank, BANK_MAP + MORE_TABLES + KEPT) == []


@pytest.mark.parametrize(
    "swap",
    [
        "ALTER TABLE bank.trans RENAME account_id TO of; ALTER TABLE bank.trans RENAME trans_id TO account_id",
        "ALTER TABLE bank.trans RENAME account_id TO of",
    ],
)
def test_a_new_partition_is_not_guarded_by_columns_that_were_renamed(own, swap):
    warned = as_owner(own, swap, "CREATE TABLE bank.later PARTITION OF bank.trans FOR VALUES FROM (5000) TO (6000)")
    assert warned == ["bank.later comes under a guarded table: by itself it shows nobody a row"]
    own.execute("INSERT INTO bank.later VALUES (5000, 10), (5001, 20)")
    assert column(own, "SELECT of FROM bank.later", user="campaign_app") == []
    assert column(own, "SELECT of FROM bank.trans", user="campaign_app") == [20, 20]


def test_what_comes_under_tables_that_changed_names_is_guarded_like_its_own_parent(own):
    as_owner(own, "ALTER TABLE bank.note RENAME TO old", "ALTER TABLE bank.sub_note RENAME TO note",
             "ALTER TABLE bank.old RENAME TO sub_note", "CREATE TABLE bank.kid () INHERITS (bank.sub_note)",
             "CREATE TABLE bank.author_kid () INHERITS (bank.note)")  # fmt: skip
    own.execute("INSERT INTO bank.kid VALUES (1, 1), (2, 3); INSERT INTO bank.author_kid VALUES (3, 1, 3), (4, 3, 1)")
    assert column(own, "SELECT note_id FROM bank.kid", user="campaign_app") == [2]
    assert column(own, "SELECT note_id FROM bank.author_kid", user="campaign_app") == [3]


def test_the_first_child_of_a_table_with_a_path_of_its_own_follows_that(own):
    as_owner(own, "CREATE TABLE bank.kid () INHERITS (bank.sub_note)")
    own.execute("INSERT INTO bank.kid VALUES (1, 3, 1), (2, 1, 3), (3, 3, NULL)")
    assert column(own, "SELECT note_id FROM bank.kid", user="campaign_app") == [2, 3]
    assert findings(own, SUB_MAP) == []


def test_an_owner_of_a_new_branch_may_add_to_it(tree):
    tree.execute(
        "CREATE ROLE other_dba; GRANT CREATE, USAGE ON SCHEMA bank TO other_dba; SET ROLE other_dba;"
        "CREATE TABLE bank.twig (trans_id int NOT NULL, account_id int NOT NULL, amount numeric)"
        " PARTITION BY RANGE (trans_id);"
        "RESET ROLE; ALTER TABLE bank.trans ATTACH PARTITION bank.twig FOR VALUES FROM (5000) TO (6000);"
        "SET ROLE other_dba; CREATE TABLE bank.leaf PARTITION OF bank.twig DEFAULT; RESET ROLE"
    )
    assert {finding.split()[0] for finding in findings(tree, TREE_MAP)} == {"RG203"}  # another owner


def test_a_foreign_table_does_not_come_under_a_guarded_one(tree):
    tree.execute("CREATE FOREIGN DATA WRAPPER w; CREATE SERVER s FOREIGN DATA WRAPPER w")
    tree.execute("CREATE FOREIGN TABLE bank.far (note_id int, client_id int) SERVER s")
    for statement in (
        "ALTER TABLE bank.far INHERIT bank.note",
        "CREATE FOREIGN TABLE bank.f () INHERITS (bank.note) SERVER s",
    ):
        with pytest.raises(psycopg.errors.InsufficientPrivilege, match="a foreign table cannot have policies"):
            tree.execute(statement)


@pytest.mark.parametrize(
    "statement",
    ["ALTER TABLE bank.payment_2 DISABLE ROW LEVEL SECURITY", 'DROP POLICY "!rlsguard" ON bank.payment_2'],
)
def test_an_old_snapshot_does_not_hide_what_is_guarded(bank, statement):
    old = [bank.connect() for _ in range(3)]
    new = "CREATE TABLE bank.payment_2 PARTITION OF bank.payment FOR VALUES FROM (100) TO (200)"
    for conn, isolation in zip(old, ("REPEATABLE READ", "SERIALIZABLE", "REPEATABLE READ"), strict=True):
        conn.execute(f"BEGIN ISOLATION LEVEL {isolation}; SELECT FROM bank.client")
    as_superuser = bank.connect()
    as_superuser.execute(new)
    for conn in old[:2]:
        with pytest.raises(psycopg.errors.SerializationFailure):
            conn.execute(statement)
        conn.execute("ROLLBACK")
    # nothing of the guard's: temporary tables, and once the snapshot is a new one
    old[2].execute("CREATE TEMPORARY TABLE t (n int); DROP TABLE t; ROLLBACK")
    with bank.connect() as conn, as_superuser.transaction():
        as_superuser.execute("SET lock_timeout = '1s'; DROP TABLE bank.payment_2")
        as_superuser.execute(new)
        # it waits for nobody, and nobody waits for it
        conn.execute("SET lock_timeout = '1s'; BEGIN ISOLATION LEVEL REPEATABLE READ; CREATE TABLE bank.plain (n int)")
        as_superuser.execute("CREATE TABLE bank.payment_3 PARTITION OF bank.payment FOR VALUES FROM (200) TO (300)")
    for conn in (*old, as_superuser):
        conn.close()


def test_a_snapshot_of_before_the_apply_does_not_hide_the_guard(template_db):
    db = small_bank(template_db, more=MORE)
    with db.connect() as conn, db.connect() as other:
        for one in (conn, other):
            one.execute("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT FROM pg_class")
        apply(db, BANK_MAP + MORE_TABLES + KEPT)
        for one, statement in (
            (conn, "ALTER TABLE bank.client DISABLE ROW LEVEL SECURITY"),
            (other, 'DROP POLICY "!rlsguard" ON bank.client'),
        ):
            with pytest.raises(psycopg.errors.SerializationFailure):
                one.execute(statement)


LINK = """
CREATE TABLE bank.link (account_id int NOT NULL, client_id int NOT NULL);
INSERT INTO bank.link SELECT account_id, client_id FROM bank.disp;
"""
OF_ITS_OWN = "ALTER TABLE bank.link ENABLE ROW LEVEL SECURITY; CREATE POLICY x ON bank.link TO teller_app USING (true);"


@pytest.mark.parametrize("kept", [True, False])
@pytest.mark.parametrize(
    ("more", "statement"),
    [
        # a path leads over it, and it is not in the map
        (LINK, "ALTER TABLE bank.link ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY"),
        (LINK, "CREATE POLICY x ON bank.disp AS RESTRICTIVE TO rlsguard_owner USING (false)"),
        (LINK + OF_ITS_OWN, 'ALTER TABLE bank.link RENAME TO l; DROP POLICY "rlsguard hop" ON bank.l'),
    ],
)
def test_without_bypassrls_no_table_of_a_path_is_shut_to_the_guard(template_db, more, statement, kept):
    head, of_trans, tail = BANK_MAP.partition("bank.trans:")
    text = head + of_trans + tail.replace("bank.disp", "bank.link")
    text += f"guard: {{event_trigger: {str(kept).lower()}, bypass: marker}}\n"
    db = small_bank(template_db, text, more=more)
    opt_out(db, 1, "marketing")
    hidden = {"account": "SELECT account_id FROM bank.account", "trans": "SELECT trans_id FROM bank.trans"}
    before = [column(db, query, user="campaign_app") for query in hidden.values()]
    assert before == [[20], [1002]]
    if kept:
        with pytest.raises(psycopg.errors.InsufficientPrivilege, match="is refused"):
            db.execute(statement)
    else:
        db.execute(statement)
    assert ([column(db, query, user="campaign_app") for query in hidden.values()] == before) == kept


def test_nothing_of_the_guards_goes_to_an_extension(bank):
    for member in ("TABLE rlsguard.opt_out_event", "VIEW rlsguard_views.sight", "SCHEMA rlsguard"):
        with pytest.raises(psycopg.errors.InsufficientPrivilege, match="is refused"):
            bank.execute(f"ALTER EXTENSION plpgsql ADD {member}")
    bank.execute("CREATE TABLE bank.plain (n int); ALTER EXTENSION plpgsql ADD TABLE bank.plain")

"""What a hostile administrator does where no definition shows it: in system catalogs, in rows, and out of sight."""

from __future__ import annotations

import pytest

from check.test_innocence import remembering
from check.test_mutations import found
from check.test_sabotage import keys
from guarding import apply, column, load, opt_out, small_bank, visible
from prove.test_sabotage import MAP, PARTITIONED
from servers import Clone, Database

MORE = """
CREATE FUNCTION bank.same(n int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT n';
CREATE FUNCTION bank.peek(int) RETURNS boolean LANGUAGE plpgsql AS 'BEGIN RETURN true; END';
CREATE FUNCTION bank.key(key text) RETURNS int LANGUAGE plpgsql IMMUTABLE
    AS 'BEGIN RETURN int4in(textout(CASE key WHEN ''1'' THEN ''2'' ELSE key END)); END';
"""
# Trees of expressions can be written once text passes for one.
TREE = "CREATE CAST (text AS pg_node_tree) WITHOUT FUNCTION; {} DROP CAST (text AS pg_node_tree)"
NULLIF_IS_NOT = TREE.format(
    "UPDATE pg_policy SET polqual ="
    " regexp_replace(polqual::text, ':opno 91 :opfuncid 60 ', ':opno 91 :opfuncid 84 ', 'g')::pg_node_tree"
    " WHERE polrelid = 'bank.trans'::regclass AND polname = '!rlsguard';"
)
# A function of the server's in SQL is inlined, whatever else the server knows under its OID.
EVERYBODY_IS_THE_TELLER = """
DO $do$ BEGIN
    EXECUTE format('CREATE OR REPLACE FUNCTION pg_catalog.pg_has_role(name, oid, text) RETURNS boolean
                    LANGUAGE sql STABLE PARALLEL SAFE AS $$SELECT $2 OPERATOR(pg_catalog.=) %s::oid$$',
                   'teller_app'::regrole::oid);
END $do$
"""
OF_THE_GUARD = (
    "CREATE FUNCTION {0}() RETURNS SETOF bank.trans LANGUAGE sql SECURITY DEFINER AS 'SELECT * FROM bank.trans';"
    "ALTER FUNCTION {0}() OWNER TO rlsguard_owner;"
)
LEDGER = (
    "ALTER TABLE rlsguard.opt_out_event DISABLE TRIGGER append_only, DISABLE TRIGGER erase_only; {};"
    "ALTER TABLE rlsguard.opt_out_event ENABLE ALWAYS TRIGGER append_only, ENABLE ALWAYS TRIGGER erase_only"
)
NEVER_ASKED = LEDGER.format(
    "UPDATE rlsguard.opt_out_event SET action = 'opt_in'; UPDATE rlsguard.opt_out_client SET in_force = false"
)

FORGED = (
    "INSERT INTO rlsguard.manifest (unit, statements_hash, objects, detail, made_in)"
    " SELECT '{0}', '', '{2}', {1}, made_in FROM rlsguard.manifest WHERE unit = 'map'"
)
PROTECT_TRANS = """
'{"kind": "protect", "schema": "bank", "table": "trans", "policies": ["rlsguard owner"],
  "views": [], "row_security_before": false, "force_before": false}'
|| jsonb_build_object('oid', 'bank.trans'::regclass::oid::bigint)
"""

# What is done, and the finding.
ATTACKS = {
    "an operator that is another's function": (NULLIF_IS_NOT, "RG106 policy bank.trans !rlsguard"),
    "the same in a view": (
        TREE.format(
            "UPDATE pg_rewrite SET ev_action = regexp_replace(ev_action::text, ':opfuncid 65 ', ':opfuncid 144 ', 'g')"
            "::pg_node_tree WHERE ev_class::regclass::text ~ '^rlsguard_views.suppressed_client_by_disp';"
        ),
        "RG108 relation rlsguard_views.suppressed_client_by_disp_5fb716f1",
    ),
    "everybody is the teller": (EVERYBODY_IS_THE_TELLER, "RG127 function pg_has_role(name,oid,text)"),
    "LEAKPROOF of the server's own": (
        "ALTER FUNCTION pg_catalog.int4div(int, int) LEAKPROOF", "RG127 function int4div(integer,integer)",
    ),
    "LEAKPROOF in an extension": (
        "ALTER FUNCTION bank.peek(int) LEAKPROOF; ALTER EXTENSION plpgsql ADD FUNCTION bank.peek(int)",
        "RG209 function bank.peek(integer)",
    ),
    "triggers that the catalog hides": (
        "UPDATE pg_class SET relhastriggers = false WHERE oid = 'rlsguard.opt_out_event'::regclass",
        "RG112 trigger rlsguard.opt_out_event append_only",
    ),
    "partitions that the catalog hides": (
        "UPDATE pg_class SET relhassubclass = false WHERE oid = 'bank.payment'::regclass",
        "RG104 row security bank.payment",
    ),
    "an index that is not kept": (
        "UPDATE pg_index SET indisready = false WHERE indrelid = 'rlsguard.opt_out_client'::regclass",
        "RG114 relation rlsguard.opt_out_client",
    ),
    "an index with code": (
        "CREATE INDEX more ON rlsguard.opt_out_client (bank.same(subject_key))", "RG118 index more",
    ),
    "a policy on a table of two words": (
        'CREATE TABLE bank.two (n int); CREATE TABLE bank."two words" (n int);'
        'CREATE POLICY "rlsguard hop" ON bank."two words"',
        "RG118 policy bank.two words rlsguard hop",
    ),
    "a function in the schema of views": (
        OF_THE_GUARD.format("rlsguard_views.more"), "RG118 function rlsguard_views.more()",
    ),
    "a function that the manifest knows": (
        OF_THE_GUARD.format("rlsguard.more")
        + "UPDATE rlsguard.manifest SET objects = objects || '{\"function rlsguard.more()\": \"\"}'"
        " WHERE unit = 'protect bank.trans'",
        "RG118 function rlsguard.more()",
    ),
    "a function that a row of the manifest's own knows": (
        OF_THE_GUARD.format("rlsguard.more") + FORGED.format("guard more", "'{}'", '{"function rlsguard.more()": ""}'),
        "RG118 function rlsguard.more()",
    ),
    "a policy that a row about the same table knows": (
        'CREATE POLICY "rlsguard owner" ON bank.trans USING (true);'
        + FORGED.format("a", PROTECT_TRANS, '{"policy bank.trans rlsguard owner": ""}'),
        "RG118 policy bank.trans rlsguard owner",
    ),
    "a row of the manifest's own": (FORGED.format("guard more", "'{}'", "{}"), "RG128 manifest guard more"),
    "a row about the same table": (FORGED.format("a", PROTECT_TRANS, "{}"), "RG128 manifest a"),
    "a view that a row of the manifest's own knows": (
        "CREATE VIEW rlsguard_views.more AS SELECT * FROM bank.trans;"
        + FORGED.format("view more", """'{"kind": "view", "view": "more"}'""", '{"relation rlsguard_views.more": ""}'),
        "RG128 manifest view more",
    ),
    "never asked for, by ledger and state": (NEVER_ASKED, "RG126 rlsguard.opt_out_event"),
    "somebody else's, by ledger and state": (
        LEDGER.format(
            "UPDATE rlsguard.opt_out_event SET subject_key = '33' WHERE subject_key = '3';"
            "UPDATE rlsguard.opt_out_client SET subject_key = 33 WHERE subject_key = 3"
        ),
        "RG126 rlsguard.opt_out_event",
    ),
    "an entry gone that others follow": (
        LEDGER.format("DELETE FROM rlsguard.opt_out_event WHERE version = 1 AND subject_key = '2'"),
        "RG126 rlsguard.opt_out_event",
    ),
    "the last entry gone": (
        LEDGER.format("DELETE FROM rlsguard.opt_out_event WHERE version = 2"),
        "RG126 rlsguard.opt_out_client",
    ),
    "keys read as others'": (
        "CREATE CAST (text AS int) WITH FUNCTION bank.key(text)", "RG210 cast (text AS integer)",
    ),
    "every session begins as another": (
        "ALTER ROLE stranger NOINHERIT; GRANT teller_app TO stranger; ALTER ROLE ALL SET role = 'teller_app'",
        "RG217 setting role of all roles",
    ),
    "a language that calls anything": (
        "UPDATE pg_language SET lanpltrusted = true WHERE lanname = 'internal';"
        "GRANT USAGE ON LANGUAGE internal TO stranger",
        "RG218 language internal",
    ),
}  # fmt: skip
TOAST = """
DO $$ BEGIN
    EXECUTE format('GRANT SELECT ON %s TO stranger',
                   (SELECT reltoastrelid::regclass FROM pg_class WHERE oid = 'bank.client'::regclass));
END $$
"""


@pytest.fixture
def bank(template_db: Clone) -> Database:
    db = small_bank(template_db, MAP, more=PARTITIONED + MORE)
    opt_out(db, 3, "marketing")
    opt_out(db, 2, "marketing")
    opt_out(db, 2, "marketing")
    return db


def test_attacks_are_found_and_mended(bank: Database) -> None:
    datamap, expect = load(MAP), remembering()
    missed: dict[str, object] = {}
    lasting: dict[str, object] = {}
    with bank.connect(autocommit=False) as conn:
        assert found(conn, datamap, expect) == []
        for name, (do, key) in ATTACKS.items():
            with conn.transaction(force_rollback=True):
                conn.execute(do)
                seen = found(conn, datamap, expect)
                if key not in keys(seen):
                    missed[name] = keys(seen)
                mends = {f.key: f.mend for f in seen if not f.mend.startswith(("rlsguard ", "Record "))}
                for mend in mends.values():
                    conn.execute(mend)
                if left := mends.keys() & keys(found(conn, datamap, expect)):
                    lasting[name] = left
        with conn.transaction(force_rollback=True):
            conn.execute(TOAST)
            (right,) = (f for f in found(conn, datamap, expect) if f.kind.id == "RG211")
            assert right.about.startswith("SELECT of stranger on pg_toast.pg_toast_")
            conn.execute(right.mend)
            assert found(conn, datamap, expect) == []
        assert found(conn, datamap, expect) == []
    assert missed == {}
    assert lasting == {}


@pytest.mark.parametrize(
    "do",
    [NULLIF_IS_NOT, EVERYBODY_IS_THE_TELLER, NEVER_ASKED],
    ids=["operator", "server's function", "ledger"],
)
def test_they_show_what_was_hidden(bank: Database, do: str) -> None:
    assert visible(bank, "bi_reader")["trans"] == [1000, 1001, 1002]
    assert visible(bank, "campaign_app")["trans"] == []
    bank.execute(do)
    assert visible(bank, "campaign_app")["trans"] != []


def test_a_key_is_recorded_for_somebody_else(bank: Database) -> None:
    bank.execute("CREATE CAST (text AS int) WITH FUNCTION bank.key(text)")
    opt_out(bank, 1, "analytics")
    query = "SELECT subject_key FROM rlsguard.opt_out_event WHERE purpose = 'analytics'"
    assert column(bank, query) == ["2"]


@pytest.mark.by_turns
def test_apply_makes_anew_what_only_the_catalog_shows(bank: Database) -> None:
    datamap, expect = load(MAP), remembering()
    for name in ("an operator that is another's function", "the same in a view", "triggers that the catalog hides"):
        bank.execute(ATTACKS[name][0])
        with bank.connect(autocommit=False) as conn:
            assert ATTACKS[name][1] in keys(found(conn, datamap, expect)), name
        apply(bank, MAP)
        with bank.connect(autocommit=False) as conn:
            assert found(conn, datamap, expect) == [], name


@pytest.mark.by_turns
def test_an_apply_forgets_rows_of_the_manifest_that_nobody_asks_for(bank: Database) -> None:
    datamap, expect = load(MAP), remembering()
    for name, (do, key) in ATTACKS.items():
        if key.startswith("RG128 "):
            bank.execute(do)
            with bank.connect(autocommit=False) as conn:
                assert key in keys(found(conn, datamap, expect)), name
            apply(bank, MAP)
            with bank.connect(autocommit=False) as conn:
                assert found(conn, datamap, expect) == [], name
    assert visible(bank, "campaign_app")["trans"] == []

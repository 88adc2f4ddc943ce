"""Data that the map does not know of: copies, new tables, other columns, large objects; and keys that change."""

from __future__ import annotations

import pytest

from catalogue.attacking import refused, run, undone
from catalogue.detecting import ALL, CLIENTS, DISP, HEAD, LEFT, MAP, TRANS, assumed, guarded
from guarding import apply
from proving import leaked, prove_map

pytestmark = pytest.mark.by_turns

LIKE = "CREATE TABLE bank.copy (LIKE bank.client INCLUDING ALL); INSERT INTO bank.copy SELECT * FROM bank.client"
COPIES = {
    # T22. By somebody who saw everybody then.
    "CREATE TABLE bank.copy AS SELECT * FROM bank.client": "campaign_app",
    "SELECT * INTO bank.copy FROM bank.client": "campaign_app",
    # T23. It brings neither policies nor row security along.
    LIKE: "postgres",
}


@pytest.mark.parametrize("copy", COPIES)
def test_copies(db, copy):
    # T22. T23. What looks like people's data and is not in the map is named: it is assumed to be none.
    guarded(db, before=f"GRANT CREATE ON SCHEMA bank TO campaign_app; SET ROLE {COPIES[copy]}; {copy}; RESET ROLE;")
    db.execute("GRANT SELECT ON bank.copy TO campaign_app")
    rows = "SELECT client_id FROM bank.copy"
    assert run(db, "campaign_app", rows) == ALL
    (text,) = assumed(db, "table bank.copy")
    assert text.startswith("it has a column client_id that leads to people, and campaign_app may read it")
    # Once the map has it, it is one of the others.
    db.execute("ALTER TABLE bank.copy ALTER client_id SET NOT NULL")
    mapped = MAP + "  bank.copy: {holds: [personal], subject: {client: client_id}}\n"
    apply(db, mapped)
    assert assumed(db, "table bank.copy", mapped) == []
    assert run(db, "campaign_app", rows) == LEFT


def test_tables_that_are_born_readable(db):
    # T24. Default privileges: the map does not know of them yet, and they can be read.
    guarded(db)
    db.execute("ALTER DEFAULT PRIVILEGES IN SCHEMA bank GRANT SELECT ON TABLES TO campaign_app")
    db.execute("CREATE TABLE bank.fresh AS SELECT client_id, birth_number FROM bank.client")
    assert run(db, "campaign_app", "SELECT client_id FROM bank.fresh") == ALL
    (text,) = assumed(db, "default privileges of postgres")
    assert text.startswith("campaign_app may read every table that it makes in schema bank")
    assert len(assumed(db, "table bank.fresh")) == 1
    db.execute("DROP TABLE bank.fresh")
    db.execute("ALTER DEFAULT PRIVILEGES IN SCHEMA bank REVOKE SELECT ON TABLES FROM campaign_app")
    assert assumed(db, "default privileges of postgres") == []


def test_large_objects(db):
    # T26. They have rights, and no policies.
    guarded(db)
    db.execute("SELECT lo_from_bytea(4711, '700101'); GRANT SELECT ON LARGE OBJECT 4711 TO campaign_app")
    assert run(db, "campaign_app", "SELECT lo_get(4711)") == [b"700101"]
    assert assumed(db, "large objects") == [
        "campaign_app may read 1 of them, by the rights of campaign_app: they are taken to hold nothing personal."
    ]
    db.execute("REVOKE SELECT ON LARGE OBJECT 4711 FROM campaign_app")
    refused(db, "campaign_app", "SELECT lo_get(4711)")
    assert assumed(db, "large objects") == []


FOREIGN_KEY = "ALTER TABLE bank.disp DROP CONSTRAINT disp_client_id_fkey, ADD CONSTRAINT follows {columns}"
REKEYED = FOREIGN_KEY.format(columns="FOREIGN KEY (client_id) REFERENCES bank.client ON {action};")
ACTIONS = {
    # A new key is nobody's who opted out.
    "UPDATE CASCADE": ("UPDATE bank.client SET client_id = 9 WHERE client_id = 1", HEAD + DISP),
    "UPDATE SET DEFAULT": ("UPDATE bank.client SET client_id = 9 WHERE client_id = 1", HEAD + DISP),
    # A row of nobody shows, where the map says so.
    "DELETE SET NULL": (
        "DELETE FROM bank.client WHERE client_id = 1",
        HEAD + DISP.replace("client_id}}", "client_id}, when_unknown: show}"),
    ),
    # What led to the person is gone, and the rows that were led are not.
    "DELETE CASCADE": ("DELETE FROM bank.client WHERE client_id = 1", HEAD + DISP + TRANS),
}


@pytest.mark.parametrize("action", ACTIONS)
def test_keys_that_change_by_themselves(db, action):
    # T49. Actions of foreign keys ask no policy.
    change, text = ACTIONS[action]
    null = "ALTER TABLE bank.disp ALTER client_id DROP NOT NULL;" if "NULL" in action else ""
    default = "ALTER TABLE bank.disp ALTER client_id SET DEFAULT 3;" if "DEFAULT" in action else ""
    guarded(db, text, before=null + default + REKEYED.format(action=action))
    rows, hidden = (
        ("SELECT trans_id FROM bank.trans", 1000) if TRANS in text else ("SELECT disp_id FROM bank.disp", 100)
    )
    assert hidden not in run(db, "campaign_app", rows)
    assert hidden in undone(db, "postgres", change, "SET ROLE campaign_app", rows)
    texts = assumed(db, "foreign key follows of bank.disp", text)
    assert [f"it says ON {action}, which no policy hinders" in one for one in texts] == [True]
    db.execute(REKEYED.format(action="DELETE NO ACTION").replace("disp_client_id_fkey", "follows"))
    assert assumed(db, "foreign key follows of bank.disp", text) == []


@pytest.mark.parametrize(
    ("column", "how"),
    [
        ("ADD introduced_by int REFERENCES bank.client", "by the foreign key disp_introduced_by_fkey "),
        ("RENAME client_id TO holder; ALTER TABLE bank.disp ADD client_id int", ""),
    ],
)
def test_another_column_that_leads_to_people(db, column, how):
    # T66. The map has a path by one column, and the table names people in two.
    text = HEAD + (DISP if how else DISP.replace("{client: client_id}", "{client: holder}"))
    guarded(db, text, before=f"ALTER TABLE bank.disp {column};")
    other = "introduced_by" if how else "client_id"
    db.execute(f"UPDATE bank.disp SET {other} = 1 WHERE disp_id = 102")
    assert 102 in run(db, "campaign_app", f"SELECT disp_id FROM bank.disp WHERE {other} = 1")
    (said,) = assumed(db, f"column bank.disp.{other}", text)
    assert said.startswith(f"it leads {how}to a client, and no path of the map follows it")
    path = "client_id" if how else "holder"
    both = HEAD + DISP.replace("client_id}}", f"{{paths: [{path}, {other}]}}}}, when_unknown: show}}")
    apply(db, both)
    assert assumed(db, f"column bank.disp.{other}", both) == []
    assert 102 not in run(db, "campaign_app", "SELECT disp_id FROM bank.disp")


def test_a_new_table_that_leads_to_people_by_another(db):
    # T66. A foreign key to a protected table.
    guarded(db, HEAD + DISP)
    db.execute(
        "CREATE TABLE bank.card (card_id int PRIMARY KEY, holder int REFERENCES bank.disp);"
        "INSERT INTO bank.card VALUES (1, 100); GRANT SELECT ON bank.card TO campaign_app"
    )
    assert run(db, "campaign_app", "SELECT card_id FROM bank.card") == [1]
    (said,) = assumed(db, "table bank.card", HEAD + DISP)
    assert said.startswith("it has a foreign key (card_holder_fkey) that leads to people, and campaign_app may read it")


def test_statistics_of_an_index_on_an_expression(db):
    # T54. The view of statistics looks at the row security of the index, which has none: its owner sees values.
    guarded(
        db,
        before="CREATE ROLE bank_owner LOGIN; GRANT USAGE ON SCHEMA bank TO bank_owner;"
        "ALTER TABLE bank.client OWNER TO bank_owner;"
        "CREATE INDEX by_number ON bank.client (upper(birth_number));",
    )
    assert leaked(prove_map(db, MAP, max_rows=20)) == set()
    db.execute("ANALYZE bank.client")
    values = "SELECT histogram_bounds::text FROM pg_stats WHERE tablename = '{}'"
    assert run(db, "bank_owner", values.format("client")) == []
    assert "700101" in run(db, "bank_owner", values.format("by_number"))[0]
    proof = prove_map(db, MAP, max_rows=20)
    assert [(c.role, c.path) for c in proof.cells.values() if c.verdict == "leaked"] == [("bank_owner", "pg_stats")]
    db.execute("ALTER ROLE bank_owner NOLOGIN")
    assert leaked(prove_map(db, MAP, max_rows=20)) == set()
    db.execute("ALTER ROLE bank_owner LOGIN; DROP INDEX bank.by_number")
    assert leaked(prove_map(db, MAP, max_rows=20)) == set()


def test_a_person_inside_a_document(db):
    # T66. Nothing says that it is one, so nothing is named; as a column of its own it can be followed.
    guarded(db, before="CREATE TABLE bank.note (note_id int PRIMARY KEY, detail jsonb NOT NULL);")
    db.execute("""INSERT INTO bank.note VALUES (1, '{"client": 1}'), (2, '{"client": 2}')""")
    db.execute("GRANT SELECT ON bank.note TO campaign_app")
    rows = "SELECT note_id FROM bank.note"
    assert run(db, "campaign_app", rows) == [1, 2]
    assert assumed(db, "table bank.note") == []
    db.execute(
        "ALTER TABLE bank.note ADD client_id int GENERATED ALWAYS AS ((detail ->> 'client')::int) STORED"
        " REFERENCES bank.client"
    )
    assert len(assumed(db, "table bank.note")) == 1
    text = MAP + "  bank.note: {holds: [personal], subject: {client: client_id}, when_unknown: hide}\n"
    apply(db, text)
    assert assumed(db, "table bank.note", text) == []
    assert run(db, "campaign_app", rows) == [2]


def test_tables_of_nobody_are_not_named(db):
    # Control: what leads to nobody, or can be read by nobody who is held, is no matter.
    guarded(db)
    db.execute("CREATE TABLE bank.rate (rate numeric); GRANT SELECT ON bank.rate TO campaign_app")
    db.execute("CREATE TABLE bank.hidden AS SELECT * FROM bank.client")
    assert assumed(db, "table bank.rate") == []
    assert assumed(db, "table bank.hidden") == []
    assert run(db, "campaign_app", CLIENTS) == LEFT

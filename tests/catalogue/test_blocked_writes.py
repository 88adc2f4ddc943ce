"""What comes back from statements that write or lock, what errors tell, and keys that lead elsewhere."""

from __future__ import annotations

import psycopg
import pytest

from catalogue.attacking import SECRET, guard, refused, run, undone
from catalogue.searching import assumed
from guarding import BANK_MAP, apply, opt_out
from rlsguard.problems import MapError
from servers import Database

CLIENTS = "SELECT client_id FROM bank.client"

# Everything that hands out rows on the way, and the first version that knows it.
RETURNING = [
    (15, "UPDATE bank.client SET client_id = client_id RETURNING birth_number"),
    (15, "UPDATE bank.client SET birth_number = birth_number WHERE birth_number = '700101' RETURNING birth_number"),
    (15, "DELETE FROM bank.trans RETURNING trans_id"),
    (15, "DELETE FROM bank.trans USING bank.disp AS d WHERE d.account_id = trans.account_id RETURNING trans_id"),
    (15, "SELECT birth_number FROM bank.client FOR UPDATE"),
    (15, "SELECT birth_number FROM bank.client FOR KEY SHARE SKIP LOCKED"),
    (15, "TABLE bank.trans"),
    (15, "WITH t AS (DELETE FROM bank.trans RETURNING *) SELECT trans_id FROM t"),
    (15, "SELECT t.trans_id FROM bank.account AS a, LATERAL (SELECT * FROM bank.trans"
         " WHERE account_id = a.account_id) AS t"),
    (15, "SELECT x.birth_number FROM bank.client AS c, jsonb_populate_record(NULL::bank.client, to_jsonb(c)) AS x"),
    (15, "SELECT xmlserialize(CONTENT query_to_xml('SELECT birth_number FROM bank.client', false, false, '') AS text)"),
    (17, "MERGE INTO bank.trans USING (VALUES (1000)) AS v (id) ON trans_id = v.id"
         " WHEN MATCHED THEN DELETE RETURNING trans_id"),
    (17, "MERGE INTO bank.trans USING (VALUES (1002)) AS v (id) ON trans_id = v.id"
         " WHEN NOT MATCHED BY SOURCE THEN DELETE RETURNING trans_id"),
    (18, "UPDATE bank.client SET birth_number = '' RETURNING OLD.birth_number"),
    (18, "DELETE FROM bank.trans RETURNING OLD.trans_id"),
]  # fmt: skip
HIDDEN = (SECRET, "1000", "1001")


@pytest.mark.parametrize(("since", "statement"), RETURNING)
def test_nothing_hidden_comes_back_from_a_statement(plain, since, statement):
    # T51. USING goes for every row that a statement reads, and decides before anything of it is handed out.
    if plain.major < since:
        unknown = "syntax error|missing FROM-clause entry"
        refused(plain, "campaign_app", statement, error=psycopg.ProgrammingError, match=unknown)
        return
    if "xml" in statement and not _has_xml(plain):
        refused(plain, "campaign_app", statement, error=psycopg.errors.FeatureNotSupported)
        return
    assert any(secret in str(undone(plain, "campaign_app", statement)) for secret in HIDDEN)
    guard(plain)
    seen = str(undone(plain, "campaign_app", statement))
    assert not any(secret in seen for secret in HIDDEN)


def _has_xml(db: Database) -> bool:
    """Whether the server was built with libxml."""
    return db.execute("SELECT count(*) FROM pg_config WHERE name = 'CONFIGURE' AND setting LIKE '%with-libxml%'") == [
        (1,)
    ]


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO bank.client VALUES (1, 'x') ON CONFLICT (client_id) DO UPDATE SET birth_number = 'x'"
        " RETURNING birth_number",
        "MERGE INTO bank.client USING (VALUES (1)) AS v (id) ON client_id = v.id"
        " WHEN MATCHED THEN UPDATE SET birth_number = 'x' WHEN NOT MATCHED THEN INSERT VALUES (v.id, 'x')",
    ],
)
def test_an_upsert_shows_and_changes_no_hidden_row(bank, statement):
    # T51. That the key is taken, it does tell.
    refused(bank, "campaign_app", statement, error=psycopg.Error)
    assert bank.execute("SELECT birth_number FROM bank.client WHERE client_id = 1") == [(SECRET,)]
    run(bank, "teller_app", statement)
    assert bank.execute("SELECT birth_number FROM bank.client WHERE client_id = 1") == [("x",)]


PROBES = [
    "SELECT 1 / (client_id - 1) FROM bank.client",
    "SELECT (birth_number || 'x')::int FROM bank.client WHERE birth_number = '700101'",
    "SELECT count(*) FROM bank.client WHERE 1 / (birth_number::int - 700101) > 0",
    "SELECT count(*) FROM bank.client WHERE (CASE WHEN birth_number = '700101' THEN 'x' ELSE '1' END)::int > 0",
    "SELECT count(*) FROM bank.trans AS t JOIN bank.account AS a USING (account_id) WHERE 1 / (t.amount - 1) > -9",
]


@pytest.mark.parametrize("probe", PROBES)
def test_no_error_tells_of_a_hidden_value(plain, probe):
    # T55. What could fail is not leakproof, so it runs on what policies leave, and the error stays away.
    refused(plain, "campaign_app", probe, error=psycopg.errors.DataError)
    guard(plain)
    run(plain, "campaign_app", probe)


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO bank.client VALUES (1, 'x')",
        "UPDATE bank.client SET client_id = 1 WHERE client_id = 2",
        "UPDATE bank.client SET birth_number = NULL",
    ],
)
def test_errors_of_constraints_show_no_row(plain, statement):
    # T55. To whom policies hold, PostgreSQL leaves out the row; that there is one, the error tells.
    guard(plain)
    with plain.connect("campaign_app") as conn, pytest.raises(psycopg.Error) as caught:
        conn.execute(statement)
    assert SECRET not in str(caught.value)
    # Control: to others it shows it.
    with plain.connect() as conn, pytest.raises(psycopg.Error) as caught:
        conn.execute("UPDATE bank.client SET birth_number = NULL WHERE client_id = 1")
    assert "Failing row contains (1, null)" in str(caught.value)


REKEYED = """
CREATE TABLE bank.card (card_id int PRIMARY KEY, client_id int {null}
    REFERENCES bank.client ON UPDATE CASCADE ON DELETE {delete});
INSERT INTO bank.card VALUES (1, 1), (2, 2);
DELETE FROM bank.disp;
GRANT SELECT ON bank.card TO campaign_app;
"""
CARD = BANK_MAP + "  bank.card: {holds: [financial], subject: {client: client_id}%s}\n"


def test_a_card_that_loses_its_person_hides(plain):
    # T49. Where the key can be set to NULL, the map must say what then; `hide` hides such rows.
    plain.execute(REKEYED.format(null="", delete="SET NULL"))
    with pytest.raises(MapError, match="client_id can be NULL; say when_unknown"):
        apply(plain, CARD % "")
    guard(plain, CARD % ", when_unknown: hide")
    cards = "SELECT card_id FROM bank.card"
    assert run(plain, "campaign_app", cards) == [2]
    plain.execute("DELETE FROM bank.client WHERE client_id = 1")
    assert run(plain, "campaign_app", cards) == [2]
    # Control: `show` shows them.
    apply(plain, CARD % ", when_unknown: show")
    assert run(plain, "campaign_app", cards) == [1, 2]


def test_keys_that_move_are_named_before_and_after_an_apply(plain):
    # T49. Who has the new number has not opted out. Nobody that opt-outs hold can give one to a hidden person.
    plain.execute(REKEYED.format(null="NOT NULL", delete="RESTRICT"))
    notices = [notice.text for notice in apply(plain, CARD % "").notices if notice.about == "bank.card"]
    assert "foreign key card_client_id_fkey says ON UPDATE CASCADE: it moves rows past row security." in notices
    assert len(assumed(plain, "foreign key card_client_id_fkey of bank.card", CARD % "")) == 1
    opt_out(plain, 1, "marketing")
    rekey = "UPDATE bank.client SET client_id = 9 WHERE client_id = 1"
    run(plain, "campaign_app", rekey)
    assert plain.execute("SELECT card_id FROM bank.card WHERE client_id = 9") == []
    assert run(plain, "campaign_app", "SELECT card_id FROM bank.card") == [2]
    # Control: somebody who may see everybody moves them, and they show.
    run(plain, "teller_app", rekey)
    assert run(plain, "campaign_app", "SELECT card_id FROM bank.card") == [1, 2]


def test_a_deleted_person_stays_opted_out(bank):
    # T49. The list of opt-outs refers to nobody's table: who comes back under the number is still hidden.
    bank.execute("DELETE FROM bank.disp; DELETE FROM bank.client WHERE client_id = 1")
    bank.execute("INSERT INTO bank.client VALUES (1, '700101')")
    assert run(bank, "campaign_app", CLIENTS) == [2, 3]


def test_a_migration_does_not_change_the_type_of_what_policies_ask(bank):
    # T67. PostgreSQL refuses it, so that no policy goes along with it.
    for column in ("bank.client ALTER client_id", "bank.trans ALTER account_id", "bank.disp ALTER client_id"):
        refused(
            bank,
            "postgres",
            f"ALTER TABLE {column} TYPE text",
            error=psycopg.errors.FeatureNotSupported,
            match="cannot alter type of a column used",
        )

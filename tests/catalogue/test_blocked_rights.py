"""Rights that policies do not govern: who has none goes no further, and who was given one is named."""

from __future__ import annotations

import psycopg
import pytest

from catalogue.attacking import SECRET, guard, refused, run, undone
from catalogue.searching import assumed, mended, ways
from examining import verdicts
from guarding import BANK_MAP, apply

CLIENTS = "SELECT client_id FROM bank.client"
NOTES = """
CREATE TABLE bank.note (client_id int NOT NULL, body text);
ALTER TABLE bank.note ALTER body SET STORAGE EXTERNAL;
INSERT INTO bank.note SELECT 1, repeat('700101 ', 2000);
CREATE STATISTICS bank.pair (mcv) ON client_id, birth_number FROM bank.client;
INSERT INTO bank.client SELECT n, '700101' FROM generate_series(1001, 1100) AS n;
ANALYZE;
"""
NOTE_MAP = BANK_MAP + "  bank.note: {holds: [personal], subject: {client: client_id}}\n"
# What the server keeps of a table beside it: large values, and samples of values.
BESIDE = [
    "SELECT count(*) FROM pg_toast.{toast} WHERE chunk_data LIKE '%700101%'::bytea",
    "SELECT count(*) FROM pg_statistic WHERE starelid = 'bank.client'::regclass AND stavalues1::text LIKE '%700101%'",
    "SELECT count(*) FROM pg_statistic_ext_data AS d, pg_mcv_list_items(d.stxdmcv) AS m"
    " WHERE '700101' = ANY (m.values)",
    "SELECT count(*) FROM pg_largeobject WHERE data LIKE '%700101%'::bytea",
]


@pytest.mark.parametrize("query", BESIDE)
def test_what_the_server_keeps_beside_a_table_is_for_nobody(plain, query):
    # T27. Whoever may read everything (pg_read_all_data) is held in tables, and reads on beside them: that is detected.
    plain.execute(NOTES)
    plain.execute("SELECT lo_from_bytea(0, '700101')")
    ((toast,),) = plain.execute(
        "SELECT t.relname FROM pg_class AS c JOIN pg_class AS t ON t.oid = c.reltoastrelid"
        " WHERE c.oid = 'bank.note'::regclass"
    )
    query = query.format(toast=toast)
    guard(plain, NOTE_MAP)
    refused(plain, "stranger", query)
    assert ways(plain, "predefined-role", NOTE_MAP) == {}
    plain.execute("GRANT pg_read_all_data TO stranger")
    assert run(plain, "stranger", "SELECT count(*) FROM bank.note") == [0]
    assert run(plain, "stranger", query)[0] > 0
    way = mended(plain, "predefined-role", "role stranger", NOTE_MAP)
    assert way.why == "pg_read_all_data reads TOAST tables and statistics, which policies do not govern."
    refused(plain, "stranger", query)


def test_the_log_of_the_server_is_for_nobody(bank):
    # T28. It holds what failed, with what was written in it: whoever may read files is named.
    refused(bank, "postgres", "SELECT 'what failed: 700101'::int", error=psycopg.errors.DataError)
    attack = ("CREATE TEMP TABLE log (line text)", f"COPY log FROM '{bank.server.log}' (DELIMITER E'\\x01')")
    found = "SELECT count(*) FROM log WHERE line LIKE '%what failed: 700101%'"
    refused(bank, "stranger", *attack)
    bank.execute("GRANT pg_read_server_files TO stranger")
    assert run(bank, "stranger", *attack, found)[0] > 0
    mended(bank, "predefined-role", "role stranger")
    refused(bank, "stranger", *attack)


def test_files_of_tables_are_read_by_nobody_else(bank):
    # T28. Not even by pg_read_server_files: their functions are a superuser's to give.
    bank.execute("CHECKPOINT")
    attack = ("SELECT position('700101'::bytea IN pg_read_binary_file(pg_relation_filepath('bank.client'))) > 0",)
    bank.execute("GRANT pg_read_server_files TO campaign_app")
    for user in ("stranger", "campaign_app"):
        refused(bank, user, *attack)
    # Control: who was given one reads every row of every table in it.
    bank.execute("GRANT EXECUTE ON FUNCTION pg_read_binary_file(text) TO stranger")
    assert run(bank, "stranger", *attack) == [True]
    bank.execute("REVOKE EXECUTE ON FUNCTION pg_read_binary_file(text) FROM stranger")


def test_programs_of_the_server_are_run_by_nobody(bank):
    # T29. A program runs as the server, and reads its files.
    bank.execute("CHECKPOINT")
    ((file,),) = bank.execute("SELECT pg_relation_filepath('bank.client')")
    attack = (
        "CREATE TEMP TABLE loot (line text)",
        f"COPY loot FROM PROGRAM 'tr -cd [:print:] < {file}'",
    )
    refused(bank, "stranger", *attack)
    bank.execute("GRANT pg_execute_server_program TO stranger")
    assert SECRET in run(bank, "stranger", *attack, "SELECT line FROM loot")[0]
    mended(bank, "predefined-role", "role stranger")
    refused(bank, "stranger", *attack)


PROBE = "CREATE TABLE mine.probe (client_id int REFERENCES bank.client)"


def test_foreign_keys_probe_for_nobody(bank):
    # T47. Without REFERENCES nobody makes one; who was given it is named, as something to be taken for granted.
    bank.execute("CREATE SCHEMA mine AUTHORIZATION stranger")
    refused(bank, "stranger", PROBE)
    assert assumed(bank, "table bank.client") == []
    # Control: with it, an INSERT tells which keys exist, hidden ones too. It tells nothing else of them.
    bank.execute("GRANT REFERENCES ON bank.client TO stranger")
    run(bank, "stranger", PROBE)
    assert run(bank, "stranger", CLIENTS) == [2, 3]
    run(bank, "stranger", "INSERT INTO mine.probe VALUES (1)")
    refused(bank, "stranger", "INSERT INTO mine.probe VALUES (4)", error=psycopg.errors.ForeignKeyViolation)
    assert assumed(bank, "table bank.client") == [
        "stranger may make foreign keys to it, and find out which keys exist."
    ]


def test_nobody_empties_a_table(plain):
    # T50. DELETE does not bring TRUNCATE along, to which policies do not reach; apply and doctor name who has it.
    attack = "TRUNCATE bank.trans"
    refused(plain, "stranger", attack)
    plain.execute("GRANT TRUNCATE ON bank.trans TO stranger")
    assert undone(plain, "stranger", attack, "SELECT trans_id FROM bank.trans") == []
    notices = [notice.text for notice in apply(plain, BANK_MAP).notices if notice.about == "bank.trans"]
    assert "TRUNCATE ignores row security; held by stranger. Revoke it unless they must empty the table." in notices
    assert verdicts(plain, "truncate") == [("warning", "bank.trans")]
    plain.execute("REVOKE TRUNCATE ON bank.trans FROM stranger")
    refused(plain, "stranger", attack)
    assert verdicts(plain, "truncate") == [("ok", "")]


def test_the_list_of_opt_outs_is_emptied_by_nobody(bank):
    # T50. By the owner and superusers neither, nor along with the table of the people.
    for table in ("opt_out_client", "opt_out_event", "change_entry"):
        refused(bank, "postgres", f"TRUNCATE rlsguard.{table} CASCADE", match="it only grows")
    bank.execute("TRUNCATE bank.client CASCADE; INSERT INTO bank.client VALUES (1, '700101')")
    assert run(bank, "campaign_app", CLIENTS) == []
    # Control: a textbook list that refers to the people goes with them.
    bank.execute(
        "CREATE TABLE bank.refusal (client_id int REFERENCES bank.client); INSERT INTO bank.refusal VALUES (1)"
    )
    bank.execute("TRUNCATE bank.client CASCADE")
    assert bank.execute("SELECT count(*) FROM bank.refusal") == [(0,)]


def test_a_referential_cascade_takes_hidden_rows_along_and_shows_none(plain):
    # T50. Foreign keys ask no policy: what hangs on a row that one may delete is deleted. Nothing of it comes out.
    plain.execute(
        "CREATE TABLE bank.label (client_id int NOT NULL, account_id int REFERENCES bank.account ON DELETE CASCADE)"
    )
    plain.execute("INSERT INTO bank.account VALUES (30); INSERT INTO bank.label VALUES (1, 30), (2, 30)")
    plain.execute("GRANT SELECT, DELETE ON bank.label TO campaign_app")
    guard(plain, BANK_MAP + "  bank.label: {holds: [personal], subject: {client: client_id}}\n")
    assert run(plain, "campaign_app", "SELECT client_id FROM bank.label") == [2]
    attack = (
        "WITH gone AS (DELETE FROM bank.account WHERE account_id = 30 RETURNING account_id) SELECT account_id FROM gone"
    )
    assert run(plain, "campaign_app", attack) == [30]
    assert plain.execute("SELECT count(*) FROM bank.label") == [(0,)]


WATCH = """
CREATE TABLE mine.loot (seen text); GRANT INSERT ON mine.loot TO PUBLIC; GRANT USAGE ON SCHEMA mine TO PUBLIC;
CREATE FUNCTION mine.watch() RETURNS trigger LANGUAGE plpgsql
    AS 'BEGIN INSERT INTO mine.loot VALUES (OLD.birth_number); RETURN NULL; END';
"""
ATTACH = "CREATE TRIGGER watch AFTER UPDATE ON bank.client FOR EACH ROW EXECUTE FUNCTION mine.watch()"


def test_nobody_attaches_code_to_a_table(bank):
    # T56. Who has TRIGGER sees every row that others write: that is found.
    bank.execute("CREATE SCHEMA mine AUTHORIZATION stranger")
    run(bank, "stranger", WATCH)
    refused(bank, "stranger", ATTACH)
    assert ways(bank, "privilege") == {}
    bank.execute("GRANT TRIGGER ON bank.client TO stranger")
    run(bank, "stranger", ATTACH)
    run(bank, "teller_app", "UPDATE bank.client SET client_id = client_id")
    assert SECRET in run(bank, "stranger", "SELECT seen FROM mine.loot")
    bank.execute("DROP TRIGGER watch ON bank.client")
    assert mended(bank, "privilege", "TRIGGER of stranger").mend == "REVOKE TRIGGER ON bank.client FROM stranger;"
    refused(bank, "stranger", ATTACH)

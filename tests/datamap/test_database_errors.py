"""What only the database can tell of a map: the exact words, and the place, of everything that does not fit it."""

# Messages stay whole, so that they can be searched for.
# ruff: noqa: E501

from __future__ import annotations

import pytest

from guarding import BANK_MAP, HEAD, apply, column, opt_out, small_bank
from rlsguard.problems import MapError
from servers import Clone, Database

pytestmark = pytest.mark.by_turns

MORE = '''
CREATE SCHEMA "Odd ""One""";
CREATE TABLE "Odd ""One"""."Müller's" ("client id" int NOT NULL REFERENCES bank.client);
CREATE VIEW bank.adults AS SELECT * FROM bank.client;
CREATE MATERIALIZED VIEW bank.totals AS SELECT account_id, sum(amount) FROM bank.trans GROUP BY 1;
CREATE SEQUENCE bank.numbers;
CREATE TYPE bank.pair AS (a int, b int);
CREATE FOREIGN DATA WRAPPER nothing;
CREATE SERVER elsewhere FOREIGN DATA WRAPPER nothing;
CREATE FOREIGN TABLE bank.remote (client_id int NOT NULL) SERVER elsewhere;
CREATE TABLE bank.parcel (
    parcel_id int PRIMARY KEY,
    client_id int NOT NULL REFERENCES bank.client,
    gone int,
    notes json NOT NULL,
    code text COLLATE "C" NOT NULL,
    maybe int REFERENCES bank.client
);
ALTER TABLE bank.parcel DROP COLUMN gone;
CREATE TABLE bank.coded (code text PRIMARY KEY, client_id int NOT NULL REFERENCES bank.client);
CREATE TABLE bank.branch (bank_no int, branch_no int, client_id int NOT NULL REFERENCES bank.client, PRIMARY KEY (bank_no, branch_no));
CREATE TABLE bank.desk (desk_id int PRIMARY KEY, bank_no int NOT NULL, branch_no int NOT NULL, branch_text text NOT NULL, loose_no int);
CREATE TABLE bank.till (till_id int PRIMARY KEY, bank_no int NOT NULL, branch_no int NOT NULL,
    FOREIGN KEY (bank_no, branch_no) REFERENCES bank.branch);
CREATE TABLE bank.savings () INHERITS (bank.account);
'''


@pytest.fixture
def bank(template_db: Clone) -> Database:
    return small_bank(template_db, more=MORE)


def complaints(db: Database, text: str) -> list[str]:
    """Return what applying *text* complains of, without the name of the file."""
    with pytest.raises(MapError) as caught:
        apply(db, text)
    return [str(problem).removeprefix(f"{problem.position.file}:") for problem in caught.value.problems]


def table(entry: str) -> str:
    """Return a map whose one table stands in line 16."""
    return f"{HEAD}tables:\n  {entry}\n"


def personal(name: str, path: str, more: str = "") -> str:
    return table(f"{name}: {{holds: [personal], subject: {{client: {path}}}{more}}}")


CASES = {
    "an unknown table, nearly right": (
        personal("bank.parcels", "client_id"),
        ["16:3: tables.bank.parcels: table bank.parcels is not in the database; did you mean bank.parcel?"],
    ),
    "an unknown table": (
        personal("nowhere.zzz", "client_id"),
        ["16:3: tables.nowhere.zzz: table nowhere.zzz is not in the database"],
    ),
    "a table in the wrong case": (
        personal("'bank.\"Client\"'", "client_id"),
        ['16:3: tables.bank."Client": table bank."Client" is not in the database; did you mean bank.client?'],
    ),
    "a reviewed table that is gone": (
        table("bank.distric: {holds: []}"),
        ["16:3: tables.bank.distric: table bank.distric is not in the database; did you mean bank.disp?"],
    ),
    "an odd table, nearly right": (
        personal('\'"Odd ""One"""."Müllers"\'', "client_id"),
        [
            '16:3: tables."Odd ""One"""."Müllers": table "Odd ""One"""."Müllers" is not in the database; did you mean "Odd ""One"""."Müller\'s"?'
        ],
    ),
    "a view": (
        personal("bank.adults", "client_id"),
        ["16:3: tables.bank.adults: bank.adults is a view: name the tables that hold its rows"],
    ),
    "a materialised view": (
        personal("bank.totals", "account_id"),
        ["16:3: tables.bank.totals: bank.totals is a materialised view: name the tables that hold its rows"],
    ),
    "a foreign table": (
        personal("bank.remote", "client_id"),
        ["16:3: tables.bank.remote: bank.remote is a foreign table: name the tables that hold its rows"],
    ),
    "a sequence": (
        table("bank.numbers: {holds: []}"),
        ["16:3: tables.bank.numbers: table bank.numbers is not in the database; did you mean bank.desk?"],
    ),
    "a composite type": (
        table("bank.pair: {holds: []}"),
        ["16:3: tables.bank.pair: table bank.pair is not in the database; did you mean bank.parcel?"],
    ),
    "an index": (
        table("bank.client_pkey: {holds: []}"),
        ["16:3: tables.bank.client_pkey: table bank.client_pkey is not in the database; did you mean bank.client?"],
    ),
    "an unknown key, nearly right": (
        personal("bank.parcel", "cleint_id"),
        [
            "16:46: tables.bank.parcel.subject.client: table bank.parcel has no column cleint_id; did you mean client_id?"
        ],
    ),
    "a dropped column": (
        personal("bank.parcel", "gone"),
        ["16:46: tables.bank.parcel.subject.client: table bank.parcel has no column gone"],
    ),
    "a dropped column by its inner name": (
        personal("bank.parcel", "'\"........pg.dropped.3........\"'"),
        ['16:46: tables.bank.parcel.subject.client: table bank.parcel has no column "........pg.dropped.3........"'],
    ),
    "a system column": (
        personal("bank.parcel", "ctid"),
        ["16:46: tables.bank.parcel.subject.client: table bank.parcel has no column ctid"],
    ),
    "an odd column, nearly right": (
        personal('\'"Odd ""One"""."Müller\'\'s"\'', "'\"Client id\"'"),
        [
            '16:62: tables."Odd ""One"""."Müller\'s".subject.client: table "Odd ""One"""."Müller\'s" has no column "Client id"; did you mean "client id"?'
        ],
    ),
    "a hop to an unknown table": (
        personal("bank.trans", "[account_id = bank.dips.account_id, client_id]"),
        ["16:54: tables.bank.trans.subject.client.0: table bank.dips is not in the database; did you mean bank.disp?"],
    ),
    "a hop to a view": (
        personal("bank.trans", "[account_id = bank.adults.client_id, client_id]"),
        ["16:54: tables.bank.trans.subject.client.0: bank.adults is a view: name the tables that hold its rows"],
    ),
    "a hop to a foreign table": (
        personal("bank.trans", "[account_id = bank.remote.client_id, client_id]"),
        [
            "16:54: tables.bank.trans.subject.client.0: bank.remote is a foreign table: name the tables that hold its rows"
        ],
    ),
    "a hop from an unknown column": (
        personal("bank.trans", "[acount_id = bank.disp.account_id, client_id]"),
        [
            "16:54: tables.bank.trans.subject.client.0: table bank.trans has no column acount_id; did you mean account_id?"
        ],
    ),
    "a hop to an unknown column": (
        personal("bank.trans", "[account_id = bank.disp.acount_id, client_id]"),
        [
            "16:54: tables.bank.trans.subject.client.0: table bank.disp has no column acount_id; did you mean account_id?"
        ],
    ),
    "unknown columns at both ends": (
        personal("bank.trans", "[acount_id = bank.disp.acount_id, client_id]"),
        [
            "16:54: tables.bank.trans.subject.client.0: table bank.disp has no column acount_id; did you mean account_id?",
            "16:54: tables.bank.trans.subject.client.0: table bank.trans has no column acount_id; did you mean account_id?",
        ],
    ),
    "an unknown key after a hop": (
        personal("bank.trans", "[account_id = bank.disp.account_id, clientid]"),
        ["16:89: tables.bank.trans.subject.client.1: table bank.disp has no column clientid; did you mean client_id?"],
    ),
    "a second hop from the wrong table": (
        personal("bank.trans", "[account_id = bank.disp.account_id, trans_id = bank.client.client_id, client_id]"),
        ["16:89: tables.bank.trans.subject.client.1: table bank.disp has no column trans_id"],
    ),
    "a join whose types differ": (
        personal("bank.trans", "[account_id = bank.coded.code, client_id]"),
        [
            "16:54: tables.bank.trans.subject.client.0: bank.trans.account_id and bank.coded.code differ in type: integer and text"
        ],
    ),
    "a join of different collations": (
        personal("bank.parcel", "[code = bank.coded.code, client_id]"),
        [
            '16:55: tables.bank.parcel.subject.client.0: bank.parcel.code and bank.coded.code differ in collation: pg_catalog."C" and pg_catalog."default"'
        ],
    ),
    "a key of another type": (
        personal("bank.client", "birth_number"),
        [
            "16:46: tables.bank.client.subject.client: bank.client.birth_number and bank.client.client_id differ in type: text and integer"
        ],
    ),
    "a key without equality": (
        personal("bank.parcel", "notes"),
        [
            "16:46: tables.bank.parcel.subject.client: bank.parcel.notes and bank.client.client_id differ in type: json and integer"
        ],
    ),
    "a composite join with one wrong half": (
        personal("bank.desk", "[[bank_no = bank.branch.bank_no, branch_text = bank.branch.branch_no], client_id]"),
        [
            "16:53: tables.bank.desk.subject.client.0: bank.desk.branch_text and bank.branch.branch_no differ in type: text and integer"
        ],
    ),
    "a composite join with an unknown half": (
        personal("bank.desk", "[[bank_no = bank.branch.bank_no, branch_n = bank.branch.branch_no], client_id]"),
        ["16:53: tables.bank.desk.subject.client.0: table bank.desk has no column branch_n; did you mean branch_no?"],
    ),
    "a composite join that no foreign key promises": (
        personal("bank.desk", "[[bank_no = bank.branch.bank_no, branch_no = bank.branch.branch_no], client_id]"),
        [
            "16:44: tables.bank.desk.subject.client: the path can end without a client: no valid foreign key ties bank.desk (bank_no, branch_no) to bank.branch; say when_unknown: hide or when_unknown: show"
        ],
    ),
    "a composite join that can be NULL": (
        personal("bank.desk", "[[bank_no = bank.branch.bank_no, loose_no = bank.branch.branch_no], client_id]"),
        [
            "16:44: tables.bank.desk.subject.client: the path can end without a client: bank.desk.loose_no can be NULL; say when_unknown: hide or when_unknown: show"
        ],
    ),
    "a key that can be NULL": (
        personal("bank.parcel", "maybe"),
        [
            "16:46: tables.bank.parcel.subject.client: the path can end without a client: bank.parcel.maybe can be NULL; say when_unknown: hide or when_unknown: show"
        ],
    ),
    "one of two paths that can be NULL": (
        personal("bank.parcel", "{paths: [client_id, maybe]}"),
        [
            "16:74: tables.bank.parcel.subject.client.paths.1: the path can end without a client: bank.parcel.maybe can be NULL; say when_unknown: hide or when_unknown: show"
        ],
    ),
    "an unknown column with a category": (
        personal("bank.client", "client_id", ", columns: {birthnumber: user}"),
        [
            "16:76: tables.bank.client.columns.birthnumber: table bank.client has no column birthnumber; did you mean birth_number?"
        ],
    ),
    "unknown columns in an audit": (
        personal("bank.client", "client_id", ", audit: {redact: [birthnumber], hash: [birth_numbe]}"),
        [
            "16:83: tables.bank.client.audit.redact.0: "
            "table bank.client has no column birthnumber; did you mean birth_number?",
            "16:104: tables.bank.client.audit.hash.0: "
            "table bank.client has no column birth_numbe; did you mean birth_number?",
        ],
    ),
    "a subject's table that is not there": (
        BANK_MAP.replace("table: bank.client", "table: bank.clint"),
        ["4:12: subjects.client.table: table bank.clint is not in the database; did you mean bank.client?"],
    ),
    "a subject's table that is a view": (
        BANK_MAP.replace("table: bank.client", "table: bank.adults"),
        ["4:12: subjects.client.table: bank.adults is a view: name the tables that hold its rows"],
    ),
    "a subject's key that is not there": (
        BANK_MAP.replace("key: client_id", "key: id"),
        ["4:32: subjects.client.key: table bank.client has no column id"],
    ),
    "a subject's key without equality": (
        "version: 1\nsubjects:\n  parcel: {table: bank.parcel, key: notes}\n",
        ["3:32: subjects.parcel.key: bank.parcel.notes cannot be a key: type json has no btree equality"],
    ),
    "roles that are not there": (
        BANK_MAP.replace("  bi_reader:", "  bi_raeder:").replace("  sox_auditor:", "  Auditor:"),
        [
            "11:3: roles.bi_raeder: role bi_raeder is not in the database; did you mean bi_reader?",
            '14:3: exempt.Auditor: role "Auditor" is not in the database; did you mean sox_auditor?',
        ],
    ),
    "roles that superusers are": (
        BANK_MAP.replace("  bi_reader:", "  postgres:"),
        [
            "11:3: roles.postgres: role postgres is a superuser: row security never holds it, nor would opt-outs of analytics"
        ],
    ),
    "a circle through a child that the map does not name": (
        table(
            "bank.account: {holds: [financial], subject: {client: [account_id = bank.disp.account_id, client_id]}}\n"
            "  bank.disp: {holds: [personal], when_unknown: hide, subject: {client: [account_id = bank.savings.account_id, account_id]}}"
        ),
        ["17:3: tables.bank.disp: the paths go in a circle: bank.disp -> bank.savings -> bank.disp"],
    ),
    "many at once": (
        BANK_MAP.replace("bi_reader:", "bi:")
        .replace("bank.disp:", "bank.dips:")
        .replace("bank.trans:", "bank.totals:"),
        [
            "11:3: roles.bi: role bi is not in the database",
            "18:3: tables.bank.dips: table bank.dips is not in the database; did you mean bank.disp?",
            "21:3: tables.bank.totals: bank.totals is a materialised view: name the tables that hold its rows",
        ],
    ),
}


@pytest.mark.parametrize(("text", "expected"), CASES.values(), ids=CASES)
def test_a_map_that_does_not_fit(bank: Database, text: str, expected: list[str]) -> None:
    assert complaints(bank, text) == expected


def test_composite_joins_that_a_foreign_key_promises(bank: Database) -> None:
    bank.execute("INSERT INTO bank.branch VALUES (1, 1, 1), (1, 2, 2), (2, 1, 3)")
    bank.execute("INSERT INTO bank.till VALUES (1, 1, 1), (2, 1, 2), (3, 2, 1)")
    bank.execute("GRANT SELECT ON bank.till TO campaign_app")
    apply(
        bank, personal("bank.till", "[[bank_no = bank.branch.bank_no, branch_no = bank.branch.branch_no], client_id]")
    )
    opt_out(bank, 1, "marketing")
    assert column(bank, "SELECT till_id FROM bank.till", user="campaign_app") == [2, 3]


@pytest.mark.parametrize(("word", "seen"), [("hide", [2]), ("show", [2, 3])])
def test_a_path_without_a_promise_once_the_map_says_what_then(bank: Database, word: str, seen: list[int]) -> None:
    bank.execute("INSERT INTO bank.branch VALUES (1, 1, 1), (1, 2, 2)")
    bank.execute("INSERT INTO bank.desk VALUES (1, 1, 1, '', 1), (2, 1, 2, '', 2), (3, 9, 9, '', NULL)")
    bank.execute("GRANT SELECT ON bank.desk TO campaign_app")
    path = "[[bank_no = bank.branch.bank_no, loose_no = bank.branch.branch_no], client_id]"
    apply(bank, personal("bank.desk", path, f", when_unknown: {word}"))
    opt_out(bank, 1, "marketing")
    assert column(bank, "SELECT desk_id FROM bank.desk", user="campaign_app") == seen


def test_a_role_that_cannot_give_bypassrls(bank: Database) -> None:
    with pytest.raises(MapError) as caught:
        apply(bank, "version: 1\nguard:\n  bypass: attribute\n", user="stranger")
    assert str(caught.value).endswith(
        ":3:3: guard.bypass: role stranger cannot give BYPASSRLS to the guard; say marker, or apply as a superuser"
    )


def test_a_map_that_does_not_fit_changes_nothing(bank: Database) -> None:
    objects = "SELECT count(*) FROM pg_class UNION ALL SELECT count(*) FROM pg_roles UNION ALL SELECT count(*) FROM pg_namespace"
    before = bank.execute(objects)
    complaints(bank, BANK_MAP.replace("bi_reader:", "bi:"))
    assert bank.execute(objects) == before

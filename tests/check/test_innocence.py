"""Changes that weaken nothing: none of them is a finding."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from check.test_mutations import found, of_this_version
from guarding import BANK, BANK_MAP, apply, load, opt_out
from rlsguard.check import check
from rlsguard.check.expected import Expected, on_scratch
from rlsguard.check.model import Finding
from rlsguard.prove.scene import Scene
from servers import Database

MORE = """
CREATE ROLE bank_owner;
GRANT ALL ON SCHEMA bank TO bank_owner;
CREATE TABLE bank.branch (branch_id int PRIMARY KEY, city text);
"""


@dataclass(frozen=True)
class Innocent:
    """What is done, and what the map then says instead."""

    do: str
    map_says: dict[str, str] = field(default_factory=dict)


INNOCENT = {
    "new column": Innocent("ALTER TABLE bank.trans ADD COLUMN note text"),
    "column dropped": Innocent("ALTER TABLE bank.trans DROP COLUMN amount"),
    "column renamed": Innocent("ALTER TABLE bank.trans RENAME COLUMN amount TO sum"),
    "column's type": Innocent("ALTER TABLE bank.trans ALTER COLUMN amount TYPE numeric(12, 2)"),
    "column's default": Innocent("ALTER TABLE bank.trans ALTER COLUMN amount SET DEFAULT 0"),
    "column's statistics": Innocent("ALTER TABLE bank.trans ALTER COLUMN account_id SET STATISTICS 500"),
    "table renamed, and in the map": Innocent(
        "ALTER TABLE bank.trans RENAME TO movement", {"bank.trans": "bank.movement"}
    ),
    "link table renamed, and in the map": Innocent(
        "ALTER TABLE bank.disp RENAME TO holder", {"bank.disp": "bank.holder"}
    ),
    "schema renamed, and in the map": Innocent("ALTER SCHEMA bank RENAME TO savings", {"bank.": "savings."}),
    "key renamed, and in the map": Innocent(
        "ALTER TABLE bank.disp RENAME COLUMN client_id TO who",
        {
            "bank.disp: {holds: [personal], subject: {client: client_id}}":
                "bank.disp: {holds: [personal], subject: {client: who}}",
            "disp.account_id, client_id]": "disp.account_id, who]",
        },
    ),
    "role renamed, and in the map": Innocent(
        "ALTER ROLE campaign_app RENAME TO mailings", {"campaign_app": "mailings"}
    ),
    "index": Innocent("CREATE INDEX ON bank.trans (account_id)"),
    "unique index": Innocent("CREATE UNIQUE INDEX ON bank.trans (account_id, trans_id)"),
    "index on an expression": Innocent("CREATE INDEX ON bank.client (lower(birth_number))"),
    "extended statistics": Innocent("CREATE STATISTICS bank.both ON account_id, amount FROM bank.trans"),
    "check constraint": Innocent("ALTER TABLE bank.trans ADD CHECK (amount >= 0)"),
    "NOT NULL": Innocent("ALTER TABLE bank.branch ALTER COLUMN city SET NOT NULL"),
    "foreign key away": Innocent("ALTER TABLE bank.account ADD COLUMN branch_id int REFERENCES bank.branch"),
    "storage parameter": Innocent("ALTER TABLE bank.trans SET (fillfactor = 80, autovacuum_vacuum_cost_delay = 10)"),
    "replica identity": Innocent("ALTER TABLE bank.trans REPLICA IDENTITY FULL"),
    "clustered by": Innocent("ALTER TABLE bank.trans CLUSTER ON trans_pkey"),
    "comments": Innocent(
        "COMMENT ON TABLE bank.trans IS 'movements'; COMMENT ON POLICY \"!rlsguard\" ON bank.trans IS 'ours';"
        "COMMENT ON TABLE rlsguard.opt_out_event IS 'the ledger'"
    ),
    "permissive policy of others": Innocent("CREATE POLICY theirs ON bank.trans USING (true)"),
    "restrictive policy of others": Innocent("CREATE POLICY theirs ON bank.trans AS RESTRICTIVE USING (amount > 0)"),
    "policy on another table": Innocent(
        "ALTER TABLE bank.branch ENABLE ROW LEVEL SECURITY; CREATE POLICY theirs ON bank.branch USING (true)"
    ),
    "role": Innocent("CREATE ROLE newcomer LOGIN"),
    "role that reads": Innocent("CREATE ROLE newcomer LOGIN; GRANT SELECT ON bank.trans TO newcomer"),
    "role that creates roles": Innocent("CREATE ROLE hr NOLOGIN CREATEROLE"),
    "member of a role of the map": Innocent("CREATE ROLE newcomer LOGIN IN ROLE bi_reader"),
    # What that role may do is whom it was granted to: its members read as it does, as a data map says.
    "member of a role that nobody is hidden from": Innocent("GRANT teller_app TO stranger"),
    "triggers of a link table switched off": Innocent("ALTER TABLE bank.disp DISABLE TRIGGER ALL"),
    "rights to tables to come": Innocent(
        "ALTER DEFAULT PRIVILEGES FOR ROLE bank_owner IN SCHEMA bank GRANT SELECT ON TABLES TO bi_reader"
    ),
    "right taken": Innocent("REVOKE ALL ON bank.trans FROM stranger"),
    "right with grant option": Innocent("GRANT SELECT ON bank.trans TO teller_app WITH GRANT OPTION"),
    "rights of the guard given anew": Innocent(
        "REVOKE SELECT ON rlsguard.opt_out_event FROM rlsguard_auditor;"
        "GRANT SELECT ON rlsguard.opt_out_event TO rlsguard_auditor"
    ),
    "recorder and auditor": Innocent(
        "CREATE ROLE officer LOGIN; GRANT rlsguard_recorder TO officer;"
        "GRANT rlsguard_auditor TO sox_auditor"
    ),
    "owner": Innocent("ALTER TABLE bank.trans OWNER TO bank_owner"),
    "owner of a schema": Innocent("ALTER SCHEMA bank OWNER TO bank_owner"),
    "view as its reader": Innocent(
        "CREATE VIEW bank.v WITH (security_invoker = true) AS SELECT * FROM bank.trans;"
        "GRANT SELECT ON bank.v TO PUBLIC"
    ),
    "view of nobody's": Innocent("CREATE VIEW bank.v AS SELECT * FROM bank.trans"),
    "view of something else": Innocent(
        "CREATE VIEW bank.v AS SELECT * FROM bank.branch; GRANT SELECT ON bank.v TO PUBLIC"
    ),
    "materialised view of something else": Innocent(
        "CREATE MATERIALIZED VIEW bank.v AS SELECT * FROM bank.branch; GRANT SELECT ON bank.v TO PUBLIC"
    ),
    "function as its caller": Innocent(
        "CREATE FUNCTION bank.f() RETURNS SETOF bank.trans LANGUAGE sql STABLE AS 'SELECT * FROM bank.trans'"
    ),
    "definer's function for something else": Innocent(
        "CREATE FUNCTION bank.f() RETURNS bigint LANGUAGE sql STABLE SECURITY DEFINER SET search_path = bank"
        " AS 'SELECT count(*) FROM branch'"
    ),
    "trigger": Innocent(
        "CREATE FUNCTION bank.f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';"
        "CREATE TRIGGER f BEFORE UPDATE ON bank.trans FOR EACH ROW EXECUTE FUNCTION bank.f()"
    ),
    "publication of something else": Innocent("CREATE PUBLICATION branches FOR TABLE bank.branch"),
    "table": Innocent("CREATE TABLE bank.district (district_id int PRIMARY KEY, name text)"),
    "table in a schema of its own": Innocent(
        "CREATE SCHEMA geo; CREATE TABLE geo.city (id int PRIMARY KEY, name text)"
    ),
    "table that was reviewed": Innocent(
        "CREATE TABLE bank.rate (account_id int, rate numeric)", {"tables:": "tables:\n  bank.rate: {holds: []}"}
    ),
    "types": Innocent(
        "CREATE TYPE bank.kind AS ENUM ('a', 'b'); CREATE DOMAIN bank.cents AS bigint CHECK (value >= 0)"
    ),
    "settings of roles": Innocent(
        "ALTER ROLE bi_reader SET work_mem = '64MB'; ALTER ROLE bi_reader SET search_path = bank, public"
    ),
    "rows": Innocent("INSERT INTO bank.client VALUES (9, '900909'); INSERT INTO bank.account VALUES (90)"),
    "opt-outs": Innocent(
        "SELECT rlsguard.opt_out('client', '2', '{marketing,analytics}', 'test', 'because');"
        "SELECT rlsguard.opt_in('client', '1', '{marketing}', 'test', 'because')"
    ),
    "search_path": Innocent("SET search_path = bank, rlsguard, pg_catalog"),
    "TimeZone": Innocent("SET timezone = 'Pacific/Chatham'"),
    "quoting": Innocent("SET quote_all_identifiers = on"),
    "spelling of values": Innocent(
        "SET datestyle = 'German'; SET intervalstyle = 'sql_standard'; SET bytea_output = 'escape';"
        "SET extra_float_digits = -3; SET standard_conforming_strings = off"
    ),
    "statistics": Innocent("ANALYZE bank.trans"),
}  # fmt: skip


def remembering() -> Callable[[Scene], Expected]:
    """Return what finds out how definitions should look, once for each plan."""
    known: dict[str, Expected] = {}

    def expect(place: Scene) -> Expected:
        tables = {name: place.catalog.tables[name].columns for name in place.datamap.tables}
        key = repr((place.wanted, tables))
        if key not in known:
            known[key] = on_scratch(place, None)
        return known[key]

    return expect


def told(findings: list[Finding]) -> list[str]:
    return [f"{f.kind.id} {f.about}: {f.why}" for f in findings]


def test_harmless_changes_are_no_findings(db: Database, request: pytest.FixtureRequest) -> None:
    db.execute(BANK)
    db.execute(MORE)
    apply(db, BANK_MAP)
    opt_out(db, 1, "marketing")
    expect = remembering()
    wrong: dict[str, list[str]] = {}
    with db.connect(autocommit=False) as conn:
        for name, innocent in of_this_version(INNOCENT, db, request).items():
            says = BANK_MAP
            for old, new in innocent.map_says.items():
                assert old in says
                says = says.replace(old, new)
            with conn.transaction(force_rollback=True):
                conn.execute(innocent.do)
                if findings := found(conn, load(says), expect):
                    wrong[name] = told(findings)
    assert wrong == {}
    assert len(INNOCENT) >= 40


@pytest.mark.by_turns
@pytest.mark.parametrize("maintenance", ["VACUUM FULL", "VACUUM ANALYZE", "REINDEX", "CLUSTER"])
def test_maintenance_is_no_finding(db: Database, maintenance: str) -> None:
    db.execute(BANK)
    apply(db, BANK_MAP)
    opt_out(db, 1, "marketing")
    with db.connect() as conn:
        conn.execute(
            {
                "VACUUM FULL": "VACUUM FULL",
                "VACUUM ANALYZE": "VACUUM (ANALYZE, FREEZE)",
                "REINDEX": "REINDEX SCHEMA rlsguard",
                "CLUSTER": "CLUSTER bank.trans USING trans_pkey",
            }[maintenance]
        )
        assert told(list(check(conn, load(BANK_MAP)).findings)) == []


def test_a_restored_dump_is_no_finding(db: Database, template_db: Callable[..., Database]) -> None:
    db.execute(BANK)
    apply(db, BANK_MAP)
    opt_out(db, 1, "marketing")
    copy = template_db("empty", lambda conn: None)
    bindir = db.server.bindir
    dumped = subprocess.run([bindir / "pg_dump", "-d", db.dsn()], check=True, capture_output=True)
    restore = [bindir / "psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", "-d", copy.dsn()]
    subprocess.run(restore, input=dumped.stdout, check=True, capture_output=True)
    with copy.connect() as conn:
        assert conn.execute("SELECT count(*) FROM rlsguard.opt_out_event").fetchone() == (1,)
        assert told(list(check(conn, load(BANK_MAP)).findings)) == []


@pytest.mark.by_turns
def test_names_that_need_quotes_are_no_finding(db: Database) -> None:
    db.execute(
        """
        CREATE SCHEMA "Odd ""sche ma";
        CREATE TABLE "Odd ""sche ma"."per son" ("Key é" varchar(20) PRIMARY KEY);
        CREATE TABLE "Odd ""sche ma"."Üß.x y" ("select" varchar(20) NOT NULL, "a.b" int);
        CREATE ROLE "Re ader";
        """
    )
    odd = """
version: 1
subjects: {person: {table: '"Odd ""sche ma"."per son"', key: '"Key é"'}}
purposes: {marketing: {}}
roles: {"Re ader": [marketing]}
tables:
  '"Odd ""sche ma"."per son"': {holds: [personal], subject: {person: '"Key é"'}}
  '"Odd ""sche ma"."Üß.x y"': {holds: [personal], subject: {person: '"select"'}, audit: true}
"""
    apply(db, odd)
    with db.connect() as conn:
        outcome = check(conn, load(odd))
    assert told(list(outcome.findings)) == []
    assert outcome.with_server is not None

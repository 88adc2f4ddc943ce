"""What a rule makes of the ways in which one thing can be said, and what it leaves alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from lint.reading import MAP, read, said

OFF = "DISABLE ROW LEVEL SECURITY"
TRANS = ["RG501 table bank.trans"]


@pytest.mark.parametrize(
    "sql",
    [
        f"ALTER TABLE IF EXISTS ONLY bank.trans {OFF}",
        f"ALTER TABLE bank.trans ADD COLUMN note text, {OFF}",
        f"SET search_path TO nothing, bank; ALTER TABLE trans {OFF}",
        f"SET LOCAL search_path = bank; ALTER TABLE trans {OFF}",
        f"DO 'BEGIN ALTER TABLE bank.trans {OFF}; END'",
        f"DO $$ BEGIN EXECUTE 'ALTER TABLE bank.' || 'trans' || ' {OFF}'; END $$",
        f"DO $$ BEGIN EXECUTE format('ALTER TABLE %I.%s {OFF}', 'bank', 'trans'); END $$",
        f"DO $$ BEGIN BEGIN IF true THEN ALTER TABLE bank.trans {OFF}; END IF; END; END $$",
        f"DO $$ BEGIN EXECUTE $x$DO $y$ BEGIN ALTER TABLE bank.trans {OFF}; END $y$ $x$; END $$",
        f"CREATE FUNCTION f() RETURNS void LANGUAGE plpgsql AS $$ BEGIN ALTER TABLE bank.trans {OFF}; END $$",
        f"CREATE FUNCTION f() RETURNS void LANGUAGE sql AS 'ALTER TABLE bank.trans {OFF}'",
        f"CREATE PROCEDURE f() LANGUAGE plpgsql SET search_path = bank AS $$ BEGIN ALTER TABLE trans {OFF}; END $$",
        f"SELECT 1 \\g\nALTER TABLE bank.trans {OFF}",
        f"\\echo it's\nALTER TABLE bank.trans {OFF}",
        f"\\echo x \\\\ ALTER TABLE bank.trans {OFF};",
        f"-- a comment ends with a carriage return\rALTER TABLE bank.trans {OFF};",
        f"\ufeffALTER TABLE bank.trans {OFF};",
        f"SELECT \u2013E'\\' FROM t; ALTER TABLE bank.trans {OFF}; --'",
        f"ALTER TABLE bank.account RENAME TO a; ALTER TABLE bank.trans {OFF}; ALTER TABLE bank.a RENAME TO account",
    ],
)
def test_row_security_off_however_it_is_said(sql: str, tmp_path: Path) -> None:
    found = said(sql, tmp_path)
    assert [one for one in found if one.startswith("RG501")] == TRANS


@pytest.mark.parametrize(
    "sql",
    [
        f"SET search_path = nothing; ALTER TABLE trans {OFF}",
        f"ALTER TABLE trans {OFF}",
        f"SET LOCAL search_path = bank; COMMIT; ALTER TABLE trans {OFF}",
        f"SET search_path = bank; RESET search_path; ALTER TABLE trans {OFF}",
        f"SET search_path = bank; RESET ALL; ALTER TABLE trans {OFF}",
        f"CREATE TABLE bank.entry (client_id int); ALTER TABLE bank.entry {OFF}",
        f"CREATE FUNCTION f() RETURNS text LANGUAGE sql AS $$ SELECT 'ALTER TABLE bank.trans {OFF}' $$",
        f"\\echo ALTER TABLE bank.trans {OFF};",
    ],
)
def test_what_is_another_table_or_no_statement(sql: str, tmp_path: Path) -> None:
    assert said(sql, tmp_path) == []


def test_names_are_looked_for_where_it_is_said(tmp_path: Path) -> None:
    assert said(f"ALTER TABLE trans {OFF}", tmp_path, search_path=("app", "bank")) == TRANS


def test_what_is_renamed_stays_what_it_is_and_its_name_is_free(tmp_path: Path) -> None:
    sql = "ALTER TABLE bank.trans SET SCHEMA archive; ALTER SCHEMA archive RENAME TO old;"
    assert said(f"{sql} ALTER TABLE old.trans {OFF}", tmp_path) == [
        "RG515 table bank.trans",
        "RG515 schema archive",
        "RG501 table old.trans",
    ]
    # A table that is made anew under the name is the map's, and guarded by the next apply.
    sql = "ALTER TABLE bank.trans RENAME TO trans_old; CREATE TABLE bank.trans (id int);"
    assert said(f"{sql} ALTER TABLE bank.trans {OFF}; ALTER TABLE bank.trans_old {OFF}", tmp_path) == [
        "RG515 table bank.trans",
        "RG501 table bank.trans_old",
    ]


@pytest.mark.parametrize(
    ("sql", "found"),
    [
        ("WITH trans AS (SELECT * FROM bank.trans) SELECT * FROM trans", ["RG510 view v"]),
        ("SELECT * FROM (SELECT 1) AS x, LATERAL (SELECT * FROM bank.trans) AS y", ["RG510 view v"]),
        ("SELECT (SELECT max(amount) FROM bank.trans)", ["RG510 view v"]),
        ("SELECT 1 UNION SELECT 2 UNION ALL (SELECT account_id FROM bank.trans)", ["RG510 view v"]),
        ("TABLE bank.trans", ["RG510 view v"]),
        ("SELECT count(*) FROM bank.trans GROUP BY account_id", ["RG510 view v"]),
        ("SELECT count(*) FROM bank.client WHERE client_id = 1", ["RG510 view v"]),
        ("SELECT count(*), sum(amount)::text, 'x' FROM bank.trans", []),
        ("SELECT 1", []),
        ("WITH trans AS (SELECT 1 AS n) SELECT n FROM trans", []),
    ],
)
def test_what_a_view_reads(sql: str, found: list[str], tmp_path: Path) -> None:
    name = found[0].replace("view v", "view public.v") if found else None
    assert said(f"CREATE VIEW v AS {sql}", tmp_path) == ([name] if name else [])
    for invoker in ("security_invoker", "security_invoker = true", "security_invoker = 'on'", "security_invoker = 1"):
        assert said(f"CREATE VIEW v WITH ({invoker}) AS {sql}", tmp_path) == []
    for owner in ("security_invoker = off", "security_invoker = 'no'", "security_invoker = 0", "security_barrier"):
        assert said(f"CREATE VIEW v WITH ({owner}) AS {sql}", tmp_path) == ([name] if name else [])


def test_a_names_own_with_is_the_table(tmp_path: Path) -> None:
    """Unless it is RECURSIVE, WITH trans AS (... FROM trans) reads the table."""
    sql = "SET search_path = bank; CREATE VIEW v AS WITH {} trans AS (SELECT * FROM trans) SELECT * FROM trans"
    assert said(sql.format(""), tmp_path) == ["RG510 view bank.v"]
    assert said(sql.format("RECURSIVE"), tmp_path) == []


@pytest.mark.parametrize(
    "sql",
    [
        "INSERT INTO bank.copy SELECT * FROM bank.trans",
        "WITH x AS (INSERT INTO bank.copy SELECT * FROM bank.trans RETURNING *) SELECT 1",
        "EXPLAIN ANALYZE INSERT INTO bank.copy SELECT * FROM bank.trans",
        "PREPARE p AS INSERT INTO bank.copy SELECT * FROM bank.trans",
        "UPDATE bank.copy AS c SET amount = t.amount FROM bank.trans AS t WHERE t.trans_id = c.id",
        "MERGE INTO bank.copy AS c USING bank.trans AS t ON c.id = t.trans_id WHEN NOT MATCHED THEN INSERT VALUES (1)",
        "CREATE VIEW v WITH (security_invoker) AS SELECT * FROM bank.trans; INSERT INTO bank.copy SELECT * FROM v",
        "CREATE TEMP TABLE t AS SELECT * FROM bank.trans; INSERT INTO bank.copy SELECT * FROM t",
        "SELECT * INTO TEMP t FROM bank.trans; INSERT INTO bank.copy TABLE t",
    ],
)
def test_copies_by_whatever_way(sql: str, tmp_path: Path) -> None:
    assert said(sql, tmp_path) == ["RG512 table bank.copy"]


@pytest.mark.parametrize(
    ("map_text", "found"),
    [
        (MAP, ["RG519 table bank.trans_1"]),
        (MAP + "guard: {event_trigger: true}\n", []),
    ],
)
def test_partitions_are_guarded_at_once_by_event_triggers(map_text: str, found: list[str], tmp_path: Path) -> None:
    for sql in (
        "CREATE TABLE bank.trans_1 PARTITION OF bank.trans FOR VALUES IN (1)",
        "ALTER TABLE bank.trans ATTACH PARTITION bank.trans_1 DEFAULT",
        "ALTER TABLE bank.trans_1 INHERIT bank.trans",
    ):
        assert said(sql, tmp_path, text=map_text) == found


def test_a_part_is_as_protected_as_the_whole(tmp_path: Path) -> None:
    sql = f"CREATE TABLE bank.trans_1 PARTITION OF bank.trans DEFAULT; ALTER TABLE bank.trans_1 {OFF}"
    (tmp_path / "later").mkdir()
    assert said(sql, tmp_path) == ["RG519 table bank.trans_1"]  # it was made just before
    sql = f"ALTER TABLE bank.trans ATTACH PARTITION bank.trans_1 DEFAULT; ALTER TABLE bank.trans_1 {OFF}"
    assert said(sql, tmp_path) == ["RG519 table bank.trans_1", "RG501 table bank.trans_1"]
    detach = "ALTER TABLE bank.trans DETACH PARTITION bank.trans_1"
    assert said(detach, tmp_path) == ["RG515 table bank.trans_1"]
    assert said(f"{detach}; DROP TABLE bank.trans_1", tmp_path) == []


@pytest.mark.parametrize(
    ("columns", "found"),
    [
        ("email text", True),
        ("customer_email text", True),
        ('"contactEmail" text', True),
        ('"E-Mail" text', True),
        ("phone2 text", True),
        ("iban_hash bytea", True),
        ("date_of_birth date", True),
        ("client_id int", True),
        ("account_id int", True),
        ("has_email boolean", False),
        ("email boolean", False),
        ("email_sent_at timestamptz", False),
        ("email_template_id int", False),
        ("client_count int", False),
        ("city text, country text, name text, state text", False),
        ("id int, amount numeric", False),
    ],
)
def test_what_looks_like_a_person(columns: str, found: bool, tmp_path: Path) -> None:
    assert said(f"CREATE TABLE bank.new ({columns})", tmp_path) == ["RG514 table bank.new"] * found
    assert said(f"CREATE TEMP TABLE new ({columns})", tmp_path) == []
    nobody = MAP + "  bank.new: {holds: []}\n"
    assert said(f"CREATE TABLE bank.new ({columns})", tmp_path, text=nobody) == ["RG514 table bank.new"] * found
    mapped = MAP + "  bank.new: {holds: [personal], subject: {client: client_id}}\n"
    assert said(f"CREATE TABLE bank.new ({columns})", tmp_path, text=mapped) == []


def test_a_foreign_key_leads_to_people_only_where_people_are(tmp_path: Path) -> None:
    for key in ("x int REFERENCES bank.account", "x int, FOREIGN KEY (x) REFERENCES bank.disp (disp_id)"):
        assert said(f"CREATE TABLE bank.new ({key})", tmp_path) == ["RG514 table bank.new"]
    for key in ("x int REFERENCES bank.product", "x int REFERENCES public.account"):
        assert said(f"CREATE TABLE bank.new ({key})", tmp_path) == []
    assert said("ALTER TABLE bank.new ADD FOREIGN KEY (x) REFERENCES bank.client", tmp_path) == ["RG514 table bank.new"]


def test_when_unknown_says_what_becomes_of_rows_without_people(tmp_path: Path) -> None:
    hide = MAP.replace("audit: true", "audit: true, when_unknown: hide").replace(
        "client_id]}}\n  bank.trans", "client_id]}, when_unknown: hide}\n  bank.trans"
    )
    assert said("TRUNCATE bank.disp", tmp_path) == ["RG517 table bank.disp"]
    assert said("TRUNCATE bank.disp", tmp_path, text=hide) == ["RG518 table bank.disp"]
    assert said("DELETE FROM bank.disp", tmp_path, text=hide) == []
    assert said("ALTER TABLE bank.trans ALTER account_id DROP NOT NULL", tmp_path, text=hide) == []
    assert said("ALTER TABLE bank.trans ALTER account_id DROP NOT NULL", tmp_path) == [
        "RG517 column bank.trans.account_id"
    ]


def test_whose_a_view_is_makes_no_table_anybodys(tmp_path: Path) -> None:
    dynamic = "DO $$ BEGIN EXECUTE format('ALTER {} %I OWNER TO %I', name, role); END $$"
    assert said(dynamic.format("VIEW"), tmp_path) == ["RG590 EXECUTE"]
    assert said(dynamic.format("TABLE"), tmp_path) == ["RG505 table ?", "RG590 EXECUTE"]


def test_another_type_is_none_where_the_guard_is_put_on_again_after_it(tmp_path: Path) -> None:
    retype = "ALTER TABLE bank.disp ALTER client_id TYPE bigint"
    policy = 'CREATE POLICY "!rlsguard" ON bank.{} AS RESTRICTIVE USING (true)'
    asked = ["RG517 column bank.disp.client_id"]
    # Of the table itself, or one whose path goes across it.
    for table in ("disp", "trans"):
        assert said(f"{retype}; {policy.format(table)}", tmp_path) == [f'RG502 policy "!rlsguard" on bank.{table}']
    assert said(f"{retype}; {policy.format('client')}", tmp_path)[:1] == asked
    assert said(f"{policy.format('disp')}; {retype}", tmp_path)[1:] == asked
    assert said(f"{retype} USING -client_id; {policy.format('disp')}", tmp_path)[:1] == asked


@pytest.mark.parametrize(
    ("sql", "found"),
    [
        ("GRANT rlsguard_owner TO CURRENT_USER", ["RG508 membership of CURRENT_USER in rlsguard_owner"]),
        ("GRANT pg_read_all_data TO sox_auditor", []),
        ("GRANT sox_auditor TO teller_app", ["RG508 membership of teller_app in sox_auditor"]),
        ("GRANT teller_app TO campaign_app WITH INHERIT FALSE, SET FALSE", []),
        ("GRANT teller_app TO campaign_app WITH ADMIN OPTION", ["RG508 membership of campaign_app in teller_app"]),
        ("CREATE ROLE x BYPASSRLS; GRANT x TO teller_app", ["RG507 role x", "RG508 membership of teller_app in x"]),
        ("ALTER ROLE sox_auditor BYPASSRLS", []),
        ("ALTER USER teller_app WITH SUPERUSER", ["RG507 role teller_app"]),
        ("ALTER ROLE campaign_app SET role = 'sox_auditor'", ["RG525 setting role of role campaign_app"]),
        ("ALTER ROLE campaign_app SET role = 'campaign_app'", []),
        ("ALTER ROLE campaign_app RESET ALL", []),
        ("ALTER SYSTEM SET pgaudit.log = 'none'", ["RG525 setting pgaudit.log of the server"]),
        ("SET pgaudit.log = 'none'", ["RG525 setting pgaudit.log"]),
        ("DROP ROLE campaign_app", ["RG515 role campaign_app"]),
        ("DROP OWNED BY old_app", ["RG505 what old_app owns"]),
        ("CREATE ROLE o NOLOGIN; ALTER TABLE bank.trans OWNER TO o; GRANT o TO teller_app",
         ["RG508 membership of teller_app in o"]),
        ("SET ROLE campaign_app; CREATE VIEW v AS SELECT * FROM bank.trans", []),
        ("CREATE VIEW v AS SELECT * FROM bank.trans; ALTER VIEW v OWNER TO campaign_app", []),
        ("CREATE VIEW v AS SELECT * FROM bank.trans; ALTER VIEW v OWNER TO sox_auditor", ["RG510 view public.v"]),
        ("CREATE VIEW v AS SELECT * FROM bank.trans; DROP VIEW v", []),
    ],
)  # fmt: skip
def test_roles(sql: str, found: list[str], tmp_path: Path) -> None:
    assert said(sql, tmp_path) == found


@pytest.mark.parametrize(
    "sql",
    [
        "DROP SCHEMA rlsguard CASCADE",
        "DROP VIEW rlsguard_views.sight CASCADE",
        "ALTER TABLE rlsguard.opt_out_event DISABLE TRIGGER ALL",
        "CREATE OR REPLACE FUNCTION rlsguard.current_purposes() RETURNS int LANGUAGE sql AS 'SELECT 1'",
        "ALTER FUNCTION rlsguard.current_purposes() OWNER TO campaign_app",
        "INSERT INTO rlsguard.exemption VALUES (1)",
        "WITH x AS (DELETE FROM rlsguard.opt_out_client RETURNING *) SELECT * FROM x",
        "TRUNCATE bank.other, rlsguard.opt_out_client",
        "SET search_path = rlsguard; DELETE FROM manifest",
        "COPY rlsguard.opt_out_client FROM STDIN",
        "GRANT USAGE ON SCHEMA rlsguard_views TO PUBLIC",
        "GRANT ALL ON ALL TABLES IN SCHEMA rlsguard TO campaign_app",
        "ALTER DEFAULT PRIVILEGES IN SCHEMA rlsguard GRANT SELECT ON TABLES TO campaign_app",
        "ALTER DEFAULT PRIVILEGES FOR ROLE rlsguard_owner GRANT SELECT ON TABLES TO campaign_app",
        "ALTER ROLE rlsguard_owner LOGIN",
        "DROP ROLE rlsguard_recorder",
        "SET SESSION AUTHORIZATION rlsguard_owner",
        "DROP EVENT TRIGGER rlsguard_ddl",
        "ALTER EVENT TRIGGER rlsguard_ddl DISABLE",
        "CREATE TRIGGER x BEFORE INSERT ON rlsguard.opt_out_event FOR EACH ROW EXECUTE FUNCTION f()",
        "CREATE RULE x AS ON INSERT TO rlsguard.opt_out_event DO INSTEAD NOTHING",
        "ALTER TABLE bank.other SET SCHEMA rlsguard",
        "CREATE INDEX ON rlsguard.opt_out_client (subject_key)",
        "DROP TRIGGER x ON rlsguard.opt_out_event",
        "DROP POLICY x ON rlsguard.opt_out_event",
        "DROP FUNCTION rlsguard.opt_out(text, text, text[], text, text, jsonb)",
    ],
)
def test_the_guards_own(sql: str, tmp_path: Path) -> None:
    found = said(sql, tmp_path)
    assert [one for one in found if one.startswith("RG506")]
    assert said(sql, tmp_path, text=None)  # that is known without a map, too


def test_without_a_map_what_is_said_of_row_security_matters_for_every_table(tmp_path: Path) -> None:
    assert said(f"ALTER TABLE anything {OFF}", tmp_path, text=None) == ["RG501 table public.anything"]
    assert said("CREATE VIEW v AS SELECT * FROM anything; TRUNCATE anything", tmp_path, text=None) == []


@pytest.mark.parametrize(
    ("sql", "why"),
    [
        ("DO $$ BEGIN EXECUTE x; END $$", "it is put together as it runs"),
        ("DO $$ BEGIN EXECUTE 'SELECT ' || x; END $$", "it is put together as it runs"),
        ("DO LANGUAGE plpython3u 'plpy.execute(1)'", "it is written in plpython3u"),
        ("DO $$ BEGIN RETURN NEXT 1; END $$", "cannot use RETURN NEXT"),
        ("SELECT 'x' \\gexec\n", "runs what the query before it returns"),
        ("\\i other.sql\n", "it reads other.sql, which was not given"),
        ("\\copy nonsense\n", "this \\copy cannot be read"),
        ("SET standard_conforming_strings = off", "texts may end elsewhere"),
    ],
)
def test_what_cannot_be_read_is_said(sql: str, why: str, tmp_path: Path) -> None:
    file = tmp_path / "V1.sql"
    file.write_text(sql, encoding="utf-8")
    linted = read(file)
    (finding,) = linted.findings
    assert finding.kind.id == "RG590"
    assert why in finding.why
    assert not linted.fails


@pytest.mark.parametrize(
    "sql",
    [
        "ALTER TABLE ${schema}.trans DISABLE ROW LEVEL SECURITY",
        "ALTER TABLE ${schema}_old.trans DISABLE ROW LEVEL SECURITY",
        'ALTER TABLE :"table" DISABLE ROW LEVEL SECURITY',
        "ALTER TABLE :table DISABLE ROW LEVEL SECURITY",
        "DO $$ BEGIN EXECUTE 'ALTER TABLE ' || t::regclass || ' DISABLE ROW LEVEL SECURITY'; END $$",
    ],
)
def test_row_security_off_wherever_that_may_be(sql: str, tmp_path: Path) -> None:
    assert any(one.startswith("RG501 ") for one in said(sql, tmp_path))

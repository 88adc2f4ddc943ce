"""What the pgaudit configuration makes a real server write, and what it grants."""

from __future__ import annotations

import csv
import json
import re
import shutil
import subprocess
import tempfile
import time
import uuid
from contextlib import suppress
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

from guarding import BANK, BANK_MAP, HEAD, TABLES, apply, load, opt_out, small_bank
from rlsguard.render.pgaudit import pgaudit
from rlsguard.server import start
from servers import Postgres, has_library

CREATE_EXTENSION = "CREATE EXTENSION IF NOT EXISTS pgaudit;"
SETTING = re.compile(r"^([a-z_.]+) = '(.*)'$", re.MULTILINE)
READERS = ("campaign_app", "bi_reader", "teller_app", "sox_auditor", "stranger")
ODD = 'Tab"le $$; é'
ODD_MAP = HEAD + "tables:\n  '{}': {{holds: [personal], subject: {{client: '{}'}}}}\n".format(
    'bank."Tab""le $$; é"', '"Client $id"'
)
COLUMNS_MAP = HEAD + TABLES + "  bank.branch: {holds: [], columns: {manager: user.name}}\n"
BRANCH = """
CREATE TABLE bank.branch (branch_id int, manager text, city text);
INSERT INTO bank.branch VALUES (1, 'Eva', 'Brno');
GRANT SELECT, INSERT, UPDATE, DELETE ON bank.branch TO PUBLIC;
"""
PARTITIONS = """
CREATE TABLE bank.later (LIKE bank.trans);
ALTER TABLE bank.disp DROP CONSTRAINT disp_pkey;
CREATE TABLE bank.part (client_id int, at int) PARTITION BY RANGE (at);
CREATE TABLE bank.mid PARTITION OF bank.part FOR VALUES FROM (0) TO (100) PARTITION BY RANGE (at);
CREATE TABLE bank."Leaf, ""1" PARTITION OF bank.mid FOR VALUES FROM (0) TO (50);
CREATE TABLE bank.reviewed PARTITION OF bank.mid FOR VALUES FROM (50) TO (100);
GRANT SELECT ON ALL TABLES IN SCHEMA bank TO stranger;
"""
PARTITIONS_MAP = (
    HEAD + "tables:\n  bank.part: {holds: [personal], subject: {client: client_id}}\n  bank.reviewed: {holds: []}\n"
)


# The text


@pytest.mark.parametrize("target", ["conf", "alter-system", "rds"])
def test_every_setting_has_its_why(target):
    lines = next(iter(pgaudit(load(BANK_MAP), target).values())).splitlines()
    setting = re.compile(
        r"(# )?(ALTER SYSTEM SET |set_parameter )?((pgaudit\.|log_|logging_|shared_|rds\.)[a-z_.]+) (= )?'?\w"
    )
    preparation = ("SET ", "\\", "SELECT current_setting")
    found = []
    for number, line in enumerate(lines):
        if match := setting.match(line):
            above = [text for text in lines[:number] if not text.startswith(preparation)]
            assert re.match(r"(# |-- ).*[.\w]$", above[-1]), line
            found.append(match[3])
    assert {"pgaudit.role", "pgaudit.log_parameter", "log_destination", "log_connections"} <= set(found)
    assert len(found) == len(set(found)) >= 12


def test_the_files_of_each_target():
    files = {target: list(pgaudit(load(BANK_MAP), target)) for target in ("conf", "alter-system", "rds")}
    common = ["pgaudit.sql", "pgaudit_undo.sql"]
    assert files == {
        "conf": ["pgaudit.conf", *common],
        "alter-system": ["pgaudit_settings.sql", *common],
        "rds": ["pgaudit_parameters.sh", *common],
    }


def test_the_script_for_rds_calls_the_aws_client(tmp_path):
    called = tmp_path / "called"
    fake = tmp_path / "aws"
    fake.write_text(f'#!/bin/sh\nfor last; do :; done\necho "$4 $last" >> {called}\n')
    fake.chmod(0o755)
    script = pgaudit(load(BANK_MAP), "rds")["pgaudit_parameters.sh"]
    subprocess.run(
        ["sh", "-s", "my-group"], input=script, text=True, check=True, env={"PATH": f"{tmp_path}:/bin:/usr/bin"}
    )
    parameters = {}
    for line in called.read_text().splitlines():
        group, document = line.split(" ", 1)
        assert group == "my-group"
        (parameter,) = json.loads(document)
        assert parameter["ApplyMethod"] == "pending-reboot"
        parameters[parameter["ParameterName"]] = parameter["ParameterValue"]
    assert parameters["pgaudit.role"] == "rds_pgaudit"
    assert parameters["pgaudit.log"] == "ddl,role,misc_set"
    assert parameters["shared_preload_libraries"] == "pg_stat_statements,pgaudit"
    assert "pgaudit.log_parameter_max_size" not in parameters


# The grants, on every server


def run_grants(db, text, target="conf"):
    """Run pgaudit.sql of the map in *text*; where pgaudit is missing, all but the extension."""
    script = pgaudit(load(text), target)["pgaudit.sql"]
    assert CREATE_EXTENSION in script
    if not has_library(db.server.bindir, "pgaudit"):
        script = script.replace(CREATE_EXTENSION, "")
    with db.connect() as conn:
        conn.execute(script)


def grants(db):
    """Return what the audit role may: relation -> rights, columns after a dot."""
    rows = db.execute(
        """
        SELECT name, string_agg(right_, ',' ORDER BY right_) FROM (
            SELECT c.relname || coalesce('.' || a.attname, '') AS name, g.privilege_type AS right_
            FROM pg_class c
            LEFT JOIN pg_attribute a ON a.attrelid = c.oid AND a.attacl IS NOT NULL
            CROSS JOIN aclexplode(a.attacl) g
            WHERE g.grantee = (SELECT oid FROM pg_roles WHERE rolname = 'rlsguard_pgaudit')
            UNION ALL
            SELECT c.relname, g.privilege_type FROM pg_class c CROSS JOIN aclexplode(c.relacl) g
            WHERE g.grantee = (SELECT oid FROM pg_roles WHERE rolname = 'rlsguard_pgaudit')
        ) AS granted GROUP BY 1
        """
    )
    return dict(rows)


WHOLE = "DELETE,INSERT,SELECT,UPDATE"


@pytest.fixture
def bank(template_db):
    return small_bank(template_db, more=BRANCH)


def test_exactly_what_the_map_names_is_granted(bank):
    run_grants(bank, COLUMNS_MAP)
    whole = dict.fromkeys(("client", "disp", "account", "trans"), WHOLE)
    assert grants(bank) == {**whole, "branch": "DELETE", "branch.manager": "INSERT,SELECT,UPDATE"}


def test_a_second_run_touches_nothing(bank):
    run_grants(bank, COLUMNS_MAP)
    versions = """
        SELECT 'c', oid, xmin::text FROM pg_class WHERE relnamespace = 'bank'::regnamespace
        UNION ALL SELECT 'a', attrelid, xmin::text FROM pg_attribute WHERE attrelid = 'bank.branch'::regclass
        UNION ALL SELECT 'r', oid, xmin::text FROM pg_authid UNION ALL SELECT 'e', oid, xmin::text FROM pg_extension
        ORDER BY 1, 2, 3
    """
    before = bank.execute(versions)
    run_grants(bank, COLUMNS_MAP)
    assert bank.execute(versions) == before


def test_what_the_map_no_longer_says_is_revoked(bank):
    run_grants(bank, COLUMNS_MAP)
    bank.execute("GRANT SELECT, TRUNCATE ON bank.branch TO rlsguard_pgaudit")
    bank.execute("GRANT SELECT (city) ON bank.branch TO rlsguard_pgaudit")
    only = HEAD + "tables:\n  bank.branch: {holds: [], columns: {manager: user.name}}\n"
    run_grants(bank, only)
    assert grants(bank) == {"branch": "DELETE", "branch.manager": "INSERT,SELECT,UPDATE"}


def test_partitions_are_granted_and_a_reviewed_one_is_not(bank):
    bank.execute(PARTITIONS)
    run_grants(bank, PARTITIONS_MAP)
    assert grants(bank) == dict.fromkeys(("part", "mid", 'Leaf, "1'), WHOLE)
    bank.execute("CREATE TABLE bank.newest PARTITION OF bank.part FOR VALUES FROM (100) TO (200)")
    run_grants(bank, PARTITIONS_MAP)
    assert grants(bank) == dict.fromkeys(("part", "mid", 'Leaf, "1', "newest"), WHOLE)


def test_odd_names(bank):
    bank.execute(sql.SQL('CREATE TABLE bank.{} ("Client $id" int)').format(sql.Identifier(ODD)))
    run_grants(bank, ODD_MAP)
    assert grants(bank) == {ODD: WHOLE}


def test_a_table_that_is_not_there_is_named_and_nothing_is_done(bank):
    with pytest.raises(psycopg.errors.UndefinedTable, match=r'"bank\.nowhere" does not exist'):
        run_grants(bank, HEAD + "tables:\n  bank.nowhere: {holds: []}\n")
    assert bank.execute("SELECT FROM pg_roles WHERE rolname = 'rlsguard_pgaudit'") == []


def test_the_role_cannot_be_used(bank):
    bank.execute("CREATE ROLE rlsguard_pgaudit LOGIN")
    run_grants(bank, BANK_MAP)
    assert bank.execute("SELECT rolcanlogin FROM pg_roles WHERE rolname = 'rlsguard_pgaudit'") == [(False,)]
    bank.execute("CREATE ROLE team; GRANT rlsguard_pgaudit TO team; GRANT team TO stranger")
    with pytest.raises(psycopg.errors.RaiseException, match=r"has members: (stranger, team|team, stranger)"):
        run_grants(bank, BANK_MAP)


def test_another_audit_role_is_not_put_out_of_office(bank):
    bank.execute('CREATE ROLE "Their auditor"')
    bank.execute(sql.SQL("ALTER DATABASE {} SET pgaudit.role = 'Their auditor'").format(sql.Identifier(bank.name)))
    with pytest.raises(psycopg.errors.RaiseException, match=r'pgaudit\.role is "Their auditor"') as refused:
        run_grants(bank, BANK_MAP)
    hint = refused.value.diag.message_hint
    commands = re.search(r"CREATE ROLE .* TO rlsguard_pgaudit;", hint)[0]
    bank.execute(commands)
    run_grants(bank, BANK_MAP)
    assert len(grants(bank)) == 4


def test_undo(bank):
    before = bank.execute("SELECT rolname FROM pg_roles ORDER BY 1")
    files = pgaudit(load(COLUMNS_MAP), "conf")
    for _ in range(2):
        run_grants(bank, COLUMNS_MAP)
        for _ in range(2):
            with bank.connect() as conn:
                conn.execute(files["pgaudit_undo.sql"])
        assert bank.execute("SELECT rolname FROM pg_roles ORDER BY 1") == before
        assert grants(bank) == {}


def test_undo_leaves_the_role_to_the_last_database(server, bank):
    undo = pgaudit(load(BANK_MAP), "conf")["pgaudit_undo.sql"]
    run_grants(bank, BANK_MAP)
    with server.database() as other:
        other.execute("CREATE SCHEMA bank; CREATE TABLE bank.client (client_id int)")
        run_grants(other, HEAD + "tables:\n  bank.client: {holds: [], columns: {client_id: user.unique_id}}\n")
        said = []
        with bank.connect() as conn:
            conn.add_notice_handler(lambda notice: said.append((notice.message_primary, notice.message_detail)))
            conn.execute(undo)
        ((message, detail),) = said
        assert message == "the role rlsguard_pgaudit stays: it has rights elsewhere"
        assert other.name in detail
        assert grants(bank) == {}
        assert grants(other) == {"client": "DELETE", "client.client_id": "INSERT,SELECT,UPDATE"}
        other.execute(undo)
        assert other.execute("SELECT FROM pg_roles WHERE rolname = 'rlsguard_pgaudit'") == []


def test_rds_has_its_own_name_for_the_role(bank):
    bank.execute("CREATE ROLE rds_pgaudit")
    run_grants(bank, BANK_MAP, "rds")
    run_grants(bank, BANK_MAP, "rds")
    assert len(grants(bank)) == 4
    assert bank.execute("SELECT pg_has_role('rds_pgaudit', 'rlsguard_pgaudit', 'USAGE')") == [(True,)]
    bank.execute("GRANT rds_pgaudit TO stranger")
    with pytest.raises(psycopg.errors.RaiseException, match="has members: stranger"):
        run_grants(bank, BANK_MAP, "rds")


# The settings


def test_every_version_knows_the_log_settings(db):
    core = [s for s in SETTING.findall(pgaudit(load(BANK_MAP), "conf")["pgaudit.conf"]) if "pgaudit" not in s[0]]
    for name, value in core:
        if name != "shared_preload_libraries":
            db.execute(sql.SQL("ALTER SYSTEM SET {} = {}").format(sql.SQL(name), sql.Literal(value)))
    assert len(core) >= 11


def psql(server, script, *arguments):
    program = server.bindir / "psql"
    if not program.exists():
        pytest.skip(f"PostgreSQL {server.major} here comes without psql")
    command = [str(program), "-X", "-q", "-d", server.dsn(), "-f", "-", *arguments]
    return subprocess.run(command, input=script, capture_output=True, text=True)


def test_alter_system_refuses_where_pgaudit_is_not_installed(db):
    if has_library(db.server.bindir, "pgaudit"):
        pytest.skip(f"PostgreSQL {db.major} here has pgaudit")
    done = psql(db.server, pgaudit(load(BANK_MAP), "alter-system")["pgaudit_settings.sql"])
    assert done.returncode == 3
    assert "pgaudit is not installed" in done.stderr
    assert db.execute("SELECT count(*) FROM pg_file_settings WHERE sourcefile ~ 'auto.conf'") == [(0,)]


def test_alter_system_limits_parameters_where_pgaudit_can(db):
    script = pgaudit(load(BANK_MAP), "alter-system")["pgaudit_settings.sql"]
    # ALTER SYSTEM takes the names whether or not the library is there to give them a meaning.
    installed = "pg_available_extensions WHERE name = 'pgaudit'"
    assert installed in script
    done = psql(db.server, script.replace(installed, installed.replace("pgaudit", "plpgsql")))
    assert (done.returncode, done.stderr) == (0, "")
    written_down = db.execute("SELECT name, setting FROM pg_file_settings WHERE sourcefile ~ 'auto.conf'")
    expected = dict(conf_settings())
    if db.major >= 16:
        expected["pgaudit.log_parameter_max_size"] = "8192"
    # A test server that has pgaudit loads it already.
    assert {"shared_preload_libraries": "pgaudit", **dict(written_down)} == expected


def test_alter_system_keeps_what_was_set_and_the_server_starts_with_it(server):
    needs_pgaudit(server)
    script = pgaudit(load(BANK_MAP), "alter-system")["pgaudit_settings.sql"]
    # pgaudit is not loaded yet: the names are unknown to the server.
    theirs = {"shared_preload_libraries": "plpgsql, $libdir/plpgsql", "pgaudit.log": "write, -ddl"}
    with start(server.server.bindir, settings=theirs) as fresh:
        for _ in range(2):
            done = psql(fresh, script)
            assert (done.returncode, done.stderr) == (0, "")
            assert "Restart the server" in done.stdout
            auto = (fresh.data / "postgresql.auto.conf").read_text()
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        Path(folder).chmod(0o755)
        (Path(folder) / "auto.conf").write_text(auto)
        with (
            start(server.server.bindir, settings={"include": f"{folder}/auto.conf"}) as restarted,
            psycopg.connect(restarted.dsn()) as conn,
        ):
            shown = {name: conn.execute(f"SHOW {name}").fetchone()[0] for name, _ in conf_settings()}
    assert shown.pop("shared_preload_libraries") == 'plpgsql, "$libdir/plpgsql", pgaudit'
    assert shown.pop("pgaudit.log") == "write, -ddl, ddl, role, misc_set"
    expected = dict(conf_settings())
    assert shown == {name: expected[name] for name in shown}


def test_alter_system_is_undone(server):
    needs_pgaudit(server)
    files = pgaudit(load(BANK_MAP), "alter-system")
    with start(server.server.bindir, settings={"shared_preload_libraries": "pgaudit"}) as fresh:
        assert psql(fresh, files["pgaudit_settings.sql"]).returncode == 0
        assert psql(fresh, files["pgaudit_undo.sql"], "-v", "ON_ERROR_STOP=1").returncode == 0
        auto = (fresh.data / "postgresql.auto.conf").read_text()
    assert not re.search("^[^#]", auto, re.MULTILINE)


def conf_settings():
    return SETTING.findall(pgaudit(load(BANK_MAP), "conf")["pgaudit.conf"])


def needs_pgaudit(server):
    if not has_library(server.server.bindir, "pgaudit"):
        pytest.skip(f"PostgreSQL {server.major} here comes without pgaudit")


# The log


@pytest.fixture(scope="module")
def logging_server(server):
    """A server that includes our pgaudit.conf, and only what any server needs besides."""
    needs_pgaudit(server)
    folder = Path(tempfile.mkdtemp(dir="/tmp", prefix="rlsguard-conf-"))
    folder.chmod(0o755)
    (folder / "pgaudit.conf").write_text(pgaudit(load(BANK_MAP), "conf")["pgaudit.conf"])
    with (
        start(server.server.bindir, settings={"include": f"{folder}/pgaudit.conf", "autovacuum": "off"}) as started,
        psycopg.connect(started.dsn(), autocommit=True) as admin,
    ):
        yield Postgres(started, admin)
    shutil.rmtree(folder)


@pytest.fixture
def audited(logging_server):
    """The small bank, guarded and audited."""
    with logging_server.database() as db:
        with db.connect() as conn:
            conn.execute(BANK + BRANCH)
        apply(db, COLUMNS_MAP)
        run_grants(db, COLUMNS_MAP)
        opt_out(db, 1, "marketing")
        yield db


def written(db, user, *statements, params=None):
    """Run *statements* one by one as *user* and return what the log says of them, in order."""
    marker = f"marker {uuid.uuid4()}"
    with db.connect(user, application_name="the app") as conn:
        for statement in statements:
            with suppress(psycopg.errors.InsufficientPrivilege):
                if statement.upper().startswith("COPY"):
                    with conn.cursor() as cursor, cursor.copy(statement) as copy:
                        list(copy)
                else:
                    conn.execute(statement, params)
        pid = conn.info.backend_pid
    # A later line of another session: the collector has then written all that went before.
    with db.connect() as conn:
        conn.execute(sql.SQL("SET application_name = {}").format(sql.Literal(marker)))
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        lines = [
            json.loads(line)
            for file in sorted((db.server.data / "log").glob("*.json"))
            for line in file.read_text(encoding="utf-8").splitlines(keepends=True)
            if line.endswith("\n")
        ]
        if any(marker in line["message"] for line in lines):
            return [line for line in lines if line["pid"] == pid]
        time.sleep(0.02)
    raise AssertionError("the log collector wrote nothing for ten seconds")


def audit(db, user, *statements, params=None):
    """Return pgaudit's lines: kind, class, command, object, text, parameters."""
    found = []
    for line in written(db, user, *statements, params=params):
        if line["message"].startswith("AUDIT: "):
            (fields,) = csv.reader([line["message"].removeprefix("AUDIT: ")])
            assert line["error_severity"] == "LOG"
            assert line["user"] == user
            found.append((fields[0], fields[3], fields[4], fields[6], fields[7], fields[8]))
    return found


def test_the_server_took_every_line_of_the_conf(logging_server):
    with psycopg.connect(logging_server.server.dsn()) as conn:
        shown = {name: conn.execute(f"SHOW {name}").fetchone()[0] for name, _ in conf_settings()}
    assert shown == dict(conf_settings())


@pytest.mark.parametrize("user", READERS)
def test_a_read_is_one_line_with_its_text(audited, user):
    # The policy of a table that is a hop away looks over bank.disp, once for each of the planner's two alternatives.
    looks = {"client": 0, "disp": 0, "account": 2, "trans": 2}
    for table in looks:
        statement = f"SELECT * FROM bank.{table}"
        first, *policy = audit(audited, user, statement)
        assert first == ("OBJECT", "READ", "SELECT", f"bank.{table}", statement, "<none>")
        once = "<previously logged>"
        assert policy == [("OBJECT", "READ", "SELECT", "bank.disp", once, once)] * looks[table]


def test_tables_about_nobody(audited):
    assert audit(audited, "stranger", "SELECT city FROM bank.branch", "UPDATE bank.branch SET city = 'Praha'") == []
    statements = (
        "SELECT manager FROM bank.branch",
        "SELECT city FROM bank.branch WHERE manager = 'Eva'",
        "UPDATE bank.branch SET manager = 'Jan'",
        "INSERT INTO bank.branch (manager) VALUES ('Ota')",
        "DELETE FROM bank.branch",
    )
    lines = audit(audited, "stranger", *statements)
    assert [(line[3], line[4]) for line in lines] == [("bank.branch", statement) for statement in statements]


def test_a_table_that_others_may_read_is_not_logged(audited):
    audited.execute("CREATE TABLE bank.other (a int); GRANT SELECT ON bank.other TO PUBLIC")
    run_grants(audited, HEAD + TABLES + "  bank.branch: {holds: []}\n")
    assert audit(audited, "stranger", "SELECT a FROM bank.other", "SELECT manager FROM bank.branch") == []


def test_partitions_in_the_log(audited):
    audited.execute(PARTITIONS)
    run_grants(audited, PARTITIONS_MAP)
    leaf = 'SELECT FROM bank."Leaf, ""1"'
    lines = audit(audited, "stranger", leaf, "SELECT FROM bank.part", "SELECT FROM bank.reviewed")
    assert [(line[3], line[4]) for line in lines] == [
        ('bank."Leaf, ""1"', leaf),
        ("bank.part", "SELECT FROM bank.part"),
    ]


def test_odd_names_in_the_log(audited):
    table = sql.Identifier("bank", ODD)
    audited.execute(sql.SQL('CREATE TABLE {} ("Client $id" int); GRANT SELECT ON {} TO stranger').format(table, table))
    run_grants(audited, ODD_MAP)
    statement = sql.SQL("SELECT FROM {}").format(table).as_string(None)
    assert audit(audited, "stranger", statement) == [
        ("OBJECT", "READ", "SELECT", 'bank."Tab""le $$; é"', statement, "<none>")
    ]


@pytest.mark.parametrize(
    ("statement", "objects"),
    [
        ("COPY bank.client TO STDOUT", ["bank.client", "bank.client"]),
        ("SELECT count(*) FROM bank.over", ["bank.client"]),
        ("SELECT count(*) FROM bank.over_invoker", ["bank.client"]),
        ("DO $$ BEGIN PERFORM FROM bank.client; END $$", ["bank.client"]),
        ("DECLARE c CURSOR WITH HOLD FOR SELECT FROM bank.client", ["bank.client"]),
        ("SELECT bank.definer()", []),
        ("TRUNCATE bank.client CASCADE", []),
        ("SELECT count(*) FROM bank.copied", []),
    ],
)
def test_other_ways_to_read(audited, statement, objects):
    audited.execute(
        """
        CREATE VIEW bank.over AS SELECT * FROM bank.client;
        CREATE VIEW bank.over_invoker WITH (security_invoker) AS SELECT * FROM bank.client;
        CREATE MATERIALIZED VIEW bank.copied AS SELECT * FROM bank.client;
        CREATE FUNCTION bank.definer() RETURNS bigint LANGUAGE sql SECURITY DEFINER
            RETURN (SELECT count(*) FROM bank.client);
        GRANT SELECT ON ALL TABLES IN SCHEMA bank TO stranger;
        GRANT TRUNCATE ON ALL TABLES IN SCHEMA bank TO stranger;
        """
    )
    lines = audit(audited, "stranger", statement)
    assert [line[3] for line in lines] == objects


def test_parameters(audited):
    (line,) = audit(audited, "teller_app", "SELECT FROM bank.client WHERE client_id = %s AND birth_number = %s",
                    params=[1, 'a,"b'])  # fmt: skip
    assert line[4].endswith("client_id = $1 AND birth_number = $2")
    assert next(csv.reader([line[5]])) == ["1", 'a,"b']


def test_a_refused_write_leaves_its_statement_and_its_error(audited):
    statement = "INSERT INTO bank.client VALUES (1, 'x')"
    lines = written(audited, "campaign_app", statement)
    assert [line["error_severity"] for line in lines if line["backend_type"] == "client backend"][-3:-1] == [
        "LOG",
        "ERROR",
    ]
    error = next(line for line in lines if line["error_severity"] == "ERROR")
    assert error["state_code"] == "42501"
    assert error["statement"] == statement
    assert "row-level security policy" in error["message"]
    assert (error["application_name"], error["remote_host"]) == ("the app", "[local]")
    assert {"session_id", "line_num", "vxid", "dbname", "timestamp"} <= error.keys()


def test_who_became_whom_and_who_weakened_what(audited):
    audited.execute("GRANT campaign_app TO stranger")
    statements = ("SET ROLE campaign_app", "SELECT FROM bank.client", "RESET ROLE")
    lines = audit(audited, "stranger", *statements)
    assert [(line[0], line[1], line[4]) for line in lines] == [
        ("SESSION", "MISC", statements[0]),
        ("OBJECT", "READ", statements[1]),
        ("SESSION", "MISC", statements[2]),
    ]
    lines = audit(
        audited, "postgres", "ALTER ROLE stranger BYPASSRLS", "ALTER TABLE bank.client DISABLE ROW LEVEL SECURITY"
    )
    assert [(line[1], line[3]) for line in lines] == [("ROLE", ""), ("DDL", "bank.client")]


def test_what_changes_the_role_without_a_line(audited):
    """The limits that docs/pgaudit.md names: if this fails, pgaudit has learnt something."""
    audited.execute("GRANT campaign_app TO stranger")
    assert audit(audited, "stranger", "SELECT set_config('role', 'campaign_app', false)") == []
    assert audit(audited, "stranger", "DISCARD ALL") == []
    assert [line[4] for line in audit(audited, "stranger", "BEGIN", "SET ROLE campaign_app", "ROLLBACK")] == [
        "SET ROLE campaign_app"
    ]


def test_rds_in_the_log(audited):
    run_grants(audited, COLUMNS_MAP, "rds")
    audited.execute(sql.SQL("ALTER DATABASE {} SET pgaudit.role = 'rds_pgaudit'").format(sql.Identifier(audited.name)))
    assert [line[3] for line in audit(audited, "stranger", "SELECT FROM bank.client")] == ["bank.client"]


def test_the_audit_role_of_others_goes_on(audited):
    audited.execute(
        "CREATE TABLE bank.theirs (a int); CREATE ROLE theirs; GRANT SELECT ON bank.theirs TO theirs, stranger"
    )
    audited.execute("GRANT theirs TO rlsguard_pgaudit")
    run_grants(audited, COLUMNS_MAP)
    lines = audit(audited, "stranger", "SELECT FROM bank.theirs", "SELECT FROM bank.client")
    assert [line[3] for line in lines] == ["bank.theirs", "bank.client"]

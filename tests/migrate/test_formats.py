"""Files for Flyway, Liquibase, Sqitch and the Supabase CLI: as these read and run them, they do what psql's file does.

The tools' readers are modelled here, so that this needs none of them; one that is on the machine runs the files too.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pglast
import psycopg
import pytest
from click.testing import CliRunner, Result
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from psycopg import sql

from guarding import BANK_MAP, small_bank
from migrate import odd_bank, readers
from rlsguard import apply as applying
from rlsguard import datamap
from rlsguard.check import check
from rlsguard.cli import rlsguard
from rlsguard.migrate import Index, Migration, Step
from rlsguard.migrate.write import FORMATS
from rlsguard.names import QualifiedName, quote
from rlsguard.problems import RlsguardError
from rlsguard.render.template import remark, text
from rlsguard.server import SUPERUSER
from servers import Clone, Database, dump

pytestmark = pytest.mark.by_turns

TOOLS = ("flyway", "liquibase", "sqitch", "supabase")
PLAN = "%syntax-version=1.0.0\n%project=bank\n\n"
MORE = BANK_MAP.replace("bank.trans:\n    {", "bank.trans:\n    {audit: true, ")


@pytest.fixture
def odd(template_db: Clone) -> Database:
    return template_db("odd bank", odd_bank.build)


@pytest.fixture
def bank(template_db: Clone) -> Database:
    return small_bank(template_db)


@pytest.fixture
def guarded(template_db: Clone) -> Database:
    return small_bank(template_db, BANK_MAP)


def written(db: Database, map_text: str, tool: str, folder: Path, *args: str, code: int = 0) -> Result:
    """Write a migration as a person does."""
    folder.mkdir(parents=True, exist_ok=True)
    if tool == "sqitch" and not (folder / "sqitch.plan").exists():
        (folder / "sqitch.plan").write_text(PLAN)
    map_file = folder.parent / "map.yaml"
    map_file.write_text(map_text, encoding="utf-8")
    arguments = ["migrate", str(map_file), "--dsn", db.dsn(), "--format", tool, "-o", str(folder), *args]
    result = CliRunner().invoke(rlsguard, arguments)
    assert result.exit_code == code, result.output
    return result


def content(file: Path) -> str:
    """Return the text of a file with its own ends of lines."""
    return file.read_bytes().decode()


def one(folder: Path, pattern: str) -> str:
    """Return the text of the only file that matches."""
    (file,) = folder.glob(pattern)
    return content(file)


# How each tool would run what is in a folder: up, and down.


def run(conn: psycopg.Connection[Any], statements: list[str], *, together: bool) -> None:
    """Send *statements* one by one, in a transaction of the tool's own if they go *together*."""
    if not together:
        _send(conn, statements)
        return
    with conn.transaction():
        before = _settings(conn)
        _send(conn, statements)
        # In the same transaction the tool notes it, with settings that it expects to be its own.
        assert _settings(conn) == before


def _send(conn: psycopg.Connection[Any], statements: list[str]) -> None:
    for statement in statements:
        # By the protocol that takes no more than one.
        conn.execute(statement, binary=True)


def _settings(conn: psycopg.Connection[Any]) -> list[tuple[Any, ...]]:
    # Those of an extension come when it is first used.
    query = "SELECT name, setting FROM pg_catalog.pg_settings WHERE name NOT LIKE '%.%' ORDER BY name"
    return conn.execute(query).fetchall()


def run_sql(conn: psycopg.Connection[Any], folder: Path, undo: bool) -> None:
    text = one(folder, "*.down.sql" if undo else "*.up.sql")
    *commands, rest = text.split("\n", 2)
    assert commands == ["\\encoding UTF8", "\\set ON_ERROR_STOP on"]
    run(conn, list(pglast.split(rest)), together=False)


def run_flyway(conn: psycopg.Connection[Any], folder: Path, undo: bool) -> None:
    for file in sorted(folder.glob("U*.sql" if undo else "V*.sql"), reverse=undo):
        assert re.fullmatch(r"[VU]\d{14}_\d{2,}__[a-z0-9_]+\.sql", file.name)
        conf = content(Path(f"{file}.conf"))
        run(conn, readers.flyway(content(file), conf), together="executeInTransaction=false" not in conf)


def run_liquibase(conn: psycopg.Connection[Any], folder: Path, undo: bool) -> None:
    changesets = readers.liquibase(one(folder, "*.sql"))
    for changeset in reversed(changesets) if undo else changesets:
        conn.execute('SET search_path TO public, "$user", public')
        statements = changeset.undo() if undo else changeset.statements()
        run(conn, statements, together=changeset.attribute("runInTransaction") != "false")


def run_sqitch(conn: psycopg.Connection[Any], folder: Path, undo: bool) -> None:
    head, encoding, script = one(folder, "revert/*.sql" if undo else "deploy/*.sql").split("\n", 2)
    assert (head[:3], encoding) == ("-- ", "\\encoding UTF8")
    run(conn, list(readers.psql(script)), together=False)


def run_supabase(conn: psycopg.Connection[Any], folder: Path, undo: bool) -> None:
    assert not undo
    for file in sorted(folder.glob("supabase/migrations/*.sql")):
        conn.execute("RESET ALL")
        statements = readers.supabase(content(file))
        run(conn, statements, together=not readers.sent_one_by_one(statements))


RUN: dict[str, Callable[[psycopg.Connection[Any], Path, bool], None]] = {
    "sql": run_sql,
    "flyway": run_flyway,
    "liquibase": run_liquibase,
    "sqitch": run_sqitch,
    "supabase": run_supabase,
}


def state(db: Database) -> tuple[str, list[tuple[Any, ...]]]:
    """Return what there is: the schema, and what the manifest notes."""
    beside = ("sqitch", "supabase_migrations")
    tables = ("databasechangelog*", "flyway_schema_history")
    found = dump(db, *(f"--exclude-schema={each}" for each in beside), *(f"--exclude-table={each}" for each in tables))
    if db.execute("SELECT to_regclass('rlsguard.manifest')") == [(None,)]:
        return found, []
    noted = "SELECT unit, statements_hash, objects, detail FROM rlsguard.manifest ORDER BY unit"
    return found, db.execute(noted)


def there_and_back(db: Database, map_text: str, folder: Path, *args: str) -> tuple[Any, Any]:
    """Return what there is before and after psql's file, which is undone."""
    before = state(db)
    written(db, map_text, "sql", folder, *args)
    run_sql(db.conn, folder, False)
    after = state(db)
    run_sql(db.conn, folder, True)
    assert after != before
    return before, after


@pytest.mark.parametrize("tool", TOOLS)
def test_whatever_the_names_it_does_what_psqls_file_does(odd: Database, tmp_path: Path, tool: str) -> None:
    before, after = there_and_back(odd, odd_bank.MAP, tmp_path / "sql")
    written(odd, odd_bank.MAP, tool, tmp_path / tool)
    RUN[tool](odd.conn, tmp_path / tool, False)
    assert state(odd) == after
    assert "nothing to change" in written(odd, odd_bank.MAP, tool, tmp_path / "again").stderr
    assert [file for file in (tmp_path / "again").iterdir() if file.name != "sqitch.plan"] == []
    if tool == "supabase":  # has no undo
        run_sql(odd.conn, tmp_path / "sql", True)
    else:
        RUN[tool](odd.conn, tmp_path / tool, True)
    assert state(odd) == before


@pytest.mark.parametrize("tool", TOOLS)
def test_a_further_migration(guarded: Database, tmp_path: Path, tool: str) -> None:
    before, after = there_and_back(guarded, MORE, tmp_path / "sql")
    told = written(guarded, MORE, tool, tmp_path / tool, "-m", "Row changes: 100%").output
    listed = [Path(line.removeprefix("wrote ")) for line in told.splitlines() if line.startswith("wrote ")]
    assert sorted(listed) == sorted(file for file in (tmp_path / tool).rglob("*") if file.is_file())
    RUN[tool](guarded.conn, tmp_path / tool, False)
    assert state(guarded) == after
    if tool != "supabase":
        RUN[tool](guarded.conn, tmp_path / tool, True)
        assert state(guarded) == before


# Somebody's own SQL, which the guard is put around, is written in ways that rlsguard's is not.
CHANGES = r"""
-- rollback plan: it's the other file;
/* a remark; with 'a quote /* and one within; */ -- rollback */
CREATE FUNCTION bank.f(a int) RETURNS int LANGUAGE sql BEGIN ATOMIC
    SELECT 1;
    SELECT CASE WHEN a > 0 THEN CASE a WHEN 1 THEN 2 END ELSE 3 END;
END;
CREATE FUNCTION bank.g(int) RETURNS int LANGUAGE sql RETURN $1 + $1;
CREATE VIEW bank.h AS SELECT (ARRAY[1, 2, 3])[1:registry] AS "?", E'it\'s; ${PATH}' AS vendor, e'\'' AS begin
    FROM (SELECT 2 AS registry) AS x WHERE NOT '{"a": 1}'::jsonb ? 'b';
ALTER TABLE bank.client ALTER COLUMN client_id TYPE bigint;
ALTER TABLE bank.disp ALTER COLUMN client_id TYPE bigint -- the last
"""
UNDOING = """
ALTER TABLE bank.disp ALTER COLUMN client_id TYPE int;
ALTER TABLE bank.client ALTER COLUMN client_id TYPE int /* ; */;
DROP VIEW bank.h -- it's
; DROP FUNCTION bank.f, bank.g
"""


def changes_in(folder: Path) -> tuple[str, ...]:
    """Write the changes into *folder* and return the options that name them."""
    (folder / "changes.sql").write_text(CHANGES)
    (folder / "undoing.sql").write_text(UNDOING)
    return "--around", str(folder / "changes.sql"), "--undo", str(folder / "undoing.sql")


@pytest.mark.parametrize("tool", TOOLS)
def test_changes_of_the_schema(guarded: Database, tmp_path: Path, tool: str) -> None:
    options = changes_in(tmp_path)
    before, after = there_and_back(guarded, BANK_MAP, tmp_path / "sql", *options)
    written(guarded, BANK_MAP, tool, tmp_path / tool, *options)
    RUN[tool](guarded.conn, tmp_path / tool, False)
    assert state(guarded) == after
    if tool != "supabase":
        RUN[tool](guarded.conn, tmp_path / tool, True)
        assert state(guarded) == before


# What is said in the tests above means nothing unless the models break what the tools break.


def test_the_models_break_what_the_tools_break(odd: Database, tmp_path: Path) -> None:
    written(odd, odd_bank.MAP, "sql", tmp_path / "sql")
    plain = one(tmp_path / "sql", "*.up.sql").split("\n", 2)[2]
    statements = pglast.split(plain)
    assert len(readers.supabase(plain)) < len(statements)
    assert "${PATH}" not in "".join(readers.flyway(plain, ""))
    changeset = (
        "--liquibase formatted sql\n--changeset a:1 splitStatements:true stripComments:false endDelimiter:--;;\n"
    )
    with pytest.raises(ValueError, match="liquibase rollback"):
        readers.liquibase(changeset + plain)


@pytest.mark.parametrize(
    ("tool", "statement"),
    [
        ("flyway", "SELECT '${PATH}'"),
        (
            "flyway",
            "CREATE FUNCTION f() BEGIN ATOMIC SELECT CASE WHEN a THEN CASE b WHEN 1 THEN 2 END END; SELECT 1; END",
        ),
        ("liquibase", "SELECT '${PATH}'"),
        ("liquibase", "SELECT 'x \\'"),
        ("liquibase", 'SELECT "x \\", 1'),
        ("liquibase", "SELECT 1 AS begin"),
        ("liquibase", "SELECT '\r\n'"),
        ("supabase", "CREATE FUNCTION f() BEGIN ATOMIC SELECT CASE WHEN a THEN 1 END; SELECT 1; END"),
        ("supabase", "CREATE FUNCTION f() BEGIN ATOMIC SELECT vendor; SELECT 1; END"),
        ("supabase", "SELECT E'\\''; SELECT 1"),
        ("supabase", "SELECT 1 FROM a$b$c"),
    ],
)
def test_each_breaks_this(tool: str, statement: str) -> None:
    text = f"{statement};\n--;;\nSELECT 'next', \"one\";\n"
    if tool == "flyway":
        found = readers.flyway(text, "")
    elif tool == "liquibase":
        head = "--liquibase formatted sql\n--changeset a:1 splitStatements:true stripComments:false endDelimiter:--;;\n"
        found = readers.liquibase(head + text)[0].statements()
    else:
        found = readers.supabase(text)
    assert [each.rstrip(";") for each in found] != [statement, "SELECT 'next', \"one\""]


@pytest.mark.parametrize("undo", [False, True])
def test_liquibases_remarks_within_a_text(undo: bool) -> None:
    head = "--liquibase formatted sql\n--changeset a:1 rollbackSplitStatements:true rollbackEndDelimiter:--;;\n"
    line = "--rollback SELECT '\u2028';" if undo else "  -- rollback SELECT 1;"
    (changeset,) = readers.liquibase(f"{head}SELECT '\n{line}\n';\n")
    # Taken for what undoes it, or not taken for that.
    assert (line in changeset.up) == undo


_ODD = r"""${PATH} ${line.separator} $$ $it$ $it_$ do_it$ \ ' " ; -- /* */ --;; E' end BEGIN :x ? %s {{y}} [ ] `
empty changesetId 😀 é a"""
_LINES = ("\n", "\r\n", "\u2028", "\x85", "\x0b", "\t", " ", "\n--rollback x", "\n--changeset a:1 ", "\n-- comment: x")
_FRAGMENTS = st.sampled_from((*_ODD.split(), *_LINES))
_ANY = st.characters(exclude_characters="\0", exclude_categories=("Cs",))
_WORDS = st.lists(_FRAGMENTS | _ANY, min_size=1, max_size=6).map("".join)


@pytest.mark.parametrize("tool", TOOLS)
@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@example(words="x", name="x", bare="begin")
@example(words="x", name="${line.separator}", bare="x")
@example(words="x\\", name="x\\", bare="a$b$c")
@example(words="$it$ $do_it$", name="\\", bare="a$b$c")
@given(words=_WORDS, name=_WORDS, bare=st.sampled_from(["x", "begin", "vendor", "a$b$c", "comment"]))
def test_any_words_arrive(db: Database, tmp_path: Path, tool: str, words: str, name: str, bare: str) -> None:
    title = text(remark(f"-- {name}"))
    said = text(sql.SQL("SELECT set_config('its.said', {}, false)").format(words))
    statement = f'{title}\n{said} AS "{name.replace(chr(34), 2 * chr(34))}" FROM (SELECT 1) AS {bare}'
    step = Step(f"{name}: hidden", name, (statement, statement), ("SELECT 1", statement, statement))
    folder = tmp_path / tool
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "x").mkdir(parents=True)
    (folder / "sqitch.plan").write_text(PLAN)
    for file, its in FORMATS[tool](
        Migration((f"From {text(remark(name))}",), (step, step), (), (), ()), name, folder
    ).items():
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        (folder / file).write_bytes(its.encode())
    for undo in (False,) if tool == "supabase" else (False, True):
        db.execute("SET its.said = ''")
        RUN[tool](db.conn, folder, undo)
        assert db.execute("SELECT current_setting('its.said')") == [(words,)]


# What cannot be kept from being read as something else, and other errors


@pytest.mark.parametrize(
    ("tool", "table"),
    [("liquibase", "disp ${PATH}"), ("liquibase", "x\n--rollback y"), ("liquibase", "x\\"), ("supabase", "a$b$c")],
)
def test_an_index_on_such_a_table_is_refused(tmp_path: Path, tool: str, table: str) -> None:
    name = QualifiedName("bank", table)
    make = f"CREATE INDEX CONCURRENTLY {quote(f'{table}_id')} ON {name} (id)"
    index = Index(name, ("id",), (make,), ("SELECT 1",))
    with pytest.raises(RlsguardError, match=re.escape(str(name))):
        FORMATS[tool](Migration((), (), (index,), (), ()), "x", tmp_path)
    assert FORMATS["flyway"](Migration((), (), (index,), (), ()), "x", tmp_path)


@pytest.mark.parametrize("tool", TOOLS)
def test_a_folder_must_be_named(bank: Database, tmp_path: Path, tool: str) -> None:
    (tmp_path / "map.yaml").write_text(BANK_MAP)
    result = CliRunner().invoke(
        rlsguard, ["migrate", str(tmp_path / "map.yaml"), "--dsn", bank.dsn(), "--format", tool]
    )
    assert result.exit_code == 2
    assert f"--format {tool} needs -o" in result.stderr


@pytest.mark.parametrize("tool", ["sql", *TOOLS])
def test_what_is_there_stays(guarded: Database, tmp_path: Path, tool: str, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / tool
    written(guarded, MORE, tool, folder)
    last = sorted(file for file in folder.rglob("*.sql"))[-1]
    last.write_text("-- changed by hand\n")
    if tool == "sqitch":
        (folder / "sqitch.plan").write_text(PLAN)
    before = {file: file.read_bytes() for file in folder.rglob("*") if file.is_file()}
    stamp = re.search(r"\d{14}", last.name)
    if stamp is not None:
        now = datetime.strptime(stamp[0], "%Y%m%d%H%M%S").replace(tzinfo=UTC)
        monkeypatch.setattr(f"rlsguard.migrate.write.{tool}.datetime", _at(now))
    told = written(guarded, MORE, tool, folder, code=2).stderr
    assert f"{last} is there already; nothing was written" in told
    assert {file: file.read_bytes() for file in folder.rglob("*") if file.is_file()} == before


def _at(when: datetime) -> type[datetime]:
    class Stopped(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> datetime:
            return when

    return Stopped


# Sqitch


def test_the_plan_goes_on(guarded: Database, tmp_path: Path) -> None:
    folder = tmp_path / "project"
    folder.mkdir()
    plan = b"%syntax-version=1.0.0\r\n%project=bank\r\n\r\none 2026-01-01T00:00:00Z A <a@b> # \xc3\xa9"
    (folder / "sqitch.plan").write_bytes(plan)
    (folder / "sqitch.conf").write_text("[core]\n\tengine = pg\n[user]\n\tname = Jo Doe\n\temail = jo@bank.example\n")
    written(guarded, MORE, "sqitch", folder, "-m", 'Row changes: 100%\n"more" \\n')
    line = (folder / "sqitch.plan").read_bytes().removeprefix(plan).decode()
    stamp, rest = line.removeprefix("\nrow_changes_100_more_n ").split(" ", 1)
    assert abs(datetime.now(UTC) - datetime.strptime(stamp, "%Y-%m-%dT%H:%M:%S%z")) < timedelta(minutes=1)
    assert rest == 'Jo Doe <jo@bank.example> # Row changes: 100% "more" \\\\n\n'


def test_only_pragmas_are_followed_by_an_empty_line(guarded: Database, tmp_path: Path) -> None:
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "sqitch.plan").write_text("%syntax-version=1.0.0\n%project=bank")
    written(guarded, MORE, "sqitch", folder)
    assert content(folder / "sqitch.plan").startswith("%syntax-version=1.0.0\n%project=bank\n\nguard_of_opt_outs 20")
    assert content(folder / "sqitch.plan").endswith(" rlsguard <rlsguard@localhost> # guard of opt-outs\n")


def test_a_project_without_a_plan(guarded: Database, tmp_path: Path) -> None:
    (tmp_path / "map.yaml").write_text(MORE)
    arguments = ["--dsn", guarded.dsn(), "--format", "sqitch", "-o", str(tmp_path / "none")]
    result = CliRunner().invoke(rlsguard, ["migrate", str(tmp_path / "map.yaml"), *arguments])
    assert result.exit_code == 2
    assert "sqitch init" in result.stderr
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize("line", ["mine", "mine [one]", "  mine [one @v1]", "+mine"])
def test_a_change_of_that_name(guarded: Database, tmp_path: Path, line: str) -> None:
    folder = tmp_path / "project"
    folder.mkdir()
    plan = f"{PLAN}one 2026-01-01T00:00:00Z A <a@b> # mine\n{line} 2026-01-01T00:00:00Z A <a@b> # x\n"
    (folder / "sqitch.plan").write_text(plan)
    assert "has a change mine already" in written(guarded, MORE, "sqitch", folder, "-m", "Mine", code=2).stderr
    assert [file.name for file in folder.iterdir()] == ["sqitch.plan"]
    assert content(folder / "sqitch.plan") == plan
    # Only a name counts, not a note.
    written(guarded, MORE, "sqitch", folder, "-m", "x")


def test_verify(guarded: Database, tmp_path: Path) -> None:
    written(guarded, MORE, "sqitch", tmp_path / "project")
    script = one(tmp_path / "project", "verify/*.sql").split("\n", 2)[2].replace(':"registry"', "registry")
    guarded.execute("CREATE SCHEMA registry")
    guarded.execute("CREATE TABLE registry.changes (project text, change text, committed_at timestamptz)")

    def holds() -> bool:
        with guarded.connect() as conn:
            try:
                conn.execute(script)
            except psycopg.errors.DivisionByZero:
                return False
            return True

    assert not holds()
    run_sqitch(guarded.conn, tmp_path / "project", False)
    assert holds()
    changed = (
        "UPDATE rlsguard.manifest SET statements_hash = 'other', applied_at = clock_timestamp() WHERE unit ~ '^audit'"
    )
    guarded.execute(changed)
    assert not holds()
    # It is not to be judged by what later changes did.
    guarded.execute("INSERT INTO registry.changes VALUES ('bank', 'another', now() - interval '1 h')")
    assert not holds()
    guarded.execute("INSERT INTO registry.changes VALUES ('bank', 'guard_of_opt_outs', now() - interval '1 h')")
    assert holds()


# The tools themselves, where they are


def tool(name: str) -> Path:
    """Return the command, or skip the test."""
    found = shutil.which(name, path=os.environ.get("RLSGUARD_TOOLS")) or shutil.which(name)
    if found is None:
        pytest.skip(f"{name} is not here: put it on the PATH, or name its folder in RLSGUARD_TOOLS")
    return Path(found)


@contextmanager
def over_tcp(db: Database) -> Iterator[None]:
    """Let the superuser log in over TCP, for tools that know nothing else."""
    alter = sql.SQL("ALTER ROLE {} PASSWORD {}")
    db.execute(alter.format(sql.Identifier(SUPERUSER), "secret"))
    try:
        yield
    finally:
        db.execute(alter.format(sql.Identifier(SUPERUSER), None))


def ran(db: Database, folder: Path, *command: object) -> str:
    """Run *command* in *folder*."""
    environment = {**os.environ, "PATH": f"{db.server.bindir}:{os.environ['PATH']}", "PGPASSWORD": "secret"}
    done = subprocess.run(
        [*map(str, command)], cwd=folder, env=environment, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def really_flyway(db: Database, folder: Path, undo: bool) -> None:
    if undo:  # which is paid for
        run_flyway(db.conn, folder, True)
        return
    place = f"-url=jdbc:postgresql://127.0.0.1:{db.server.port}/{db.name}"
    login = (f"-user={SUPERUSER}", "-password=secret", f"-locations=filesystem:{folder}", "-baselineOnMigrate=true")
    ran(db, folder, tool("flyway"), "migrate", place, *login, "-postgresql.transactional.lock=false")


def really_liquibase(db: Database, folder: Path, undo: bool) -> None:
    (file,) = folder.glob("*.sql")
    place = f"--url=jdbc:postgresql://127.0.0.1:{db.server.port}/{db.name}"
    command = (
        tool("liquibase"),
        place,
        f"--username={SUPERUSER}",
        "--password=secret",
        f"--changelog-file={file.name}",
    )
    changesets = len(readers.liquibase(content(file)))
    ran(db, folder, *command, *(("rollback-count", changesets) if undo else ("update",)))


def really_sqitch(db: Database, folder: Path, undo: bool) -> None:
    target = f"db:pg://{SUPERUSER}@127.0.0.1:{db.server.port}/{db.name}"
    if not undo:
        ran(db, folder, tool("sqitch"), "init", "bank", "--engine", "pg", "--target", target)
    for command in (["revert", "-y"],) if undo else (["deploy", "--verify"], ["verify"]):
        ran(db, folder, tool("sqitch"), *command, target)


def really_supabase(db: Database, folder: Path, undo: bool) -> None:
    url = f"postgresql://{SUPERUSER}:secret@127.0.0.1:{db.server.port}/{db.name}?sslmode=disable"
    ran(db, folder, tool("supabase"), "db", "push", "--yes", "--db-url", url)


REALLY: dict[str, Callable[[Database, Path, bool], None]] = {
    "flyway": really_flyway,
    "liquibase": really_liquibase,
    "sqitch": really_sqitch,
    "supabase": really_supabase,
}


def cycle(db: Database, name: str, map_text: str, folder: Path, *args: str) -> None:
    """Let the tool itself go up and down."""
    if name == "sqitch" and not (db.server.bindir / "psql").exists():
        pytest.skip(f"PostgreSQL {db.major} here comes without psql")
    before, after = there_and_back(db, map_text, folder / "sql", *args)
    written(db, map_text, name, folder / name, *args)
    with over_tcp(db):
        REALLY[name](db, folder / name, False)
        assert state(db) == after
        loaded = datamap.load(folder / "map.yaml")
        assert not applying.apply(db.conn, loaded, dry_run=True).changes
        with db.connect() as conn:
            found = check(conn, loaded, scratch=db.server.dsn()).findings
        assert [finding for finding in found if finding.severity == "error"] == []
        if name != "supabase":
            REALLY[name](db, folder / name, True)
            assert state(db) == before


@pytest.mark.parametrize("name", TOOLS)
def test_the_tool_itself(odd: Database, tmp_path: Path, name: str) -> None:
    tool(name)
    cycle(odd, name, odd_bank.MAP, tmp_path)


@pytest.mark.parametrize("name", TOOLS)
def test_the_tool_itself_with_changes_of_the_schema(guarded: Database, tmp_path: Path, name: str) -> None:
    tool(name)
    cycle(guarded, name, BANK_MAP, tmp_path, *changes_in(tmp_path))

"""Revisions of `rlsguard migrate --alembic`: where they go, and that Alembic runs them like any other."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import sqlalchemy.exc
from hypothesis import given
from hypothesis import strategies as st

from guarding import BANK_MAP, WITHOUT_1, opt_out, small_bank, visible
from migrate.migrating import down, migration, psql, state, up, would_change
from migrate.projects import Project
from rlsguard.migrate import Migration, Step
from rlsguard.migrate.steps import within
from rlsguard.migrate.write import revision
from rlsguard.migrate.write.alembic import Place, write_revisions

pytestmark = pytest.mark.by_turns

MORE = BANK_MAP.replace("  bank.client: {holds", "  bank.client: {audit: true, holds")
# Nothing but rows: one transaction, which is Alembic's own.
ROWS = MORE.replace("  analytics: {}", '  analytics: {}\n  research: {description: "100% it\'s: :x"}')


@pytest.fixture
def project(template_db, tmp_path) -> Project:
    return Project(tmp_path, small_bank(template_db))


@pytest.mark.parametrize(("driver", "per_migration"), [("psycopg", False), ("psycopg2", True)])
def test_online_offline_and_psql_lead_to_the_same(template_db, tmp_path, driver, per_migration):
    db = small_bank(template_db)
    project = Project(tmp_path, db, driver=driver)
    if per_migration:
        project.edit(
            "migrations/env.py", "connection=connection,", "connection=connection,\ntransaction_per_migration=True,"
        )
    states = [state(db)]
    for text, transactions in ((BANK_MAP, 5), (MORE, 1), (ROWS, 1)):
        written = migration(db, text)
        assert len(written.steps) == transactions
        up(db, written)
        states.append(state(db))
        down(db, written)
        project.revise(text)
        project.upgrade()
        assert state(db) == states[-1]
    script = project.offline("upgrade", "head")
    back = project.offline("downgrade", "head:base")
    for before in states[2::-1]:
        project.downgrade("-1")
        assert state(db) == before
    db.execute("DROP TABLE alembic_version")
    psql(db, script)
    assert state(db) == states[-1]
    assert would_change(db, ROWS) == []
    psql(db, back)
    assert state(db) == states[0]
    # Two at once, of which the first ends Alembic's transaction and the second goes on with another.
    project.upgrade()
    assert state(db) == states[-1]


def test_where_it_goes(project):
    first = project.own("first")
    assert "is to follow" in project.migrate(BANK_MAP).stderr
    project.upgrade()
    (guard,) = project.revise(BANK_MAP, "-m", "the guard")
    assert (guard.down_revision, guard.doc) == (first, "the guard")
    Path(guard.path).unlink()

    one = project.own("one")
    other = project.own("other", head=first, splice=True)
    project.upgrade("heads")
    for options, told in (
        ((), f"there are several heads: {', '.join(sorted((one, other)))}; say --head, or merge them first"),
        (("--head", "nowhere"), "Can't locate revision identified by 'nowhere'"),
        (("--head", first), f"Revision {first} is not a head revision; please specify --splice"),
    ):
        result = project.migrate(BANK_MAP, *options)
        assert result.exit_code == 2
        assert told in result.stderr.splitlines()[-1]
        assert result.stdout == ""
    (guard,) = project.revise(BANK_MAP, "--head", other)
    assert guard.down_revision == other
    Path(guard.path).unlink()
    (guard,) = project.revise(BANK_MAP, "--head", first, "--splice")
    assert guard.down_revision == first
    assert len(project.script.get_heads()) == 3


def test_a_database_that_is_elsewhere(project):
    first, second = project.own("first"), project.own("second")
    for at, told in (
        (None, f"the database is at revision none, and the new one is to follow {second}; upgrade it to that first"),
        (
            first,
            f"the database is at revision {first}, and the new one is to follow {second}; upgrade it to that first",
        ),
        ("other", "the database is at revision other, which this project does not have"),
    ):
        if at is not None:
            project.db.execute("CREATE SCHEMA IF NOT EXISTS deploy")
            project.db.execute("CREATE TABLE IF NOT EXISTS deploy.versions (version_num varchar(32) PRIMARY KEY)")
            project.db.execute("DELETE FROM deploy.versions")
            project.db.execute("INSERT INTO deploy.versions VALUES (%s)", [at])
        result = project.migrate(BANK_MAP)
        assert (result.exit_code, result.stderr.splitlines()[-1]) == (2, f"rlsguard: {told}")
    project.db.execute("UPDATE deploy.versions SET version_num = %s", [second])
    (guard,) = project.revise(BANK_MAP)
    assert guard.down_revision == second


def test_nothing_to_change(template_db, tmp_path):
    project = Project(tmp_path, small_bank(template_db, BANK_MAP))
    result = project.migrate(BANK_MAP)
    assert (result.exit_code, result.stdout) == (0, "")
    assert result.stderr.splitlines()[-1] == "nothing to change; no file is written"
    assert list(project.script.walk_revisions()) == []


BREAKING: dict[str, Callable[[Project], object]] = {
    "there is no such file": lambda p: p.ini.unlink(),
    "No 'script_location' key found in configuration": lambda p: p.ini.write_text(""),
    "Path doesn't exist": lambda p: shutil.rmtree(p.folder / "migrations"),
    "UnicodeDecodeError": lambda p: p.ini.write_bytes(b"\xff"),
    "ModuleNotFoundError: No module": lambda p: (p.versions / "one.py").write_text("import nothing_like_it"),
    "SyntaxError": lambda p: (p.versions / "one.py").write_text("def def"),
    "Template rendering failed": lambda p: (p.folder / "migrations" / "script.py.mako").write_text("${nothing.there}"),
}


@pytest.mark.parametrize("told", BREAKING)
def test_a_project_that_is_broken(project, told):
    BREAKING[told](project)
    result = project.migrate(BANK_MAP)
    assert result.exit_code == 2
    error = result.stderr.splitlines()[-1]
    assert error.startswith(f"rlsguard: {project.ini}: ")
    assert told in error


def test_hooks_and_templates_are_the_projects_own(project):
    hook = project.folder / "hook.sh"
    hook.write_text('#!/bin/sh\necho "# seen by the hook" >> "$1"\n')
    hook.chmod(0o700)
    project.edit(
        "alembic.ini",
        "[post_write_hooks]",
        f"[post_write_hooks]\nhooks = own\nown.type = exec\nown.executable = {hook}\n"
        "own.options = REVISION_SCRIPT_FILENAME\n",
    )
    project.edit("migrations/script.py.mako", '"""${message}', '# Reviewed by the data team: ${message}\n"""${message}')
    project.edit("migrations/script.py.mako", "def upgrade() -> None:", "def upgrade(*, dry: bool = False) -> None:")
    project.edit("alembic.ini", "script_location =", "file_template = guard_%%(slug)s\nscript_location =")
    (guard,) = project.revise(BANK_MAP, "-m", "Opt-outs hide rows")
    assert Path(guard.path).name == "guard_opt_outs_hide_rows.py"
    text = Path(guard.path).read_text("utf-8")
    assert text.startswith("# Reviewed by the data team: Opt-outs hide rows\n")
    assert "def upgrade(*, dry: bool = False) -> None:" in text
    assert text.endswith("# seen by the hook\n")
    project.upgrade()
    assert would_change(project.db, BANK_MAP) == []


ODD = (
    '"""',
    "'''",
    "\\",
    '"',
    "'",
    "%s",
    "%%",
    ":x",
    "::",
    "{y}",
    "${x}",
    "<%",
    "## ",
    "\n",
    "\t",
    " ",
    "é",
    "\x85",
    "\u2028",
)


@pytest.mark.parametrize(
    "message", ['"""', "ends with a \\", '"quotes"', "100% ${x} {y} %s \\N :x", "two\nlines", "é\u2028ü"]
)
def test_messages_are_anything(project, message):
    statements = (f"SELECT '{message}'", *(f"SELECT {odd} FROM x" for odd in ODD))
    step = Step(f"title {message}", "guard", statements, ("SELECT 2",))
    (file,) = write_revisions(
        Migration((f"remark {message}",), (step, step), (), (), ()), message, Place(project.ini), None
    )
    (guard,) = project.script.walk_revisions()
    assert (Path(guard.path), guard.doc) == (file, " ".join(message.split()))
    assert run(guard.module.upgrade) == ["BEGIN", *statements, "COMMIT"] * 2
    assert run(guard.module.downgrade) == ["BEGIN", "SELECT 2", "COMMIT"] * 2


_STATEMENT = st.lists(st.sampled_from([*ODD, "SELECT", "x", ";"]), min_size=1).map("".join)
_STATEMENTS = st.lists(_STATEMENT | st.text(min_size=1), min_size=1, max_size=3).map(tuple)


@given(st.lists(_STATEMENTS, min_size=1, max_size=3))
def test_each_character_arrives(its):
    for written in (revision.upgrade, revision.downgrade):
        body = written([Step("title", "about", statements, statements) for statements in its])
        module: dict[str, Any] = {}
        exec(f"def way():\n    {body.rstrip()}\n", module)
        ran = run(module["way"])
        if len(its) == 1:
            assert ran == [*within(its[0])]
        else:
            order = its if written is revision.upgrade else its[::-1]
            assert ran == [each for statements in order for each in ("BEGIN", *statements, "COMMIT")]


def run(way: Callable[[], None]) -> list[str]:
    """Run a revision's function and return the statements that it runs."""
    ran: list[str] = []
    bind = SimpleNamespace(exec_driver_sql=lambda statement, execution_options: ran.append(statement))
    context = SimpleNamespace(as_sql=False, autocommit_block=nullcontext)
    way.__globals__["op"] = SimpleNamespace(get_context=lambda: context, get_bind=lambda: bind)
    way()
    return ran


def test_what_failed_halfway_is_run_again(project):
    db = project.db
    written = migration(db, BANK_MAP)
    up(db, written)
    expected = state(db)
    down(db, written)
    project.revise(BANK_MAP)
    db.execute("CREATE POLICY theirs ON bank.trans USING (true)")
    with pytest.raises(sqlalchemy.exc.DBAPIError, match="has other row security or policies than these statements"):
        project.upgrade()
    assert db.execute("SELECT count(*) FROM alembic_version") == [(0,)]
    opt_out(db, 1, "marketing")
    assert visible(db, "campaign_app") == {**WITHOUT_1, "trans": [1000, 1001, 1002]}
    db.execute("DROP POLICY theirs ON bank.trans")
    project.upgrade()
    assert visible(db, "campaign_app") == WITHOUT_1
    assert state(db) == expected


def test_what_comes_after_it_in_one_transaction_finds_its_settings(template_db, tmp_path):
    db = small_bank(template_db, BANK_MAP)
    project = Project(tmp_path, db)
    # One transaction for all of them, as Alembic has it by default.
    project.own(
        "before",
        "op.execute(\"SET LOCAL search_path = bank, public; SET LOCAL lock_timeout = '7s';"
        " SET LOCAL timezone = 'Asia/Tokyo'\")",
    )
    first = project.script.get_current_head()
    db.execute("CREATE TABLE alembic_version (version_num varchar(32) PRIMARY KEY)")
    db.execute("INSERT INTO alembic_version VALUES (%s)", [first])
    project.revise(ROWS.replace("audit: true, ", ""))
    db.execute("DELETE FROM alembic_version")
    project.own(
        "after",
        "op.execute(\"CREATE TABLE kept AS SELECT current_user::text AS role, current_setting('lock_timeout') AS waits,"
        " current_setting('timezone') AS zone, current_setting('standard_conforming_strings') AS plain\")",
    )
    project.upgrade()
    assert db.execute("SELECT * FROM bank.kept") == [("postgres", "7s", "Asia/Tokyo", "on")]


_WITHOUT_RLSGUARD = """
import sys

class Nowhere:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "rlsguard":
            raise ModuleNotFoundError("No module named 'rlsguard'")

sys.meta_path.insert(0, Nowhere())
try:
    import rlsguard
except ModuleNotFoundError:
    from alembic.config import main
    main(["-c", sys.argv[1], "upgrade", "head"])
"""


def test_running_it_takes_no_rlsguard(project):
    project.revise(BANK_MAP)
    command = [sys.executable, "-c", _WITHOUT_RLSGUARD, str(project.ini)]
    subprocess.run(command, check=True, capture_output=True)
    assert would_change(project.db, BANK_MAP) == []

"""Autogenerate with the guard: a bank's history of twelve revisions, up, down and up again."""

from __future__ import annotations

import difflib
import io
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest
import sqlalchemy as sa
from alembic import command
from alembic.script import ScriptDirectory
from alembic.util import CommandError

from guarding import column, opt_out
from migrate.bank_project import STAGES, Project, Stage
from rlsguard import apply as applying
from rlsguard import datamap
from rlsguard.alembic import include_name, include_object
from rlsguard.check import check
from servers import Database, dump

pytestmark = pytest.mark.by_turns

_ROLES = """
CREATE SCHEMA bank;
CREATE ROLE campaign_app LOGIN;
CREATE ROLE bi_reader LOGIN;
CREATE ROLE teller_app LOGIN;
GRANT USAGE ON SCHEMA bank TO campaign_app, bi_reader, teller_app;
ALTER DEFAULT PRIVILEGES IN SCHEMA bank GRANT SELECT ON TABLES TO campaign_app, bi_reader, teller_app;
"""
_ROWS = """
INSERT INTO bank.client (client_id, birth_number) VALUES (1, '700101'), (2, '750202');
INSERT INTO bank.account (account_id) VALUES (10), (20);
INSERT INTO bank.disp (disp_id, client_id, account_id) VALUES (100, 1, 10), (101, 2, 20);
INSERT INTO bank.trans (trans_id, account_id, amount) VALUES (1000, 10, 1), (1001, 20, 2);
"""
_EVENTS = "guard: {event_trigger: true}\n"
_GUARDED = 4  # from this stage on


@pytest.fixture
def project(db: Database, tmp_path: Path) -> Project:
    return _project(db, tmp_path, "psycopg")


def _project(db: Database, tmp_path: Path, driver: str) -> Project:
    db.execute(_ROLES)
    info = db.conn.info
    return Project(tmp_path, f"postgresql+{driver}://{info.user}@/{info.dbname}?host={info.host}&port={info.port}")


def test_up_down_and_up_again(project: Project, db: Database) -> None:
    dumps: list[str] = []
    for number, stage in enumerate(STAGES, 1):
        text = project.revise(stage)
        assert ("rlsguard" in text) == (number >= _GUARDED)
        project.upgrade()
        dumps.append(dump(db))
        if number == _GUARDED:
            db.execute(_ROWS)
            opt_out(db, 1, "marketing")
        if number >= _GUARDED:
            assert not applying.apply(db.conn, datamap.load(project.map_path), dry_run=True).changes
            assert _seen(db) == [[2], [20], [101], [1001]]
    assert len(dumps) == 12
    with db.connect() as conn:
        found = check(conn, datamap.load(project.map_path), scratch=db.server.dsn()).findings
    assert [finding for finding in found if finding.severity == "error"] == []

    revisions = _revisions(project)
    for number in range(len(STAGES) - 1, 0, -1):
        project.downgrade(revisions[number - 1])
        if number >= _GUARDED:
            assert _seen(db) == [[2], [20], [101], [1001]]
            assert _difference(dumps[number - 1], dump(db)) == "", STAGES[number - 1].message
        else:
            # The ledger stays, and takes hold again.
            assert db.execute("SELECT subject_key, action FROM rlsguard.opt_out_event") == [("1", "opt_out")]
            assert _difference(dumps[number - 1], dump(db, "--exclude-schema=rlsguard")) == ""
    project.downgrade("base")
    for number, revision in enumerate(revisions, 1):
        project.upgrade(revision)
        if number >= _GUARDED:
            assert _difference(dumps[number - 1], dump(db)) == "", STAGES[number - 1].message
            assert db.execute("SELECT subject_key::text FROM rlsguard.opt_out_client WHERE in_force") == [("1",)]

    project.downgrade("base")
    db.execute("DROP TABLE alembic_version")
    script = io.StringIO()
    project.config.output_buffer = script
    command.upgrade(project.config, "head", sql=True)
    db.execute(script.getvalue())
    assert _difference(dumps[-1], dump(db)) == ""


def test_nothing_is_left_where_nobody_opted_out(project: Project, db: Database) -> None:
    empty = dump(db)
    for stage in STAGES[_GUARDED - 2 : _GUARDED + 1]:
        project.revise(stage)
        project.upgrade()
    guarded = dump(db)
    project.downgrade("base")
    # Alembic's own table stays, empty.
    db.execute("DROP TABLE alembic_version")
    assert _difference(empty, dump(db)) == ""
    assert db.execute("SELECT FROM pg_roles WHERE rolname ~ '^rlsguard'") == []
    project.upgrade()
    assert _difference(guarded, dump(db)) == ""


def test_nothing_to_compare(project: Project, db: Database) -> None:
    for stage in STAGES[:_GUARDED]:
        project.revise(stage)
        project.upgrade()
    command.check(project.config)  # raises where autogenerate would write something
    db.execute('ALTER POLICY "!rlsguard" ON bank.trans USING (true)')
    with pytest.raises(CommandError, match="rlsguard"):
        command.check(project.config)


def test_another_driver(db: Database, tmp_path: Path) -> None:
    project = _project(db, tmp_path, "psycopg2")
    for stage in STAGES[_GUARDED - 1 : _GUARDED + 3]:
        project.revise(stage)
        project.upgrade()
    assert not applying.apply(db.conn, datamap.load(project.map_path), dry_run=True).changes
    path = Path(command.revision(project.config, "by hand").path)
    path.write_text(path.read_text(encoding="utf-8").replace("    pass\n", _BY_HAND, 1), encoding="utf-8")
    with pytest.raises(CommandError, match="takes the driver psycopg"):
        project.upgrade()


def test_event_triggers_let_it_through(project: Project, db: Database) -> None:
    for stage in STAGES[:_GUARDED]:
        project.revise(stage if not stage.map else replace(stage, map=_EVENTS + stage.map))
        project.upgrade()
    before = dump(db)
    for stage in (STAGES[6], STAGES[8], STAGES[10]):
        project.revise(replace(stage, map=_EVENTS + stage.map))
        project.upgrade()
        assert not applying.apply(db.conn, datamap.load(project.map_path), dry_run=True).changes
        with pytest.raises(psycopg.errors.InsufficientPrivilege, match="belongs to the guard"):
            db.execute('ALTER POLICY "!rlsguard" ON bank.trans USING (true)')
    project.downgrade("-3")
    assert _difference(before, dump(db)) == ""


def test_a_table_that_a_path_crosses_is_dropped(project: Project, db: Database) -> None:
    for stage in STAGES[:_GUARDED]:
        project.revise(stage)
        project.upgrade()
    before = dump(db)
    models = STAGES[0].models()
    sa.Table(
        "owner",
        models,
        sa.Column("client_id", sa.Integer, sa.ForeignKey("bank.client.client_id"), primary_key=True),
        sa.Column("account_id", sa.Integer, sa.ForeignKey("bank.account.account_id"), primary_key=True),
    )
    text = STAGES[_GUARDED - 1].map.replace("bank.disp", "bank.owner")
    text = "\n".join(line for line in text.splitlines() if not line.startswith("  bank.trans"))
    project.revise(Stage("no disp", lambda: models, text))
    project.upgrade()
    assert not applying.apply(db.conn, datamap.load(project.map_path), dry_run=True).changes
    db.execute("INSERT INTO bank.client VALUES (1, ''), (2, ''); INSERT INTO bank.account VALUES (10), (20)")
    db.execute("INSERT INTO bank.owner VALUES (1, 10), (2, 20)")
    opt_out(db, 1, "marketing")
    assert column(db, "SELECT account_id FROM bank.account", user="campaign_app") == [20]
    project.downgrade("-1")
    assert _difference(before, dump(db)) == ""


def test_a_map_that_does_not_fit(project: Project, db: Database) -> None:
    with pytest.raises(CommandError, match=r"map\.yaml:\d+:\d+: .*bank\.trans"):
        project.revise(Stage("too early", STAGES[1].models, STAGES[_GUARDED].map))
    assert ScriptDirectory.from_config(project.config).get_heads() == []


# By hand: a key is renamed and gets another type, which a policy and views of the guard name.
_BY_HAND = """
    from rlsguard.alembic.op import taken_off
    with taken_off("bank.client", "bank.disp"):
        op.alter_column("client", "client_id", new_column_name="number", type_=sa.BigInteger(), schema="bank")
        op.alter_column("disp", "client_id", type_=sa.BigInteger(), schema="bank")
"""


def test_by_hand(project: Project, db: Database) -> None:
    for stage in STAGES[:_GUARDED]:
        project.revise(stage)
        project.upgrade()
    db.execute(_ROWS)
    opt_out(db, 1, "marketing")
    path = Path(command.revision(project.config, "by hand").path)
    path.write_text(path.read_text(encoding="utf-8").replace("    pass\n", _BY_HAND, 1), encoding="utf-8")
    renamed = (
        STAGES[_GUARDED - 1]
        .map.replace("key: client_id", "key: number")
        .replace("{client: client_id}}", "{client: number}}", 1)
    )
    project.map_path.write_text(renamed, encoding="utf-8")
    project.upgrade()
    assert column(db, "SELECT number FROM bank.client", user="campaign_app") == [2]
    assert column(db, "SELECT trans_id FROM bank.trans", user="campaign_app") == [1001]
    assert not applying.apply(db.conn, datamap.load(project.map_path), dry_run=True).changes
    with pytest.raises(CommandError, match="offline"):
        command.upgrade(project.config, f"{_revisions(project)[-2]}:head", sql=True)


def test_schemas_of_the_guard_are_not_alembics() -> None:
    guards = sa.Table("purpose", sa.MetaData(schema="rlsguard"), sa.Column("purpose", sa.Text), sa.Column("x", sa.Text))
    theirs = sa.Table("purpose", sa.MetaData(schema="bank"), sa.Column("purpose", sa.Text))
    assert not include_object(guards, "purpose", "table", True, None)
    assert not include_object(guards.c.x, "x", "column", True, None)
    assert include_object(theirs, "purpose", "table", True, None)
    assert not include_name("rlsguard_views", "schema", {})
    assert include_name("bank", "schema", {})
    assert include_name("rlsguard", "table", {"schema_name": "bank"})


def _revisions(project: Project) -> list[str]:
    """Return the revisions, oldest first."""
    return [each.revision for each in ScriptDirectory.from_config(project.config).walk_revisions()][::-1]


def _difference(wanted: str, found: str) -> str:
    return "\n".join(difflib.unified_diff(wanted.splitlines(), found.splitlines(), n=1, lineterm=""))


def _seen(db: Database) -> list[list[int]]:
    """Return the keys that a role sees who is held to marketing; 1, who opted out, holds account 10."""
    keys = {"client": "client_id", "account": "account_id", "disp": "disp_id", "trans": "trans_id"}
    return [column(db, f"SELECT {key} FROM bank.{table}", user="campaign_app") for table, key in keys.items()]

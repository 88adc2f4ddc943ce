"""Autogenerate with the guard: a bank's history of twelve revisions, up, down and up again."""

from __future__ import annotations

import difflib
from pathlib import Path

import pytest
from alembic.script import ScriptDirectory

from guarding import column, opt_out
from migrate.bank_project import STAGES, Project
from rlsguard import apply as applying
from rlsguard import datamap
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
_GUARDED = 4  # from this stage on


@pytest.fixture
def project(db: Database, tmp_path: Path) -> Project:
    db.execute(_ROLES)
    info = db.conn.info
    return Project(tmp_path, f"postgresql+psycopg://{info.user}@/{info.dbname}?host={info.host}&port={info.port}")


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
            assert db.execute("SELECT subject_key FROM rlsguard.opt_out_client WHERE in_force") in ([(1,)], [("1",)])


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


def _revisions(project: Project) -> list[str]:
    """Return the revisions, oldest first."""
    return [each.revision for each in ScriptDirectory.from_config(project.config).walk_revisions()][::-1]


def _difference(wanted: str, found: str) -> str:
    return "\n".join(difflib.unified_diff(wanted.splitlines(), found.splitlines(), n=1, lineterm=""))


def _seen(db: Database) -> list[list[int]]:
    """Return the keys that a role sees who is held to marketing; 1, who opted out, holds account 10."""
    keys = {"client": "client_id", "account": "account_id", "disp": "disp_id", "trans": "trans_id"}
    return [column(db, f"SELECT {key} FROM bank.{table}", user="campaign_app") for table, key in keys.items()]

"""What squawk says of migrations; docs/migrate.md explains what is left."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from guarding import BANK_MAP, small_bank
from migrate.migrating import migration
from rlsguard.migrate.write import plain

DOCS = Path(__file__).parents[2] / "docs"
AUDITED = BANK_MAP.replace("holds: [financial]", "audit: true, holds: [financial]")
FEWER = AUDITED[: AUDITED.index("  bank.trans:")]
# A path misses an index, a table has a partition.
MORE = """
DROP INDEX bank.disp_account_id_idx;
CREATE TABLE bank.card (card_id int, client_id int NOT NULL REFERENCES bank.client) PARTITION BY RANGE (card_id);
CREATE TABLE bank.card_1 PARTITION OF bank.card FOR VALUES FROM (1) TO (1000);
"""
CARD = "  bank.card: {holds: [financial], subject: {client: client_id}, audit: true}\n"
EVENTS = "guard: {event_trigger: true}\n"
# By rule, what all lines that it is about have.
EXPLAINED = {
    "require-lock-timeout": " INDEX CONCURRENTLY ",
    "require-statement-timeout": " INDEX CONCURRENTLY ",
    "prefer-robust-stmts": "CREATE INDEX CONCURRENTLY ",
    "ban-drop-view": "DROP VIEW IF EXISTS rlsguard",
    "ban-drop-table": "DROP TABLE IF EXISTS rlsguard.",
    "ban-drop-function": " IF EXISTS rlsguard",
    "ban-drop-schema": "DROP SCHEMA IF EXISTS rlsguard_events",
    "prefer-bigint-over-int": " int",
    "prefer-bigint-over-smallint": "key_number smallint NOT NULL",
}


def said(script: str, path: Path, *options: str) -> set[tuple[str, str]]:
    """Return what squawk finds in *script*: rule and line."""
    path.write_text(script, encoding="utf-8")
    command = [Path(sys.executable).with_name("squawk"), "--reporter", "json", *options, path]
    result = subprocess.run(command, capture_output=True, text=True)
    lines = script.splitlines()
    # It counts them from 0.
    return {(one["rule_name"], lines[one["line"]]) for one in json.loads(result.stdout)}


@pytest.mark.by_turns
@pytest.mark.parametrize("before", [None, FEWER + EVENTS, FEWER + "guard: {bypass: marker}\n"])
def test_squawk_finds_what_is_explained_and_no_more(template_db, tmp_path, before):
    db = small_bank(template_db, before, more=MORE)
    written = migration(db, AUDITED + CARD + EVENTS)
    version = ("--pg-version", str(db.major))
    found = {
        *said(plain.up(written), tmp_path / "up.sql", *version),
        *said(plain.down(written), tmp_path / "down.sql", *version),
    }
    assert [(rule, line) for rule, line in found if EXPLAINED.get(rule, "\0") not in line] == []
    assert "require-statement-timeout" in {rule for rule, _ in found}
    explained = (DOCS / "migrate.md").read_text(encoding="utf-8").partition("## What squawk says")[2]
    assert [rule for rule, _ in found if f"`{rule}`" not in explained] == []


def test_squawk_would_find_a_lock_without_a_timeout(tmp_path):
    naive = "CREATE POLICY p ON bank.trans USING (true);\nALTER TABLE bank.trans ENABLE ROW LEVEL SECURITY;\n"
    assert {rule for rule, _ in said(naive, tmp_path / "naive.sql")} >= {"require-lock-timeout"}

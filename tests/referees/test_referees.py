"""Independent checkers on the SQL that we generate; docs/referees.md explains what is left."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pglast
import pytest

from guarding import BANK, BANK_MAP, load
from rlsguard import apply as applying
from servers import has_library

DOCS = Path(__file__).parents[2] / "docs"
AUDITED = BANK_MAP.replace("{holds", "{audit: {redact: []}, holds").replace("audit: {redact: []}", "audit: true")


@pytest.fixture
def generated(db):
    with db.connect() as conn:
        conn.execute(BANK)
        return applying.generate(conn, load(AUDITED))


def _beyond_pgspot(function: pglast.ast.CreateFunctionStmt) -> bool:
    """Whether pgspot fails on a function: on BEGIN ATOMIC bodies, and on variables of a table's row type.

    Names in the former are bound when they are made, under the search_path of the script; plpgsql_check reads the
    latter, and both set search_path.
    """
    return function.sql_body is not None or function.funcname[-1].sval == "record_events"


@pytest.mark.by_turns
def test_pgspot_finds_nothing(generated, tmp_path):
    session = generated["000_session.sql"]
    # The schemas are made inside a DO block, which pgspot does not follow: they belong to the guard or nothing is made.
    session += "CREATE SCHEMA rlsguard; CREATE SCHEMA rlsguard_views;\n"
    checked = 0
    for name, text in generated.items():
        if name == "apply.sql":
            continue
        script = session
        for statement in pglast.split(text):
            tree = pglast.parse_sql(statement)[0].stmt
            if isinstance(tree, pglast.ast.CreateFunctionStmt) and _beyond_pgspot(tree):
                continue
            script += statement + ";\n"
            checked += 1
        (tmp_path / name).write_text(script)
        pgspot = Path(sys.executable).with_name("pgspot")
        result = subprocess.run([pgspot, tmp_path / name], capture_output=True, text=True, check=False)
        assert (result.stdout + result.stderr).strip() == "Errors: 0 Warnings: 0 Unknown: 0", name
    assert checked > 150


def test_plpgsql_check_finds_what_is_explained_and_no_more(db):
    if not has_library(db.server.bindir, "plpgsql_check"):
        pytest.skip("plpgsql_check is not installed for this server")
    with db.connect() as conn:
        conn.execute(BANK)
        conn.execute("CREATE EXTENSION plpgsql_check")
        applying.apply(conn, load(AUDITED))
        found = conn.execute(
            """
            SELECT p.proname::text, c.level, c.message
            FROM pg_proc AS p
            JOIN pg_language AS l ON l.oid = p.prolang AND l.lanname = 'plpgsql'
            LEFT JOIN LATERAL (
                SELECT t.tgrelid FROM pg_trigger AS t WHERE t.tgfoid = p.oid AND NOT t.tgisinternal LIMIT 1
            ) AS t ON true
            CROSS JOIN LATERAL plpgsql_check_function_tb(
                p.oid, coalesce(t.tgrelid, 0), fatal_errors => false, extra_warnings => true,
                security_warnings => true, performance_warnings => true,
                newtable => CASE p.proname WHEN 'audit_rows' THEN 'inserted_rows'
                                           WHEN 'erase_content_only' THEN 'rows_after' END,
                oldtable => CASE WHEN p.proname IN ('audit_rows', 'retired_only') THEN 'deleted_rows'
                                 WHEN p.proname = 'erase_content_only' THEN 'rows_before' END
            ) AS c
            WHERE p.pronamespace = 'rlsguard'::regnamespace
            """
        ).fetchall()
    kinds = {"key_client": "STABLE", "next_rows": "VOLATILE", "subtree_hash": "STABLE"}
    assert sorted(found) == [
        (name, "performance", f"routine is marked as {kind}, should be IMMUTABLE") for name, kind in kinds.items()
    ]


@pytest.mark.by_turns
def test_pgrls_finds_what_is_explained_and_no_more(db):
    db.execute(BANK)
    with db.connect() as conn:
        applying.apply(conn, load(AUDITED))
    command = [Path(sys.executable).with_name("pgrls"), "lint", "--database-url", db.dsn()]
    options = ["--schemas", "bank,rlsguard,rlsguard_views", "--format", "json"]
    result = subprocess.run([*command, *options], capture_output=True, text=True, check=False)
    found = {(one["rule_id"], one["location"]) for one in json.loads(result.stdout)["violations"]}
    explained = (DOCS / "referees.md").read_text(encoding="utf-8")
    assert [rule for rule, _ in sorted(found) if rule not in explained] == []
    # Of the users' tables nothing but baseline and audit is named: beside the former is the policy that takes away.
    users = {(rule, where) for rule, where in found if where.startswith("bank.")}
    tables = [f"bank.{name}.rlsguard baseline" for name in ("account", "client", "disp", "trans")]
    assert {where for rule, where in users if rule in ("SEC003", "SEC038")} == set(tables)
    assert {rule for rule, _ in users} == {"SEC003", "SEC013", "SEC038", "PERF003"}
    assert {where for rule, where in found if rule == "SEC002"} == {"rlsguard.guard_only"}

"""Databases with encodings and settings of their own, and input that is no text: a clear answer, never a traceback."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

from guarding import BANK, BANK_MAP, small_bank
from servers import Clone, Database

pytestmark = pytest.mark.by_turns

RLSGUARD = Path(sys.executable).with_name("rlsguard")
ODD_MAP = BANK_MAP + "  bank.straße: {holds: [personal], subject: {client: client_id}}\n"
OPT_OUT = ("opt-out", "client", "1", "--purpose", "marketing", "--actor", "Jürgen", "--reason", "Brief")


def run(db: Database, *args: str | bytes | Path, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [RLSGUARD, *args, "--dsn", db.dsn()]
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, **environment})
    assert "Traceback" not in done.stderr
    return done


@pytest.fixture
def map_file(tmp_path: Path) -> Path:
    file = tmp_path / "map.yaml"
    file.write_text(ODD_MAP)
    return file


def recreate(db: Database, encoding: str) -> None:
    """Make the test's database anew with another encoding."""
    db.conn.close()
    with psycopg.connect(db.server.dsn("postgres"), autocommit=True) as conn:
        conn.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(db.name)))
        create = sql.SQL("CREATE DATABASE {} TEMPLATE template0 ENCODING {} LOCALE 'C'")
        conn.execute(create.format(sql.Identifier(db.name), encoding))


@pytest.mark.parametrize("encoding", ["LATIN1", "EUC_JP", "UTF8"])
def test_databases_in_other_encodings(db: Database, map_file: Path, encoding: str) -> None:
    recreate(db, encoding)
    if encoding == "EUC_JP":  # which has no ß
        map_file.write_text(ODD_MAP.replace("straße", "山田"))
    with db.connect(client_encoding="utf-8") as conn:
        conn.execute(BANK)
        table = "山田" if encoding == "EUC_JP" else "straße"
        conn.execute(f"CREATE TABLE bank.{table} (client_id int NOT NULL)")
    for expected in ("changes made", "nothing to change"):
        done = run(db, "apply", map_file)
        assert done.returncode == 0, done.stderr
        assert expected in done.stdout
    actor = "山田" if encoding == "EUC_JP" else "Jürgen"
    assert run(db, *(actor if a == "Jürgen" else a for a in OPT_OUT)).returncode == 0
    (entry,) = json.loads(run(db, "history", "client", "1", "--format", "json").stdout)
    assert entry["actor"] == actor
    if encoding != "UTF8":
        done = run(db, "opt-out", "client", "2", "--purpose", "marketing", "--actor", "5 € extra", "--reason", "r")
        assert done.returncode == 2
        assert 'has no equivalent in encoding "' in done.stderr
    assert run(db, "doctor", map_file).returncode in (0, 1)
    assert run(db, "uninstall", "--drop-ledger").returncode == 0


def test_a_database_without_an_encoding(db: Database, map_file: Path) -> None:
    recreate(db, "SQL_ASCII")
    for command in (("validate", map_file), ("apply", map_file), ("doctor",), ("status", "client", "1")):
        done = run(db, *command)
        assert done.returncode == 2
        assert done.stderr.startswith("rlsguard: the database's encoding is SQL_ASCII")


@pytest.mark.parametrize(
    "options",
    [
        "-c DateStyle=SQL,DMY -c IntervalStyle=iso_8601 -c TimeZone=Asia/Kathmandu",
        "-c DateStyle=German -c extra_float_digits=-3 -c bytea_output=escape",
        "-c search_path= -c row_security=off -c client_encoding=latin1",
    ],
)
def test_sessions_with_settings_of_their_own(db: Database, map_file: Path, options: str) -> None:
    db.execute(BANK)
    db.execute("CREATE TABLE bank.straße (client_id int NOT NULL)")
    for expected in ("changes made", "nothing to change"):
        assert expected in run(db, "apply", map_file, PGOPTIONS=options).stdout
    asked = "2026-03-01T12:00:00+05:45"
    assert run(db, *OPT_OUT, "--requested-at", asked, PGOPTIONS=options).returncode == 0
    (entry,) = json.loads(run(db, "history", "client", "1", "--format", "json", PGOPTIONS=options).stdout)
    assert (entry["requested_at"], entry["actor"]) == ("2026-03-01T06:15:00+00:00", "Jürgen")
    assert "marketing  opted out" in run(db, "status", "client", "1", PGOPTIONS=options).stdout


@pytest.mark.parametrize(
    ("more", "error"),
    [
        (("--context", '{"a":' + "[" * 2000 + "]" * 2000 + "}"), "nested"),
        (("--context", '{"a": NaN}'), "not JSON: Out of range"),
        (("--context", '{"a": 1e999}'), "not JSON: Out of range"),
        (("--context", '{"a": "\\u0000"}'), "a zero character"),
        (("--context", '{"a": "\\ud800"}'), "not JSON: 'utf-8' codec"),
        (("--context", '{"a": 1e301}'), "a number beyond 1e300"),
        (("--context", json.dumps({"a": "x" * 20_000})), "the context is larger than 16 kB"),
        (("--requested-at", "0001-01-01T00:00:00+12:00"), "lies before 1900"),
        (("--requested-at", "9999-12-31T23:59:59-12:00"), "lies in the future"),
        (("--actor", b"\xff\xfe"), "not UTF-8"),
    ],
)
def test_input_that_nobody_means(template_db: Clone, more: tuple[str | bytes, ...], error: str) -> None:
    db = small_bank(template_db, BANK_MAP)
    done = run(db, *OPT_OUT, *more)
    assert (done.returncode, done.stdout) == (2, "")
    assert error in done.stderr
    assert db.execute("SELECT count(*) FROM rlsguard.opt_out_event") == [(0,)]

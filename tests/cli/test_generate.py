"""Generated files: the same bytes every time, run by psql, cleaned up after."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from click.testing import CliRunner

from guarding import ALL, BANK_MAP, WITHOUT_1, opt_out, small_bank, visible
from rlsguard.cli import rlsguard
from servers import Clone, Database


@pytest.fixture
def bank(template_db: Clone) -> Database:
    return small_bank(template_db)


@pytest.fixture
def map_file(tmp_path: Path) -> Path:
    file = tmp_path / "map.yaml"
    file.write_text(BANK_MAP)
    return file


def run(*args: object) -> str:
    result = CliRunner().invoke(rlsguard, [*map(str, args)])
    assert result.exit_code == 0, result.output
    return result.output


def psql(db: Database, *args: str, script: str | None = None) -> None:
    client = db.server.bindir / "psql"
    if not client.exists():
        pytest.skip(f"PostgreSQL {db.major} here comes without psql")
    environment = {**os.environ, "PGOPTIONS": "-c client_min_messages=warning"}
    done = subprocess.run(
        [client, "-X", "-q", "-d", db.dsn(), *args], input=script, capture_output=True, text=True, env=environment
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""


def contents(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in folder.iterdir()}


def test_the_same_bytes_before_and_after_an_apply(bank: Database, map_file: Path, tmp_path: Path) -> None:
    for name in ("first", "second"):
        run("generate", map_file, "--dsn", bank.dsn(), "-o", tmp_path / name)
    assert contents(tmp_path / "first") == contents(tmp_path / "second")
    run("apply", map_file, "--dsn", bank.dsn())
    run("generate", map_file, "--dsn", bank.dsn(), "-o", tmp_path / "third")
    assert contents(tmp_path / "first") == contents(tmp_path / "third")


def test_psql_runs_it_and_apply_finds_nothing_to_change(bank: Database, map_file: Path, tmp_path: Path) -> None:
    told = run("generate", map_file, "--dsn", bank.dsn(), "-o", tmp_path / "sql")
    assert told.endswith(f"-f {tmp_path / 'sql' / 'apply.sql'}\n")
    assert bank.execute("SELECT to_regnamespace('rlsguard') IS NULL") == [(True,)]
    for _ in range(2):
        psql(bank, "-f", str(tmp_path / "sql" / "apply.sql"))
    opt_out(bank, 1, "marketing")
    assert visible(bank, "campaign_app") == WITHOUT_1
    assert "nothing to change" in run("apply", map_file, "--dsn", bank.dsn())


def test_what_it_says_to_run_runs_in_the_same_database(bank: Database, map_file: Path, tmp_path: Path) -> None:
    if not (bank.server.bindir / "psql").exists():
        pytest.skip(f"PostgreSQL {bank.major} here comes without psql")
    folder = tmp_path / "what's new"
    told = run("generate", map_file, "--dsn", f"{bank.dsn()} password='secret sauce'", "-o", folder)
    assert "secret" not in told
    command = told.strip().partition("run them with: ")[2]
    environment = {**os.environ, "PATH": f"{bank.server.bindir}:{os.environ['PATH']}", "PGDATABASE": "postgres"}
    subprocess.run(command, shell=True, check=True, env=environment, capture_output=True)
    assert "nothing to change" in run("apply", map_file, "--dsn", bank.dsn())


def test_one_script_does_the_same(bank: Database, map_file: Path) -> None:
    script = run("generate", map_file, "--dsn", bank.dsn())
    assert "\\ir" not in script
    psql(bank, "-f", "-", script=script)
    assert visible(bank, "campaign_app") == ALL
    assert "nothing to change" in run("apply", map_file, "--dsn", bank.dsn())


def test_what_is_no_longer_part_of_the_plan_goes_and_nothing_else(
    bank: Database, map_file: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "sql"
    run("generate", map_file, "--dsn", bank.dsn(), "-o", folder)
    (folder / "999_mine.sql").write_text("-- mine")
    map_file.write_text("\n".join(BANK_MAP.splitlines()[:-2]) + "\n")
    told = run("generate", map_file, "--dsn", bank.dsn(), "-o", folder)
    gone = folder / "500_protect_bank.trans.sql"
    assert f"removed {gone}: no longer part of the plan" in told
    assert not gone.exists()
    assert (folder / "999_mine.sql").read_text() == "-- mine"
    assert str(gone.name) not in (folder / "apply.sql").read_text()


def test_a_folder_that_cannot_be_written(bank: Database, map_file: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    result = CliRunner().invoke(
        rlsguard, ["generate", str(map_file), "--dsn", bank.dsn(), "-o", str(tmp_path / "file" / "sql")]
    )
    assert result.exit_code == 2
    assert result.stderr == f"rlsguard: {tmp_path / 'file' / 'sql'}: Not a directory\n"

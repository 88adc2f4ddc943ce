"""Where the map and the database come from, what is told when they are missing or wrong, and what the plugin costs."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from guarding import BANK_MAP, small_bank
from pytest_plugin.suites import report, run
from servers import Clone, Database

pytestmark = pytest.mark.by_turns

USED = "def test_it(rlsguard):\n    rlsguard.assert_visible('bank.client', 1, role='campaign_app')\n"


@pytest.fixture
def suite(tmp_path: Path) -> Path:
    """A suite of one test, whose map is in another folder than its ini file."""
    (tmp_path / "maps").mkdir()
    (tmp_path / "maps" / "map.yaml").write_text(BANK_MAP)
    (tmp_path / "test_suite.py").write_text(USED)
    return tmp_path


@pytest.fixture
def bank(template_db: Clone) -> Database:
    return small_bank(template_db)


def ini(suite: Path, **options: str) -> None:
    lines = [f"{name} = {value}\n" for name, value in options.items()]
    (suite / "pytest.ini").write_text("".join(["[pytest]\n", *lines]))


def refused(done: subprocess.CompletedProcess[str]) -> list[str]:
    assert done.returncode == 1, done.stdout
    assert "Traceback" not in done.stdout + done.stderr
    return report(done.stdout, "test_it")


def test_from_the_ini_file_or_from_the_command_line(bank: Database, suite: Path) -> None:
    ini(suite, rlsguard_map="maps/map.yaml", rlsguard_dsn=bank.dsn())
    (suite / "sub").mkdir()
    (suite / "test_suite.py").rename(suite / "sub" / "test_suite.py")
    assert "1 passed" in run(suite / "sub").stdout
    # The command line goes before the ini file.
    ini(suite, rlsguard_map="nowhere.yaml", rlsguard_dsn="dbname=nowhere")
    args = ("--rlsguard-map=../maps/map.yaml", f"--rlsguard-dsn={bank.dsn()}")
    assert "1 passed" in run(suite / "sub", *args).stdout


def test_no_map_and_no_database(suite: Path) -> None:
    assert refused(run(suite)) == [
        "no test database: say --rlsguard-dsn DSN or rlsguard_dsn in the ini file, install pytest-postgresql, or"
        " override the fixture rlsguard_dsn"
    ]
    assert refused(run(suite, "--rlsguard-dsn=")) == [
        "no data map: say --rlsguard-map MAP or rlsguard_map in the ini file, or override rlsguard_map"
    ]
    (suite / "conftest.py").write_text("import pytest\n\n@pytest.fixture\ndef postgresql():\n    return 'a server'\n")
    assert refused(run(suite)) == [
        "the fixture postgresql is a builtins.str, not a connection of psycopg 3; override the fixture rlsguard_dsn"
    ]


def test_a_map_or_a_database_that_will_not_do(suite: Path) -> None:
    dsn = "--rlsguard-dsn=host=/nowhere password=secret"
    assert refused(run(suite, dsn, "--rlsguard-map=nowhere.yaml")) == ["nowhere.yaml: No such file or directory"]
    done = run(suite, dsn, "--rlsguard-map=maps/map.yaml")
    assert refused(done)[0].startswith("cannot connect: ")
    assert "secret" not in done.stdout


def test_a_map_that_does_not_fit_and_a_login_that_may_not(bank: Database, suite: Path) -> None:
    bank.execute("DROP TABLE bank.trans")
    mapped = "--rlsguard-map=maps/map.yaml"
    assert refused(run(suite, mapped, f"--rlsguard-dsn={bank.dsn()}")) == [
        "maps/map.yaml:21:3: tables.bank.trans: table bank.trans is not in the database"
    ]
    (suite / "maps" / "map.yaml").write_text(BANK_MAP.split("  bank.trans:")[0])
    told = refused(run(suite, mapped, f"--rlsguard-dsn={bank.dsn('stranger')}"))
    assert told[0] == "nothing was changed; rlsguard doctor MAP says what to do about missing rights:"
    assert "stranger may not create the guard's schemas." in told


def test_a_suite_that_does_not_use_it_pays_next_to_nothing(suite: Path) -> None:
    (suite / "test_suite.py").write_text(
        "import sys\n\ndef test_it(pytestconfig):\n"
        "    assert pytestconfig.pluginmanager.has_plugin('rlsguard')\n"
        "    brought = {name for name in sys.modules if name.startswith('rlsguard')}\n"
        "    assert brought == {'rlsguard', 'rlsguard.pytest_plugin'}\n"
        "    assert not sys.modules.keys() & {'psycopg', 'pydantic', 'click', 'rich', 'sqlglot'}\n"
    )
    done = run(suite)
    assert "1 passed" in done.stdout, done.stdout


def test_pytest_knows_the_options_and_the_fixtures(suite: Path) -> None:
    told = run(suite, "--help").stdout
    assert "--rlsguard-map=MAP" in told
    assert re.search(r"^  rlsguard_dsn \(string\)", told, re.MULTILINE)
    fixtures = run(suite, "--fixtures").stdout
    for name in ("rlsguard", "rlsguard_dsn", "rlsguard_map"):
        assert re.search(rf"^{name} -- ", fixtures, re.MULTILINE)


def test_rlsguard_works_without_pytest() -> None:
    code = "import sys; sys.modules['pytest'] = None; from rlsguard.cli import rlsguard"
    subprocess.run([sys.executable, "-c", code], check=True)

"""The command: exit codes, formats, waivers."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from pathlib import Path
from xml.etree import ElementTree

import pytest
from click.testing import CliRunner, Result
from sarif_pydantic import Sarif

from guarding import load
from lint.reading import MAP
from rlsguard.check import Outcome
from rlsguard.check.waivers import waive
from rlsguard.cli import rlsguard

HARM = "SELECT 1;\n  ALTER TABLE bank.trans DISABLE ROW LEVEL SECURITY;\n"
NOTE = "DO $$ BEGIN EXECUTE x; END $$;\n"
KEY = "RG501 table bank.trans in V1__harm.sql"


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    Path("map.yaml").write_text(MAP, encoding="utf-8")
    Path("migrations").mkdir()
    Path("migrations/V1__harm.sql").write_text(HARM, encoding="utf-8")
    Path("migrations/V2__note.sql").write_text(NOTE, encoding="utf-8")
    return tmp_path


def run(*arguments: str, code: int) -> Result:
    result = CliRunner().invoke(rlsguard, ["lint", *arguments])
    assert result.exit_code == code, result.output
    return result


def test_text_begins_with_the_place(project: Path) -> None:
    lines = run("--map", "map.yaml", "migrations", code=1).output.splitlines()
    assert lines[0].startswith(
        "migrations/V1__harm.sql:2:3: error RG501 table bank.trans in V1__harm.sql: row security"
    )
    assert lines[-1] == "1 error, 0 warnings, 1 note; 3 statements of 2 files read"


def test_exit_codes(project: Path) -> None:
    run("--map", "map.yaml", "migrations/V2__note.sql", code=0)
    Path("bad.sql").write_text("SELEC", encoding="utf-8")
    assert run("bad.sql", code=2).output == 'bad.sql:1:1: syntax error at or near "SELEC"\n'
    assert "no.sql: No such file or directory" in run("no.sql", code=2).output
    run("--map", "bad.sql", "migrations", code=2)
    run(code=2)


def test_a_terminal_is_told_nothing_that_it_obeys(project: Path) -> None:
    Path("odd.sql").write_text('ALTER TABLE "a\x1b[31m"."b\nc" DISABLE ROW LEVEL SECURITY', encoding="utf-8")
    output = run("odd.sql", code=1).output
    assert "\x1b" not in output
    assert r'table "a\x1b[31m"."b\nc" in odd.sql' in output


def test_json(project: Path) -> None:
    told = json.loads(run("--map", "map.yaml", "--format", "json", "migrations", code=1).output)
    finding = told["findings"][0]
    assert (finding["id"], finding["severity"], finding["tables"]) == ("RG501", "error", ["bank.trans"])
    assert (finding["file"], finding["line"], finding["column"]) == ("migrations/V1__harm.sql", 2, 3)
    assert (told["files"], told["counts"]) == (2, {"error": 1, "warning": 0, "note": 1})


def test_reports_for_ci(project: Path) -> None:
    def told(name: str) -> str:
        return run("--map", "map.yaml", "--format", name, "migrations", code=1).output

    (sarif,) = Sarif.model_validate_json(told("sarif")).runs
    assert [one.rule_id for one in sarif.results or []] == ["RG501", "RG590"]
    place = sarif.results[0].locations[0].physical_location
    assert (place.artifact_location.uri, place.region.start_line) == ("migrations/V1__harm.sql", 2)
    assert {rule.id for rule in sarif.tool.driver.rules or []} >= {"RG501", "RG590"}
    assert "RG101" not in {rule.id for rule in sarif.tool.driver.rules or []}
    junit = ElementTree.fromstring(told("junit"))
    assert (junit.get("name"), junit[0].get("failures")) == ("rlsguard lint", "2")
    assert told("github").startswith("::error file=migrations/V1__harm.sql,line=2,col=3,title=RG501 ")
    gitlab = json.loads(told("gitlab"))
    assert gitlab[0]["location"] == {"path": "migrations/V1__harm.sql", "lines": {"begin": 2}}


@pytest.mark.parametrize(("until", "code"), [("2099-12-31", 0), ("2026-01-31", 1)])
def test_somebody_may_answer_for_a_finding_until_a_day(project: Path, until: str, code: int) -> None:
    waiver = f"waivers:\n  {KEY}: {{reason: Nobody is connected, owner: dba team, until: {until}}}\n"
    Path("map.yaml").write_text(MAP + waiver, encoding="utf-8")
    output = run("--map", "map.yaml", "migrations", code=code).output
    assert ("waived RG501" in output) == (code == 0)
    assert ("Nobody is connected (dba team, until 2099-12-31)" in output) == (code == 0)


def test_a_waiver_of_what_there_is_not_is_an_error(project: Path) -> None:
    Path("map.yaml").write_text(
        MAP + "waivers:\n  RG599 x: {reason: a, owner: b, until: 2099-12-31}\n", encoding="utf-8"
    )
    assert "there is no finding RG599" in run("--map", "map.yaml", "migrations", code=2).output


def test_check_does_not_ask_about_waivers_of_migrations(project: Path) -> None:
    waivers = f"waivers:\n  {KEY}: {{reason: a, owner: b, until: 2099-12-31}}\n"
    waivers += "  RG206 publication feed: {reason: a, owner: b, until: 2099-12-31}\n"
    nothing = Outcome("bank", "18.1", datetime(2026, 1, 1, tzinfo=UTC), 0.0, 0, None, ())
    found = waive(nothing, load(MAP + waivers), date(2026, 1, 1), all_looked_for=True).findings
    assert [one.key for one in found] == ["RG952 RG206 publication feed"]

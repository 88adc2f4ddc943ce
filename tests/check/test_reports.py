"""The reports, read back as those read them whom they are for, of findings with names as odd as SQL allows."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from datetime import UTC, date, datetime
from itertools import pairwise
from pathlib import Path
from xml.etree import ElementTree

import pytest
from markdown_it import MarkdownIt
from sarif_pydantic import Sarif

from rlsguard.check import Finding, Outcome, Waived, kinds, report, since
from rlsguard.cli.output import print_rich, safe
from rlsguard.names import QualifiedName
from rlsguard.problems import Position

ODD = 'table "a,b|c`d%0A::e"."new\nline, \x1b[31mred\x1b[0m \u202eleft ""x"" \\| <b>&lt; $1 :key:"'
ERROR = Finding(
    kinds.UNMAPPED,
    ODD,
    "its column `id`, *starred* | barred, leads 100 % to people\r\n::error::injected",
    "SELECT ':key:' || E'\\|';\n\nSELECT '`` x'; -- \u202ereversed",
    tables=(QualifiedName("a", "b\nc"),),
    roles=("rôle, with comma",),
    position=Position("maps, old/100%: my map.yaml", 7, 3),
)
WARNING = Finding(
    kinds.NOT_IN_MAP,
    "table bank.trans",
    "it is guarded",
    "rlsguard apply map.yaml --prune bank.trans",
    expected="a\nb\x0bc\nd",
    found="a\nb\nc\nd",
    since=datetime(2026, 1, 2, 3, 4, tzinfo=UTC),
    position=Position("map.yaml", 1, 1),
)
TWICE = replace(WARNING, why="for another reason")
WAIVED = Waived(
    replace(ERROR, about="view waived|view", kind=kinds.VIEW), "until *they* | move", "desk", date(2026, 12, 31)
)
KNOWN = replace(ERROR, about="table known", kind=kinds.PRIVILEGE)
OUTCOME = Outcome(
    database="db\x1b:5432/bank",
    server="18.1",
    started_at=datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
    seconds=1.25,
    compared=1234,
    with_server="18.1",
    findings=(ERROR, WARNING, TWICE),
    waived=(WAIVED,),
    known=(KNOWN,),
)
NOTHING = replace(OUTCOME, findings=(), waived=(), known=())
CELLS = 4


def as_runner(line: str) -> tuple[str, dict[str, str], str]:
    """Read a workflow command as GitHub's runner does (ActionCommand.TryParseV2)."""
    match = re.fullmatch(r"::(\w+) (.*?)::(.*)", line)
    assert match is not None, line
    properties = dict(one.split("=", 1) for one in match[2].split(","))
    return match[1], {name: unescaped(value, ":,") for name, value in properties.items()}, unescaped(match[3], "")


def unescaped(text: str, more: str) -> str:
    for character in f"\r\n{more}%":
        text = text.replace(f"%{ord(character):02X}", character)
    return text


def test_github_commands_parse_back() -> None:
    lines = report.FORMATS["github"](OUTCOME).removesuffix("\n").split("\n")
    command, properties, message = as_runner(lines[0])
    assert command == "error"
    assert properties == {
        "file": "maps, old/100%: my map.yaml",
        "line": "7",
        "col": "3",
        "title": f"RG301 {kinds.UNMAPPED.title}",
    }
    assert message == f"{ERROR.about}: {ERROR.why}\n{ERROR.mend}"
    assert [as_runner(line)[0] for line in lines[1:]] == ["warning", "warning"]
    assert "\r" not in "".join(lines)
    assert report.FORMATS["github"](NOTHING) == ""


def test_gitlab_has_the_fields_and_lasting_fingerprints() -> None:
    first, second, third = json.loads(report.FORMATS["gitlab"](OUTCOME))
    assert first["description"] == f"{ERROR.about}: {ERROR.why}"
    assert (first["check_name"], first["severity"]) == ("RG301", "critical")
    assert first["location"] == {"path": "maps, old/100%: my map.yaml", "lines": {"begin": 7}}
    assert second["severity"] == "major"
    assert len({one["fingerprint"] for one in (first, second, third)}) == 3
    # Neither what else is found, nor when, nor how the reason is worded makes it another.
    (again,) = json.loads(report.FORMATS["gitlab"](replace(NOTHING, findings=(TWICE,), seconds=9)))
    assert again["fingerprint"] == second["fingerprint"]
    assert json.loads(report.FORMATS["gitlab"](NOTHING)) == []


def test_junit_counts_what_it_lists() -> None:
    root = ElementTree.fromstring(report.FORMATS["junit"](OUTCOME))
    (suite,) = root
    assert suite.get("tests") == str(len(suite))
    assert suite.get("failures") == str(len(suite.findall("testcase/failure"))) == "3"
    assert suite.get("name") == "db\ufffd:5432/bank"
    assert {case.get("classname") for case in suite} == set(kinds.KINDS)
    failed = suite.findall("testcase[failure]")
    assert failed[0].get("name") == ODD.replace("\x1b", "\ufffd")
    assert failed[0].findtext("failure", "").split("\n")[-3:] == ERROR.mend.split("\n")
    assert ElementTree.fromstring(report.FORMATS["junit"](NOTHING))[0].get("failures") == "0"


@pytest.mark.parametrize(
    ("file", "uri"),
    [
        ("maps, old/100%: my map.yaml", "maps%2C%20old/100%25%3A%20my%20map.yaml"),
        ("/ci/a b.yaml", "file:///ci/a%20b.yaml"),
    ],
)
def test_sarif_points_at_the_line(file: str, uri: str) -> None:
    moved = replace(ERROR, position=Position(file, 7, 3))
    text = report.FORMATS["sarif"](replace(OUTCOME, findings=(moved, WARNING)))
    (run,) = Sarif.model_validate_json(text).runs
    assert run.results is not None
    error, warning, waived = run.results
    assert (error.rule_id, error.level, warning.level) == ("RG301", "error", "warning")
    place = error.locations[0].physical_location
    assert place.artifact_location.uri == uri
    assert (place.region.start_line, place.region.start_column) == (7, 3)
    assert error.message.text == f"{ERROR.about}: {ERROR.why}\n{ERROR.mend}"
    (suppression,) = waived.suppressions
    assert suppression["justification"] == "until *they* | move (desk, until 2026-12-31)"
    plain = json.loads(text)["runs"][0]
    rules = plain["tool"]["driver"]["rules"]
    assert [rules[one["ruleIndex"]]["id"] for one in plain["results"]] == ["RG301", "RG121", "RG201"]


def rendered(text: str) -> tuple[list[list[str]], list[str]]:
    """Return the cells of the table's rows and what follows the table, as their readers see them."""
    tokens = MarkdownIt("commonmark").enable("table").parse(text)
    rows: list[list[str]] = []
    after: list[str] = []
    for before, token in pairwise(tokens):
        if token.type == "tr_open":
            rows.append([])
        elif token.type == "inline":
            seen = "".join("\n" if one.content == "<br>" else one.content for one in token.children or ())
            (rows[-1] if before.type in ("td_open", "th_open") else after).append(seen)
            # Nothing of what was found is markup.
            assert {one.type for one in token.children or ()} <= {"text", "text_special", "code_inline", "html_inline"}
            assert {one.content for one in token.children or () if one.type == "html_inline"} <= {"<br>"}
    return rows[1:], after


def test_markdown_cells_stay_cells() -> None:
    rows, after = rendered(report.FORMATS["markdown"](OUTCOME))
    assert [len(row) for row in rows] == [CELLS] * 3
    head, about, why, mend = rows[0]
    assert head == "RG301 (error)"
    assert about == ODD.replace("\n", " ").replace("\x1b", r"\x1b").replace("\u202e", r"\u202e")
    assert why == ERROR.why.replace("\r\n", " ")
    assert mend.split("\n") == ["SELECT ':key:' || E'\\|';", "SELECT '`` x'; -- \\u202ereversed"]
    assert after[0] == "rlsguard check: 1 error, 2 warnings, 0 notes"
    assert after[1] == "waived: RG201 view waived|view: until *they* | move (desk, until 2026-12-31)"
    assert after[2].startswith("1,234 definitions compared")
    assert rendered(report.FORMATS["markdown"](NOTHING))[0] == []


def test_text_has_every_finding_and_nothing_that_a_terminal_obeys(capsys: pytest.CaptureFixture[str]) -> None:
    for line in report.text(OUTCOME, safe=safe):
        print_rich(line)
    lines = capsys.readouterr().out.removesuffix("\n").split("\n")
    assert all(line.isprintable() for line in lines)
    assert f'error    RG301 {safe(ODD)}, for "rôle, with comma": {safe(ERROR.why)}' in lines
    assert "warning  RG121 table bank.trans: it is guarded" in lines
    assert "warning  RG121 table bank.trans: for another reason" in lines
    # Spelled exactly: people copy it.
    assert "        > SELECT ':key:' || E'\\|';" in lines
    assert "        > rlsguard apply map.yaml --prune bank.trans" in lines
    assert lines.count("        - b\\x0bc") == 2
    assert "waived   RG201 view waived|view: until *they* | move (desk, until 2026-12-31)" in lines
    assert "left out, as the baseline has them: 1" in lines
    assert lines[-1].startswith("1 error, 2 warnings, 0 notes; 1,234 definitions compared")


def test_json_is_a_baseline(tmp_path: Path) -> None:
    file = tmp_path / "baseline.json"
    file.write_text(report.FORMATS["json"](OUTCOME), encoding="utf-8")
    new = replace(ERROR, about="table bank.new")
    now = replace(OUTCOME, findings=(*OUTCOME.findings, KNOWN, new), known=())
    after = since(now, file)
    assert after.findings == (new,)
    assert after.known == (*OUTCOME.findings, KNOWN)
    assert after.waived == OUTCOME.waived
    # What was known stays known from one baseline to the next.
    file.write_text(report.FORMATS["json"](after), encoding="utf-8")
    assert since(now, file).findings == ()
    # What was waived is found again where the waiver ends.
    assert since(replace(now, findings=(WAIVED.finding,)), file).findings == (WAIVED.finding,)


def test_json_has_everything() -> None:
    plain = json.loads(report.FORMATS["json"](OUTCOME))
    assert plain["counts"] == {"error": 1, "warning": 2, "note": 0}
    first, second, _ = plain["findings"]
    assert (first["id"], first["object"], first["why"], first["mend"]) == ("RG301", ODD, ERROR.why, ERROR.mend)
    assert first["map"] == {"file": "maps, old/100%: my map.yaml", "line": 7, "column": 3}
    assert first["tables"] == ['a."b\nc"']
    assert (second["expected"], second["found"]) == (WARNING.expected, WARNING.found)
    assert second["since"] == "2026-01-02T03:04:00+00:00"
    assert [one["owner"] for one in plain["waived"]] == ["desk"]
    assert [one["object"] for one in plain["known"]] == ["table known"]

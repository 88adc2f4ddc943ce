"""Every way of the threat model has its answer, and every answer that can be tested its test."""

from __future__ import annotations

import re
from pathlib import Path

DOCUMENT = Path(__file__).parents[2] / "docs" / "threat-model.md"
TESTS = Path(__file__).parent
ROW = re.compile(r"^\| (\d+) \| (.+?) \| ([a-z, ]+) \| (.*) \|$", re.MULTILINE)
PASSAGE = re.compile(r"^### (\d+)\. .+\n((?:(?!#).*\n)+)", re.MULTILINE)
TEST = re.compile(r"^def test_\w+\(.*\).*:\n((?:    #.*\n)+)", re.MULTILINE)
MARK = re.compile(r"\bT(\d+)\b")

ANSWERS = {"blocked", "detected", "documented"}


def answers() -> dict[int, set[str]]:
    """Return the answers to each way, as the table of the document has them."""
    return {int(number): set(answer.split(", ")) for number, _, answer, _ in ROW.findall(DOCUMENT.read_text())}


def marked() -> dict[int, set[str]]:
    """Return the files that test each way: a test says which on the first lines of its body."""
    found: dict[int, set[str]] = {}
    for file in sorted(TESTS.glob("test_*.py")):
        for marks in TEST.findall(file.read_text()):
            for number in MARK.findall(marks):
                found.setdefault(int(number), set()).add(file.name)
    return found


def test_every_way_is_in_the_table_once():
    numbers = [int(number) for number, *_ in ROW.findall(DOCUMENT.read_text())]
    assert numbers == list(range(1, 82))


def test_every_way_has_an_answer():
    assert {number: answer for number, answer in answers().items() if not answer or answer - ANSWERS} == {}


def test_what_is_said_to_be_detected_is_tested():
    wanted = {number for number, said in answers().items() if "detected" in said}
    assert wanted - marked().keys() == set()


def test_what_is_said_to_be_blocked_is_tested_as_such():
    wanted = {number for number, said in answers().items() if "blocked" in said}
    have = {number for number, files in marked().items() if any("_blocked_" in file for file in files)}
    assert wanted - have == set()


def test_what_is_documented_has_a_passage():
    wanted = {number for number, said in answers().items() if "documented" in said}
    passages = {int(number): text for number, text in PASSAGE.findall(DOCUMENT.read_text())}
    assert set(passages) == wanted
    assert [number for number, text in passages.items() if len(text) < 200] == []


def test_every_link_leads_to_a_heading():
    text = DOCUMENT.read_text()
    headings = {
        re.sub(r"[^\w\- ]", "", line.lstrip("# ").lower()).replace(" ", "-")
        for line in text.splitlines()
        if line.startswith("#")
    }
    assert set(re.findall(r"\]\(#([^)]+)\)", text)) - headings == set()


def test_no_test_is_of_a_way_that_is_not_there():
    assert set(marked()) <= set(answers())

"""Every kind of finding has its page, and the pages keep their word."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from guarding import BANK_MAP, load
from rlsguard.check.kinds import KINDS
from rlsguard.check.model import Kind
from rlsguard.check.waivers import refuse_unknown

DOCS = Path(__file__).parents[2] / "docs"
PAGES = DOCS / "findings"


def page(name: str) -> str:
    return (PAGES / f"{name}.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("kind", KINDS.values(), ids=lambda kind: kind.id)
def test_a_kind_has_its_page(kind: Kind) -> None:
    text = page(kind.id)
    assert text.startswith(f"# {kind.id}: {kind.title}\n\nSeverity: {kind.severity}\n\n")
    shown = set(re.findall(r"^(error|warning|note) +(RG[0-9]{3}) ", text, re.MULTILINE))
    assert shown == {(kind.severity, kind.id)}


@pytest.mark.parametrize("kind", KINDS.values(), ids=lambda kind: kind.id)
def test_what_a_page_puts_into_the_map_can_stand_there(kind: Kind) -> None:
    for example in re.findall(r"^```yaml\n(.*?)^```$", page(kind.id), re.DOTALL | re.MULTILINE):
        # An exemption joins those that are there.
        text = BANK_MAP.replace("exempt:\n", example) if example.startswith("exempt:\n") else BANK_MAP + example
        datamap = load(text)
        refuse_unknown(datamap)
        assert all(finding.startswith(f"{kind.id} ") for finding in datamap.waivers)
        assert datamap.waivers or example.startswith("exempt:\n")


def test_no_page_is_left_over_and_the_index_has_all() -> None:
    assert {path.stem for path in PAGES.iterdir()} == KINDS.keys() | {"README"}
    rows = re.findall(r"^\| \[(\S+)\]\((\S+)\) \| (\S+) \| (.*) \|$", page("README"), re.MULTILINE)
    assert rows == [(kind.id, f"{kind.id}.md", kind.severity, kind.title) for kind in KINDS.values()]


def test_links_of_the_pages_lead_somewhere() -> None:
    for path in [*PAGES.iterdir(), DOCS / "check.md"]:
        for link in re.findall(r"\]\((?!https:)([^)]+)\)", path.read_text(encoding="utf-8")):
            file, _, heading = link.partition("#")
            to = (path.parent / file).resolve() if file else path
            headings = re.findall(r"^#+ (.*)$", to.read_text(encoding="utf-8"), re.MULTILINE)
            slugs = {re.sub(r"[^\w\- ]", "", one.lower()).replace(" ", "-") for one in headings}
            assert not heading or heading in slugs, f"{path.name}: {link}"

"""The page has every kind of finding, and keeps its word."""

from __future__ import annotations

import re
from pathlib import Path

from guarding import load
from lint.reading import MAP, said
from rlsguard.check.kinds import LINT
from rlsguard.check.waivers import refuse_unknown

DOCS = Path(__file__).parents[2] / "docs"
PAGE = (DOCS / "lint.md").read_text(encoding="utf-8")


def test_every_kind_is_on_the_page() -> None:
    told = re.findall(r"^### (RG\d+)\n\n(.*) \((error|warning|note)\)\.", PAGE, re.MULTILINE)
    assert told == [(k.id, k.title[0].upper() + k.title[1:], k.severity) for k in LINT.values()]


def test_what_is_shown_is_what_is_printed(tmp_path: Path) -> None:
    shown = re.findall(r"(?:error|warning|note) (RG\d+ \S.*?) in V\d__\w+\.sql: ", PAGE)
    off = "ALTER TABLE bank.trans DISABLE ROW LEVEL SECURITY"
    new = "CREATE TABLE bank.letter (client_id int REFERENCES bank.client)"
    assert said(f"{off}; {new}", tmp_path) == shown


def test_what_the_page_puts_into_the_map_can_stand_there(tmp_path: Path) -> None:
    (example,) = re.findall(r"^```yaml\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)
    datamap = load(MAP + example)
    refuse_unknown(datamap)
    (waiver,) = datamap.waivers
    merge = "UPDATE bank.disp SET client_id = 3 WHERE client_id = 1"
    assert said(merge, tmp_path, name="V9__merge.sql") == [waiver.removesuffix(" in V9__merge.sql")]
    assert said(merge, tmp_path, name="V9__merge.sql", text=MAP + example) == []


def test_links_lead_somewhere() -> None:
    for link in re.findall(r"\]\((?!https:)([^)]+)\)", PAGE):
        file, _, heading = link.partition("#")
        text = (DOCS / (file or "lint.md")).read_text(encoding="utf-8")
        headings = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
        slugs = {re.sub(r"[^\w\- ]", "", one.lower()).replace(" ", "-") for one in headings}
        assert not heading or heading in slugs, link

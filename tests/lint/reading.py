"""Small verbs for tests of what lint says of a migration."""

from __future__ import annotations

import re
from pathlib import Path

from guarding import BANK_MAP, load
from rlsguard.datamap.model import DataMap
from rlsguard.lint.model import Linted
from rlsguard.lint.run import lint

CORPUS = Path(__file__).parent / "migrations"
# One table is audited, and one is yet to be made.
MAP = BANK_MAP.rstrip()
MAP = MAP.removesuffix("}") + ", audit: true}\n"
MAP_OF_CORPUS = MAP + "  bank.entry: {holds: [financial], subject: {client: client_id}}\n"

_EXPECTED = re.compile(r"\s*(?:--|#) expect: (.*)")


def read(*paths: Path, text: str | None = MAP_OF_CORPUS, **options) -> Linted:
    """Lint *paths* with the map written in *text*, if any."""
    datamap: DataMap | None = None if text is None else load(text)
    return lint(paths, datamap, **options)


def said(
    sql: str, folder: Path, *, name: str = "V1__change.sql", text: str | None = MAP_OF_CORPUS, **options
) -> list[str]:
    """Return what is found in *sql*: each finding's id and object, without the name of the file."""
    file = folder / name
    file.write_text(sql, encoding="utf-8")
    found = read(file, text=text, **options).findings
    return [f"{one.kind.id} {one.about.removesuffix(f' in {name}')}" for one in found]


def expected(file: Path) -> set[tuple[int, str]]:
    """Return what a migration of the corpus says that is found in it: the line of a statement, and the finding's id.

    It says so in a comment in the line before the statement.
    """
    found: set[tuple[int, str]] = set()
    for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), start=1):
        match = _EXPECTED.fullmatch(line)
        if match is not None and match[1] != "none":
            found |= {(number + 1, name) for name in match[1].split()}
    return found

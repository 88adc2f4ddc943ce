"""Statements in a shape that other tools' readers leave alone; the server is sent the same text."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace

from rlsguard.migrate.model import Migration
from rlsguard.migrate.statements import without_remarks

_OPAQUE = re.compile(
    r"""--[^\n]*
      | /\*(?:/\*.*?\*/|.)*?\*/
      | (?<![\w$])[eE]'(?:''|\\.|[^\\'])*'
      | '(?:''|[^'])*'
      | "(?:""|[^"])*"
      | (?<![\w$])(\$\w*\$).*?\1""",
    re.VERBOSE | re.DOTALL,
)


def adapted(migration: Migration, keep: Callable[[str], str]) -> Migration:
    """Return *migration* with the statements of its steps as *keep* makes them."""
    steps = (replace(step, up=tuple(map(keep, step.up)), down=tuple(map(keep, step.down))) for step in migration.steps)
    return replace(migration, steps=tuple(steps))


def code(statement: str) -> str:
    """Return what of *statement* is no remark, text, quoted name or body in dollars."""
    return _OPAQUE.sub(" ", statement)


def executed(statement: str) -> str:
    """Return a DO that runs *statement*, which it spells as it is."""
    bare = without_remarks(statement)
    remarks = statement.removesuffix(bare)
    tag = _tag(bare)
    return f"{remarks}DO $do_{tag}$\nBEGIN\n    EXECUTE ${tag}$\n{bare}\n${tag}$;\nEND\n$do_{tag}$"


def escaped(statement: str, odd: re.Pattern[str]) -> str:
    """Return a DO that runs *statement*, spelled on one line, without its remarks and whatever *odd* finds."""
    bare = without_remarks(statement)
    remarks = (line for line in statement.removesuffix(bare).splitlines(keepends=True) if not odd.search(line))
    spelled, end = "", 0
    for found in odd.finditer(bare):
        spelled += _in_text(bare[end : found.start()]) + f"\\u{ord(found[0][0]):04x}"
        end = found.start() + 1
    spelled += _in_text(bare[end:])
    tag = _tag(spelled)
    return f"{''.join(remarks)}DO $do_{tag}$ BEGIN EXECUTE E'{spelled}'; END $do_{tag}$"


def _tag(words: str) -> str:
    """Return a tag between dollars that does not occur in *words*, nor does one that ends alike."""
    tag = "it"
    while f"{tag}$" in words:
        tag += "_"
    return tag


def _in_text(words: str) -> str:
    return words.replace("\\", "\\\\").replace("'", "''").replace("\n", "\\n")

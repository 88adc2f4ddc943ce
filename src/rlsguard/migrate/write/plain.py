"""A migration as SQL that psql runs, and the parts of it that other tools' files are made of."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from rlsguard.migrate.model import Migration
from rlsguard.render.template import remark, text

# The file is UTF-8, whatever psql would take it for.
_PSQL = "\\encoding UTF8\n\\set ON_ERROR_STOP on\n"


def files(migration: Migration, name: str, folder: Path | None) -> Mapping[str, str]:
    """Return NAME.up.sql and NAME.down.sql, to be run with `psql -f`; only the first where there is no *folder*."""
    files = {f"{slug(name)}.up.sql": _PSQL + up(migration)}
    if folder is not None:
        files[f"{slug(name)}.down.sql"] = _PSQL + down(migration)
    return files


def slug(name: str) -> str:
    """Return *name* as a part of a file's name."""
    return re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_") or "guard"


def up(migration: Migration) -> str:
    """Return the whole migration as one script, each step in a transaction of its own."""
    indexes = [statement for index in migration.indexes for statement in index.up]
    steps = [(step.title, step.up) for step in migration.steps]
    return "\n".join([remarks(migration), script(indexes), *_transactions(steps)])


def down(migration: Migration) -> str:
    """Return what undoes it."""
    indexes = [statement for index in reversed(migration.indexes) for statement in index.down]
    steps = [(f"undo: {step.title}", step.down) for step in reversed(migration.steps)]
    return "\n".join([remarks(migration), *_transactions(steps), script(indexes)])


def remarks(migration: Migration) -> str:
    """Return what a reviewer should know, as a comment."""
    return "".join(f"{text(remark(f'-- {line}'))}\n" for line in migration.remarks)


def title(words: str, number: int, of: int) -> str:
    """Return the heading of a step, as a comment."""
    return text(remark(f"-- {number} of {of}: {words}")) + "\n"


def script(statements: Iterable[str]) -> str:
    """Return *statements* with their semicolons; what has several lines stands by itself."""
    parts: list[str] = []
    apart = False
    for statement in statements:
        after, apart = apart, "\n" in statement
        parts.append(f"\n{ended(statement)}" if parts and (after or apart) else ended(statement))
    return "".join(parts)


def ended(statement: str) -> str:
    """Return *statement* with its semicolon, which no remark at its end may hide, and an end of line."""
    return f"{statement}\n;\n" if "--" in statement.rpartition("\n")[2] else f"{statement};\n"


def _transactions(steps: Sequence[tuple[str, Sequence[str]]]) -> Iterator[str]:
    for number, (words, statements) in enumerate(steps, 1):
        yield title(words, number, len(steps)) + script(("BEGIN", *statements, "COMMIT"))

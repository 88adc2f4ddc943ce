"""A migration as versioned files of Flyway, each step one, for a file is a transaction there."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from rlsguard.migrate.model import Migration
from rlsguard.migrate.steps import within
from rlsguard.migrate.write import plain
from rlsguard.migrate.write.wrapped import code, executed

# Names may have ${x} in them.
_CONF = "encoding=UTF-8\nplaceholderReplacement=false\n"
_OUTSIDE = _CONF + "executeInTransaction=false\n"
_WAITS = "-- Needs flyway.postgresql.transactional.lock=false: else it waits for ever for a lock of Flyway's own.\n"

# To its reader, a dollar that is no part of a name begins a text; of CASEs in BEGIN ATOMIC only the outermost count.
_DOLLAR = re.compile(r"(?<![\w$])\$")
_ATOMIC = re.compile(r"\bBEGIN\s+ATOMIC\b.*\bCASE\b.*\bCASE\b", re.IGNORECASE | re.DOTALL)


def files(migration: Migration, name: str, folder: Path | None) -> Mapping[str, str]:
    """Return V<timestamp>_<number>__<name>.sql for each index and step, its settings, and the U file that undoes it."""
    of = len(migration.indexes) + len(migration.steps)
    version = f"{datetime.now(UTC):%Y%m%d%H%M%S}"
    found: dict[str, str] = {}
    for number, (about, conf, up, down) in enumerate(_parts(migration, of), 1):
        file = f"{version}_{number:0{max(2, len(str(of)))}}__{plain.slug(f'{name} {about}')}.sql"
        found |= {f"V{file}": up, f"V{file}.conf": conf, f"U{file}": down, f"U{file}.conf": conf}
    return found


def _parts(migration: Migration, of: int) -> Iterator[tuple[str, str, str, str]]:
    """Yield what each is about, its settings, what makes it and what undoes it."""
    head = plain.remarks(migration)
    for number, index in enumerate(migration.indexes, 1):
        words = plain.title(f"{index.table}: an index", number, of)
        up, down = (_WAITS + words + plain.script(statements) for statements in (index.up, index.down))
        yield f"{index.table} index", _OUTSIDE, head + up, head + down
    for number, step in enumerate(migration.steps, len(migration.indexes) + 1):
        up = head + plain.title(step.title, number, of) + _script(step.up)
        down = head + plain.title(f"undo: {step.title}", number, of) + _script(step.down)
        yield step.about, _CONF, up, down


def _script(statements: Sequence[str]) -> str:
    return plain.script(map(_kept, within(statements)))


def _kept(statement: str) -> str:
    bare = code(statement)
    # It knows \' as no end of a text after a capital E only.
    odd = "\\'" in statement or _DOLLAR.search(bare) or _ATOMIC.search(bare)
    return executed(statement) if odd else statement

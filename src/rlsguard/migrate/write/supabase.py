"""A migration as files of the Supabase CLI, which has its own idea of where a statement ends."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from rlsguard.migrate.model import Migration
from rlsguard.migrate.write import plain
from rlsguard.migrate.write.wrapped import adapted, code, executed
from rlsguard.problems import RlsguardError

# To the CLI, BEGIN ATOMIC ends with the next letters "end", in any word; $word$ within a name begins a text, and \'
# ends one.
_ATOMIC = re.compile(r"\bBEGIN\s+ATOMIC\b", re.IGNORECASE)
_DOLLARS = re.compile(r"\$\w*\$")

_NO_UNDO = ("Supabase has no undo: `rlsguard migrate --format sql` writes it for psql, before this one is run.",)


def files(migration: Migration, name: str, folder: Path | None) -> Mapping[str, str]:
    """Return supabase/migrations/TIMESTAMP_NAME.sql, and one before it for indexes, if there are any."""
    now = datetime.now(UTC)
    remarked = replace(migration, remarks=(*migration.remarks, *_NO_UNDO))
    found: dict[str, str] = {}
    for index in migration.indexes:
        if any(map(_is_odd, index.up)):
            words = "the Supabase CLI takes the $ in its name for a quote; make its index by hand first"
            raise RlsguardError(f"{index.table}: {words}")
    if migration.indexes:
        found[_place(now, f"{plain.slug(name)}_indexes")] = plain.up(replace(remarked, steps=()))
        now += timedelta(seconds=1)
    if migration.steps:
        found[_place(now, plain.slug(name))] = plain.up(adapted(replace(remarked, indexes=()), _kept))
    return found


def _place(when: datetime, name: str) -> str:
    return f"supabase/migrations/{when:%Y%m%d%H%M%S}_{name}.sql"


def _kept(statement: str) -> str:
    return executed(statement) if _is_odd(statement) else statement


def _is_odd(statement: str) -> bool:
    bare = code(statement)
    return "\\'" in statement or _ATOMIC.search(bare) is not None or _DOLLARS.search(bare) is not None

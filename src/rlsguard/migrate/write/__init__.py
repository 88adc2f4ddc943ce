"""A migration -> files, one module for each tool's conventions."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from rlsguard.migrate.model import Migration
from rlsguard.migrate.write import flyway, liquibase, plain, sqitch, supabase

# From a migration, its name and the folder that it is to be put into, if any, to files in there: name to text.
FORMATS: Mapping[str, Callable[[Migration, str, Path | None], Mapping[str, str]]] = {
    "flyway": flyway.files,
    "liquibase": liquibase.files,
    "sql": plain.files,
    "sqitch": sqitch.files,
    "supabase": supabase.files,
}

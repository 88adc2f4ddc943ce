"""Plan -> SQL: statements for a unit, files for a plan."""

from rlsguard.render.event_triggers import pause_event_triggers, resume_event_triggers
from rlsguard.render.files import as_one_file, files, stale_files
from rlsguard.render.manifest import forget, note, statements_hash
from rlsguard.render.sql import array, ending, expect_kept, let_guard_in, statements

__all__ = [
    "array",
    "as_one_file",
    "ending",
    "expect_kept",
    "files",
    "forget",
    "let_guard_in",
    "note",
    "pause_event_triggers",
    "resume_event_triggers",
    "stale_files",
    "statements",
    "statements_hash",
]

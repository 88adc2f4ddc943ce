"""Plan -> SQL: statements for a unit, files for a plan."""

from rlsguard.render.files import files
from rlsguard.render.manifest import manifest_statements, statements_hash
from rlsguard.render.sql import statements

__all__ = ["files", "manifest_statements", "statements", "statements_hash"]

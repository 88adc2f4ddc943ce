"""From a delta to migrations that other tools run: their steps, and a writer for each tool's conventions."""

from rlsguard.migrate.find import find_migration
from rlsguard.migrate.model import Index, Migration, Step

__all__ = ["Index", "Migration", "Step", "find_migration"]

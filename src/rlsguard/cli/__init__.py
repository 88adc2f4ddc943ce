"""The command `rlsguard`: each command parses, calls and prints."""

from rlsguard.cli.main import main, rlsguard

__all__ = ["main", "rlsguard"]

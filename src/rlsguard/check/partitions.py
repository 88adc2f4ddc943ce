"""Partitions of audited tables: triggers of theirs come from above, and can be switched off one by one."""

from __future__ import annotations

from collections.abc import Iterator

from rlsguard.check import kinds
from rlsguard.check.model import Finding
from rlsguard.check.scene import Scene
from rlsguard.names import QualifiedName, quote


def check(scene: Scene) -> Iterator[Finding]:
    """Name triggers of the guard on partitions that are not what they are on the table above."""
    for schema, table, trigger in scene.rows("check/partition_triggers"):
        name = QualifiedName(schema, table)
        why = "on this partition it does not always fire, as it does on the table above."
        mend = f"ALTER TABLE {name} ENABLE ALWAYS TRIGGER {quote(trigger)};"
        yield scene.finding(kinds.PARTITION_TRIGGER, f"trigger {quote(trigger)} on {name}", why, mend)

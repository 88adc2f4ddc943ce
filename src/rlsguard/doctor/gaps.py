"""What has changed under the guard: partitions that came later, policies that went along with a CASCADE."""

from __future__ import annotations

import re
from collections.abc import Iterator

from rlsguard.catalog.model import Table
from rlsguard.doctor.model import Finding
from rlsguard.doctor.scene import Scene

_POLICY = re.compile(r"!+rlsguard")
_REAPPLY = "Run rlsguard apply MAP."


def partitions(scene: Scene) -> Iterator[Finding]:
    """Name partitions and children of guarded tables that are not guarded: read directly they hide nobody."""
    guarded = [table for table in scene.catalog.tables.values() if _is_guarded(table)]
    bare = {
        child.name: table.name
        for table in guarded
        for child in scene.catalog.descendants(table)
        if child.kind in "rp" and not _is_guarded(child)
    }
    for name, parent in sorted(bare.items()):
        message = f"{name} came under {parent} after the last apply: whoever reads it directly sees every row."
        yield Finding("partitions", "error", str(name), message, _REAPPLY)
    if guarded and not bare:
        yield Finding("partitions", "ok", "", "every partition of a guarded table is guarded itself.", "")


def shut(scene: Scene) -> Iterator[Finding]:
    """Name tables that nobody sees a row of: the policies that let them be seen are gone."""
    for name, table in sorted(scene.catalog.tables.items()):
        if _is_guarded(table) or not table.row_security or not table.force_row_security:
            continue
        if not table.policies or any(p.name == "rlsguard present" for p in table.policies):
            message = (
                f"nobody sees a row of {name}: row security is on and forced, and the policy of the guard is gone."
            )
            advice = f"{_REAPPLY} If it is to be guarded no more: ALTER TABLE {name} DISABLE ROW LEVEL SECURITY;"
            yield Finding("shut", "error", str(name), message, advice)


def _is_guarded(table: Table) -> bool:
    return any(_POLICY.fullmatch(policy.name) for policy in table.policies)

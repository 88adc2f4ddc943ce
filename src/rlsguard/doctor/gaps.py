"""What has changed under the guard: partitions that came later, policies that went along with a CASCADE."""

from __future__ import annotations

import re
from collections.abc import Iterator

from rlsguard.catalog.model import Table
from rlsguard.doctor.model import Finding
from rlsguard.doctor.scene import Scene
from rlsguard.names import QualifiedName

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
        if not table.row_security:
            continue
        nobody = f"nobody sees a row of {name}: row security is on"
        if _is_guarded(table):
            if not any(policy.permissive for policy in table.policies):
                message = f"{nobody}, as it was before the guard, and no policy lets a row be seen."
                advice = f"{_open_anew(name)}\nElse say who may see rows, with a permissive policy of your own."
                yield Finding("shut", "warning", str(name), message, advice)
        elif table.force_row_security and (not table.policies or _is_present(table)):
            message = f"{nobody} and forced, and the policy of the guard is gone."
            known = scene.here.installed or _is_present(table)
            advice = f"{_REAPPLY} If it is to be guarded no more: {_off(name)}" if known else _open_anew(name)
            yield Finding("shut", "error", str(name), message, advice)


def _open_anew(name: QualifiedName) -> str:
    """Return what to do where an apply could not know that row security is not the table's own."""
    return (
        "If that is left over from a guard whose schema was dropped: run rlsguard uninstall,"
        f"\n{_off(name)}\nand then rlsguard apply MAP."
    )


def _off(name: QualifiedName) -> str:
    return f"ALTER TABLE {name} DISABLE ROW LEVEL SECURITY, NO FORCE ROW LEVEL SECURITY;"


def _is_present(table: Table) -> bool:
    """Tell whether what is left of the guard shows that the table has row security of its own."""
    return any(policy.name == "rlsguard present" for policy in table.policies)


def _is_guarded(table: Table) -> bool:
    return any(_POLICY.fullmatch(policy.name) for policy in table.policies)

"""Functions that the server was made with, such as those that tell who is a member of what: policies go by them."""

from __future__ import annotations

from collections.abc import Iterator

from rlsguard.check import kinds
from rlsguard.check.model import Finding
from rlsguard.check.scene import Scene


def check(scene: Scene) -> Iterator[Finding]:
    """Name those that somebody has replaced; what only one of the two servers has is its maker's business."""
    expected = scene.expected.built_in
    functions = scene.rows("check/built_in")
    replaced = {oid: name for oid, name, does in functions if expected.get(name, (does, ""))[0] != does}
    # Of thousands hardly any: the server takes its time to spell one.
    for oid, found in scene.rows("check/function_definitions", [[*replaced]]) if replaced else ():
        name = replaced[oid]
        _, definition = expected[name]
        why = "it is not what the server was made with, and policies, or the planner, go by such functions."
        mend = f"{definition.rstrip()};"
        yield scene.finding(kinds.BUILT_IN, f"function {name}", why, mend, expected=definition, found=found)

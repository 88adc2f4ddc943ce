"""The ledger's entries, each held against what was hashed of it when it was recorded."""

from __future__ import annotations

from collections.abc import Iterator

from rlsguard.check import kinds
from rlsguard.check.model import Finding
from rlsguard.check.scene import Scene

AGAIN = "Record it again, from what was kept of the ledger elsewhere."


def check(scene: Scene) -> Iterator[Finding]:
    """Say how many are not what they were, or follow one that is gone."""
    if "relation rlsguard.opt_out_event" not in scene.found:
        return
    ((wrong, first),) = scene.rows("check/ledger")
    if wrong:
        why = f"{wrong:,} of its entries, the first {first}, are not what was recorded, or follow one that is gone."
        yield scene.finding(kinds.LEDGER, "rlsguard.opt_out_event", why, AGAIN)

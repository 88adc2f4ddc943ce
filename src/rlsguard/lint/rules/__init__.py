"""The rules, by theme. Each is asked of each statement, before what that does is taken over."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from rlsguard.lint.rules import beside, copies, guard, roles, shape, unmapped
from rlsguard.lint.rules.by_hand import by_hand, catalogs
from rlsguard.lint.rules.found import Found
from rlsguard.lint.state import State

__all__ = ["RULES", "Found"]

RULES: tuple[Callable[[Any, State], Iterator[Found]], ...] = (
    guard.row_security,
    guard.policies,
    guard.triggers,
    guard.replica,
    guard.owners,
    by_hand,
    catalogs,
    roles.attributes,
    roles.memberships,
    roles.privileges,
    roles.settings,
    copies.views,
    copies.copies,
    copies.definers,
    unmapped.tables,
    shape.named,
    shape.astray,
    beside.partitions,
    beside.publications,
    beside.rules,
    beside.foreign_tables,
    beside.leakproof,
    beside.casts,
)

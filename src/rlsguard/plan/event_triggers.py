"""Event triggers that keep the guard: they refuse what would take it off, and guard what comes under guarded tables."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from rlsguard.catalog.model import Table
from rlsguard.datamap.model import TableEntry
from rlsguard.names import QualifiedName
from rlsguard.plan.audit import audit_of_child
from rlsguard.plan.model import AuditTriggers, Before, Protection, Route, Unit

# Stands for the table that is not there yet. No table of the plan is called so.
CHILD = QualifiedName("rlsguard child", "rlsguard child")

# In the order of their dropping.
ROUTINES = (
    "after_drop()",
    "after_ddl()",
    "guard_child(regclass, text)",
    "for_children()",
    "expect_current()",
    "refuse_ddl(text, text)",
    "guarded(oid[])",
)
# With the names of their arguments, as the catalog spells them.
_SPELLED = {
    "guarded(oid[])": "guarded(among oid[])",
    "guard_child(regclass, text)": "guard_child(IN child regclass, IN why text)",
    "refuse_ddl(text, text)": "refuse_ddl(IN command text, IN why text)",
}


@dataclass(frozen=True, slots=True)
class Parent:
    """A guarded table that has partitions or children, or a path of its own under another.

    What one more table under it gets, at any depth, under the name of `CHILD`.
    """

    table: QualifiedName
    protection: Protection
    audit: AuditTriggers | None


@dataclass(frozen=True, slots=True)
class EventTriggers(Unit):
    """Two event triggers and their functions, which belong to the superuser who applies."""

    parents: tuple[Parent, ...]

    @property
    def unit(self) -> str:
        return "event triggers"

    @property
    def objects(self) -> tuple[str, ...]:
        return (
            "event trigger rlsguard_drop",
            "event trigger rlsguard_ddl",
            "schema rlsguard_events",
            *(f"function rlsguard_events.{_SPELLED.get(routine, routine)}" for routine in ROUTINES),
        )

    @property
    def detail(self) -> dict[str, Any]:
        return {"kind": "event triggers"}


def event_triggers(
    guarded: Sequence[tuple[TableEntry, Table, tuple[Route, ...]]], protections: Sequence[Protection]
) -> EventTriggers:
    """Return the event triggers for the tables that *protections* are for."""
    made = {protection.name: protection for protection in protections}
    routes = {table.name: (entry, routes) for entry, table, routes in guarded}
    tables = {table.name: table for _, table, _ in guarded}

    def follows(table: Table) -> bool:
        """Tell whether *table* is guarded as what it is under, which then stands for both."""
        return len(table.parents) == 1 and routes.get(table.parents[0]) == routes[table.name]

    def audited(table: Table) -> TableEntry:
        """Return the entry by which *table* is audited: its own or, where that does not say so, one above it."""
        entry, _ = routes[table.name]
        above = [tables[name] for name in table.parents if name in tables]
        return entry if entry.audit is not None or not above else audited(above[0])

    return EventTriggers(
        tuple(
            Parent(
                table.name,
                _of_child(made[table.name]),
                audit_of_child(audited(table), CHILD, partition=table.kind == "p"),
            )
            for _, table, _ in sorted(guarded, key=lambda g: g[1].name)
            if table.name in made and (table.kind == "p" or table.children or table.parents) and not follows(table)
        )
    )


def _of_child(protection: Protection) -> Protection:
    """Return the protection of a table that has no row security of its own and that no path leads over."""
    return replace(
        protection,
        name=CHILD,
        oid=0,
        policy="!rlsguard",
        marker=False,
        baseline=True,
        present=False,
        owner_policy=False,
        before=Before(row_security=False, force=False),
        theirs=(),
    )

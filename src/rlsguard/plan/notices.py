"""What a DBA should know before applying: true things that no map entry can change."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator

from rlsguard.catalog.model import Catalog, Table
from rlsguard.datamap.model import DataMap, TableEntry
from rlsguard.names import QualifiedName, quote
from rlsguard.plan.model import Notice, Route
from rlsguard.plan.resolve import link_tables

_ACTIONS = {"c": "CASCADE", "n": "SET NULL", "d": "SET DEFAULT"}

Entries = list[tuple[TableEntry, Table, tuple[Route, ...]]]


def notices_of(
    datamap: DataMap, catalog: Catalog, entries: Entries, opened: Collection[QualifiedName]
) -> tuple[Notice, ...]:
    """Return the notices for the mapped tables, in the map's order, each once.

    Args:
        opened: tables that get a policy which lets rows be seen.
    """
    found: list[Notice] = []
    for subject in datamap.subjects.values():
        table = catalog.tables[subject.table]
        found += _of_types(table, [subject.key], catalog, f"opt-outs of each {subject.kind}")
    for exemption in datamap.exempt.values():
        if not exemption.in_force(catalog.today):
            text = f"the exemption ended with {exemption.until}: opt-outs hide rows from this role, too."
            found.append(Notice(quote(exemption.role), text))
    guarded = frozenset(entry.table for entry, _, routes in entries if routes)
    for entry, table, routes in entries:
        if entry.audit is not None:
            found += _of_types(table, table.columns, catalog, "row changes of this table")
        if entry.paths:
            found += _of_table(entry, table, routes, catalog, guarded, opened)
    return tuple(dict.fromkeys(found))


def _of_types(table: Table, columns: Iterable[str], catalog: Catalog, recorded: str) -> Iterator[Notice]:
    """Casts and checks of a type run when its values are recorded: without rights, but they may fail."""
    for name in columns:
        column = table.columns[name]
        owner = column.type_owner
        if owner != table.owner and not catalog.roles[owner].superuser:
            yield Notice(
                f"{table.name}.{name}",
                f"the type {column.type.declared} belongs to {quote(owner)}, who can keep {recorded}"
                " from being recorded.",
            )


def _of_table(
    entry: TableEntry,
    table: Table,
    routes: tuple[Route, ...],
    catalog: Catalog,
    guarded: frozenset[QualifiedName],
    opened: Collection[QualifiedName],
) -> Iterator[Notice]:
    about = str(table.name)
    if table.truncate_grantees:
        who = ", ".join(quote(role) for role in table.truncate_grantees)
        yield Notice(
            about,
            f"TRUNCATE ignores row security; held by {who}. Revoke it unless they must empty the table.",
        )
    if table.row_security and table.name not in opened and not any(p.permissive for p in table.policies):
        yield Notice(
            about,
            "row security is on and no policy lets anybody see a row, with rlsguard or without. If that is left over"
            " from a guard that was dropped: rlsguard uninstall; then"
            f" ALTER TABLE {about} DISABLE ROW LEVEL SECURITY, NO FORCE ROW LEVEL SECURITY; then apply again.",
        )
    entered = {column for route in routes for column in route.here_columns}
    for fk in table.foreign_keys:
        action = _ACTIONS.get(fk.on_update)
        if action and entered & set(fk.columns):
            yield Notice(
                about,
                f"foreign key {quote(fk.name)} says ON UPDATE {action}: it moves rows past row security.",
            )
        action = _ACTIONS.get(fk.on_delete)
        if action in ("SET NULL", "SET DEFAULT") and entered & set(fk.columns):
            yield Notice(
                about,
                f"foreign key {quote(fk.name)} says ON DELETE {action}: hidden rows can lose their person.",
            )
    if entry.when_unknown is None:
        for link in dict.fromkeys(link_tables(routes, catalog)):
            yield Notice(
                about,
                f"a row without a row in {link} belongs to nobody and stays visible; when_unknown: hide hides it.",
            )
    for hop in dict.fromkeys(step.table for route in routes for step in route.steps):
        if hop not in guarded:
            yield Notice(
                about,
                f"its path crosses {hop}, which the map does not guard: whoever may write there can un-hide rows.",
            )
    if entry.joint == "all":
        for link in dict.fromkeys(link_tables(routes, catalog)):
            yield Notice(
                about,
                f"joint: all counts the people in {link}: whoever may insert there can make hidden rows visible.",
            )

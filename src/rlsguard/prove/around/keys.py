"""Keys that come to lead to other people, or to nobody, without a policy having a say; and people no path leads to."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from rlsguard.catalog.model import ForeignKey
from rlsguard.names import QualifiedName, quote
from rlsguard.plan.model import Lookup, MapRows, Route
from rlsguard.prove.around.revoking import listed, revoke
from rlsguard.prove.model import Assumption, WayAround, in_order
from rlsguard.prove.scene import Scene

_ACTIONS = {"c": "CASCADE", "n": "SET NULL", "d": "SET DEFAULT"}


def truncated(scene: Scene) -> Iterator[WayAround]:
    """Name roles that may empty a table by which rows are led to their people: then these are nobody's, and show."""
    behind: dict[QualifiedName, set[QualifiedName]] = {}
    for table, look in _lookups(scene):
        if not look.hide_unknown:
            for step in look.route.steps:
                behind.setdefault(step.table, set()).add(table)
    for hop, tables in sorted(behind.items()):
        grantees = scene.catalog.tables[hop].truncate_grantees
        roles = scene.held_among(grantees)
        if roles:
            who, oid = listed(grantees), scene.catalog.tables[hop].oid
            why = f"TRUNCATE ignores policies, and without the rows of {hop} no path leads to anybody: all rows show."
            mend = revoke("TRUNCATE", str(hop), grantees, scene.passed_on.get((oid, "TRUNCATE"), ()))
            yield WayAround("privilege", f"TRUNCATE of {who} on {hop}", in_order(tables), roles, why, mend)


def actions(scene: Scene) -> Iterator[Assumption]:
    """Name foreign keys whose actions change a column that paths are followed by: no policy is asked for these."""
    for table, look in _lookups(scene):
        for place, columns in _columns(table, look.route).items():
            for key in scene.catalog.tables[place].foreign_keys:
                done = _done(key, at_once=place == table, hidden=look.hide_unknown) if columns & {*key.columns} else ()
                if done:
                    text = (
                        f"it says {' and '.join(done)}, which no policy hinders: keys of {key.target} are taken"
                        f" not to change or go, by which rows of {table} would come to be somebody else's or nobody's."
                    )
                    yield Assumption(f"foreign key {quote(key.name)} of {place}", text)


def _done(key: ForeignKey, *, at_once: bool, hidden: bool) -> tuple[str, ...]:
    """Return the actions of *key* by which rows can come to show.

    Args:
        at_once: whether the key is in the protected table, whose rows go with its action rather than stay.
        hidden: whether rows that lead to nobody are hidden.
    """
    found = []
    if key.on_update in ("c", "d") or (key.on_update == "n" and not hidden):
        found.append(f"ON UPDATE {_ACTIONS[key.on_update]}")
    if key.on_delete == "d" or (not hidden and (key.on_delete == "n" or (key.on_delete == "c" and not at_once))):
        found.append(f"ON DELETE {_ACTIONS[key.on_delete]}")
    return tuple(found)


def others(scene: Scene) -> Iterator[Assumption]:
    """Name columns of protected tables that look as if they led to people, and that no path of the map follows."""
    subjects = [row for unit in scene.wanted.units if isinstance(unit, MapRows) for row in unit.subjects]
    followed: dict[QualifiedName, set[str]] = {}
    for name, look in _lookups(scene):
        followed.setdefault(name, set()).update(look.route.here_columns)
    for name, paths in followed.items():
        table = scene.catalog.tables[name]
        for row in subjects:
            linked = {
                column: f"by the foreign key {quote(key.name)} "
                for key in table.foreign_keys
                for column, there in zip(key.columns, key.target_columns, strict=True)
                if key.target == row.table and there == row.key
            }
            alike = {row.key: ""} if row.key in table.columns and table.columns[row.key].type == row.type else {}
            for column, how in sorted({**alike, **linked}.items()):
                if column not in paths:
                    text = (
                        f"it leads {how}to a {row.kind}, and no path of the map follows it:"
                        " the opt-outs of whom it names are taken to be no matter here."
                    )
                    yield Assumption(f"column {name}.{quote(column)}", text)


def _lookups(scene: Scene) -> Iterator[tuple[QualifiedName, Lookup]]:
    for protection in scene.protected.values():
        for look in protection.lookups:
            yield protection.name, look


def _columns(table: QualifiedName, route: Route) -> Mapping[QualifiedName, set[str]]:
    """Return the columns that *route* goes by, in *table* and in each table that it crosses."""
    found: dict[QualifiedName, set[str]] = {}
    here = table
    for step in route.steps:
        found.setdefault(here, set()).update(join.here for join in step.joins)
        found.setdefault(step.table, set()).update(join.there for join in step.joins)
        here = step.table
    found.setdefault(here, set()).add(route.key)
    return found

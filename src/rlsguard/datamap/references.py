"""What only the whole map can tell: names that lead to nothing, entries that contradict themselves, circles."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from importlib import resources
from typing import Any

from rlsguard.datamap.paths import UnreadableError, subject_paths, table_name
from rlsguard.names import QualifiedName
from rlsguard.problems import Location, did_you_mean

_ONLY_WITH_PEOPLE = ("subject", "joint", "when_unknown", "reads", "existing_policies")


@cache
def data_categories() -> tuple[str, ...]:
    """Return the keys of the Fides taxonomy of data categories (https://ethyca.github.io/fideslang/)."""
    text = resources.files("rlsguard.datamap").joinpath("data_categories.txt").read_text(encoding="utf-8")
    return tuple(line for line in text.splitlines() if line and not line.startswith("#"))


def problems(data: dict[str, Any]) -> Iterator[tuple[Location, str]]:
    """Yield what is wrong between the parts of a map; parts of the wrong type are passed over, pydantic names them."""
    purposes, subjects = _mapping(data, "purposes"), _mapping(data, "subjects")
    for role, wanted in _mapping(data, "roles").items():
        if isinstance(wanted, list):
            if not wanted:
                yield (
                    ("roles", role),
                    "name at least one purpose, or leave the role out: it is then held to every opt-out",
                )
            for number, purpose in enumerate(wanted):
                if not isinstance(purpose, str):
                    continue
                if purpose not in purposes:
                    yield ("roles", role, number), f"there is no purpose {purpose}{_near(purpose, purposes)}"
                elif purpose in wanted[:number]:
                    yield ("roles", role, number), f"purpose {purpose} is here twice"
    yield from _idle_exemptions(data, purposes)
    hops: dict[QualifiedName, list[QualifiedName]] = {}
    where: dict[QualifiedName, Location] = {}
    for name, entry in _mapping(data, "tables").items():
        location: Location = ("tables", name)
        table = _table(name)
        if table in where and table is not None:
            yield location, f"table {table} is here twice; it is also written {where[table][1]}"
        elif table is not None:
            where[table] = location
        if isinstance(entry, dict):
            yield from _entry(location, entry, subjects)
            if table is not None:
                hops[table] = list(_hops(entry, table))
    yield from _circles(hops, where)


def _idle_exemptions(data: dict[str, Any], purposes: dict[str, Any]) -> Iterator[tuple[Location, str]]:
    """Yield the exemptions of roles that read for a purpose people can opt out of: they would never count."""
    roles = _mapping(data, "roles")
    for role in _mapping(data, "exempt"):
        wanted = roles.get(role)
        for purpose in wanted if isinstance(wanted, list) else ():
            known = purposes.get(purpose) if isinstance(purpose, str) else None
            if isinstance(known, dict) and known.get("opt_out", True) is True:
                message = f"this has no effect: {role} also reads for {purpose}, and is held to its opt-outs"
                yield ("exempt", role), message
                break


def _entry(location: Location, entry: dict[str, Any], subjects: dict[str, Any]) -> Iterator[tuple[Location, str]]:
    holds, subject = entry.get("holds"), entry.get("subject")
    if holds == []:
        for key in _ONLY_WITH_PEOPLE:
            if key in entry:
                yield (*location, key), f"a table that holds nothing (holds: []) has no {key}"
    elif isinstance(holds, list) and not subject:
        yield location, "the key subject is missing: whom are these rows about?"
    if isinstance(subject, dict):
        for kind, paths in subject.items():
            if kind not in subjects:
                yield (*location, "subject", kind), f"there is no subject {kind}{_near(kind, subjects)}"
            try:
                list(subject_paths(kind, paths, ()))
            except UnreadableError:
                continue
    columns = entry.get("columns")
    if isinstance(columns, dict):
        for column, category in columns.items():
            if isinstance(category, str) and category not in data_categories():
                near = did_you_mean(category, data_categories())
                yield (*location, "columns", column), f"there is no data category {category}{near}"


def _hops(entry: dict[str, Any], start: QualifiedName) -> Iterator[QualifiedName]:
    subject = entry.get("subject")
    for kind, value in subject.items() if isinstance(subject, dict) else ():
        try:
            for path in subject_paths(kind, value, ()):
                yield from (hop.table for hop in path.hops)
        except UnreadableError:
            continue


def _circles(
    hops: dict[QualifiedName, list[QualifiedName]], where: dict[QualifiedName, Location]
) -> Iterator[tuple[Location, str]]:
    """Yield circles of tables whose paths lead over one another: at least one of those that share tables."""
    done: set[QualifiedName] = set()

    def walk(table: QualifiedName, trail: tuple[QualifiedName, ...]) -> Iterator[tuple[Location, str]]:
        if table in trail:
            ring = trail[trail.index(table) :]
            names = " -> ".join(str(name) for name in (*ring, table))
            yield where[ring[0]], f"the paths go in a circle: {names}"
            return
        if table in done:
            return
        for after in dict.fromkeys(hops.get(table, ())):
            yield from walk(after, (*trail, table))
        done.add(table)

    for start in hops:
        yield from walk(start, ())


def _table(name: str) -> QualifiedName | None:
    try:
        return table_name(name)
    except UnreadableError:
        return None


def _mapping(data: dict[str, Any], key: str) -> dict[str, Any]:
    value = data.get(key)
    return value if isinstance(value, dict) else {}


def _near(wrong: str, right: dict[str, Any]) -> str:
    return did_you_mean(wrong, right) or (f"; there are: {', '.join(right)}" if right else "")

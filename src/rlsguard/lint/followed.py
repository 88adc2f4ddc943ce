"""What a data map says of tables and columns, asked the other way round: who goes by them?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from rlsguard.check.unmapped import tells
from rlsguard.datamap.model import DataMap
from rlsguard.names import QualifiedName


@dataclass(frozen=True)
class Followed:
    """What paths go by.

    Attributes:
        columns: of each table, those by which a path goes on or ends, and the keys of people.
        crossed: the tables that the paths of others cross, and these others.
        open: the tables whose rows show where a path ends in nobody.
        leading: the columns that lead to people, by name, as far as a name says anything: and whither.
        people: the tables from which a row leads to people, and those that list them.
    """

    columns: Mapping[QualifiedName, frozenset[str]]
    crossed: Mapping[QualifiedName, frozenset[QualifiedName]]
    open: frozenset[QualifiedName]
    leading: Mapping[str, str]
    people: frozenset[QualifiedName]


def followed(datamap: DataMap) -> Followed:
    """Return what the paths of *datamap* go by."""
    columns: dict[QualifiedName, set[str]] = {}
    crossed: dict[QualifiedName, set[QualifiedName]] = {}
    leading: dict[str, str] = {}
    people: set[QualifiedName] = set()
    for subject in datamap.subjects.values():
        columns.setdefault(subject.table, set()).add(subject.key)
        people.add(subject.table)
        if tells(subject.key):
            leading[subject.key] = f"is called as the key of a {subject.kind}"
    for entry in datamap.tables.values():
        for path in entry.paths:
            people.add(entry.table)
            here = entry.table
            for hop in path.hops:
                columns.setdefault(here, set()).update(join.here for join in hop.joins)
                columns.setdefault(hop.table, set()).update(join.there for join in hop.joins)
                crossed.setdefault(hop.table, set()).add(entry.table)
                here = hop.table
            columns.setdefault(here, set()).add(path.key)
            first = [join.here for join in path.hops[0].joins] if path.hops else [path.key]
            if len(first) == 1 and tells(first[0]):
                leading.setdefault(first[0], f"is called as that by which rows of {entry.table} lead to people")
    return Followed(
        {table: frozenset(names) for table, names in columns.items()},
        {table: frozenset(tables) for table, tables in crossed.items()},
        frozenset(t.table for t in datamap.tables.values() if t.paths and t.when_unknown != "hide"),
        leading,
        frozenset(people),
    )

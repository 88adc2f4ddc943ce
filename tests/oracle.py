"""Who may see which rows, worked out in plain Python from the rows themselves.

The judge of what the database shows. It shares no reasoning with rlsguard and knows no SQL: it has its own few words
for what a data map says, and it follows every row to its people by looking them up.
"""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Callable, Collection, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, NamedTuple

from rlsguard.datamap.model import DataMap

Row = Mapping[str, Any]
# Whatever the caller names tables by, as long as it is the same everywhere.
Table = Hashable
# Gives values that the database holds equal one and the same thing to compare.
Normalise = Callable[[Any], Hashable]


class Hop(NamedTuple):
    """A step to `table`: every pair (column here, column there) must be equal."""

    table: Table
    on: tuple[tuple[str, str], ...]


class Path(NamedTuple):
    """How a row leads to people of a kind: hops in order, then the column that holds the key."""

    kind: str
    hops: tuple[Hop, ...]
    key: str


class Entry(NamedTuple):
    """What a table says of its rows. `hide_unknown`: a row that reaches nobody is hidden from whoever is held."""

    paths: tuple[Path, ...]
    joint_all: bool = False
    hide_unknown: bool = False


class Role(NamedTuple):
    """A database role. `inherits`: roles it is a direct member of *and* has the privileges of without SET ROLE."""

    name: str
    inherits: frozenset[str] = frozenset()
    superuser: bool = False
    bypass_rls: bool = False


class OptOut(NamedTuple):
    """An opt-out in force. The key is a value as the subject's column holds it, not its text."""

    kind: str
    key: Any
    purpose: str


@dataclass(frozen=True)
class Rules:
    """What a data map says.

    Attributes:
        subjects: kind of person -> (table, key column).
        purposes: purpose -> whether people can opt out of it.
        roles: role -> purposes it reads for.
        exempt: role -> last day (UTC) of its exemption, or None.
        tables: table -> entry.
    """

    subjects: Mapping[str, tuple[Table, str]]
    purposes: Mapping[str, bool]
    roles: Mapping[str, Collection[str]]
    exempt: Mapping[str, dt.date | None]
    tables: Mapping[Table, Entry]


def citext(value: str) -> Hashable:
    """Compare as citext does in a database of locale C: only ASCII letters fold."""
    return value.translate(_ASCII_LOWER)


def char(value: str) -> Hashable:
    """Compare as character(n) does: blanks at the end do not count."""
    return value.rstrip(" ")


def number(value: Any) -> Hashable:
    """Compare as numeric and float do: 1.0 is 1.00, and NaN is NaN."""
    return Decimal(value) if value == value else "NaN"


_ASCII_LOWER = {upper: upper + 32 for upper in range(ord("A"), ord("Z") + 1)}


def rules(datamap: DataMap) -> Rules:
    """Say in the oracle's words what *datamap* says; tables are named by QualifiedName."""
    return Rules(
        subjects={kind: (subject.table, subject.key) for kind, subject in datamap.subjects.items()},
        purposes={name: purpose.opt_out for name, purpose in datamap.purposes.items()},
        roles={name: role.purposes for name, role in datamap.roles.items()},
        exempt={name: exemption.until for name, exemption in datamap.exempt.items()},
        tables={
            name: Entry(
                tuple(
                    Path(
                        path.kind,
                        tuple(
                            Hop(hop.table, tuple((join.here, join.there) for join in hop.joins)) for hop in path.hops
                        ),
                        path.key,
                    )
                    for path in entry.paths
                ),
                joint_all=entry.joint == "all",
                hide_unknown=entry.when_unknown == "hide",
            )
            for name, entry in datamap.tables.items()
        },
    )


@dataclass(frozen=True, eq=False)
class Oracle:
    """Knows the rows and the rules; asked who sees what.

    Attributes:
        tables: table -> the rows that reading it gives to a superuser, so a parent's include its children's.
        roles: every role that is asked about or inherited from.
        parents: partition or inheritance child -> what it hangs under; a table that names no people itself follows
            the nearest above it that does, and compares its columns likewise.
        normalise: (table, column) -> how its values are compared, where that is not as Python does. Every column
            of a join or key that needs it must be named, also the subject's own key.
        today: the day (UTC) that exemptions are judged on.
    """

    rules: Rules
    tables: Mapping[Table, Sequence[Row]]
    roles: Mapping[str, Role]
    parents: Mapping[Table, Table] = field(default_factory=dict)
    normalise: Mapping[tuple[Table, str], Normalise] = field(default_factory=dict)
    today: dt.date = field(default_factory=lambda: dt.datetime.now(dt.UTC).date())
    _indexes: dict[Hop, dict[tuple[Hashable, ...], list[Row]]] = field(default_factory=dict, init=False)
    _reached: dict[tuple[Table, Path], list[frozenset[Hashable]]] = field(default_factory=dict, init=False)

    def held(self, role: str) -> frozenset[str]:
        """Return the purposes whose opt-outs *role* is held to, superuser or not."""
        opt_out = {purpose for purpose, possible in self.rules.purposes.items() if possible}
        is_one_of = self._with_privileges_of(role)
        purposes = {p for one in is_one_of for p in self.rules.roles.get(one, ())}
        if purposes:
            return frozenset(purposes & opt_out)
        if any(self._exempt(one) for one in is_one_of):
            return frozenset()
        return frozenset(opt_out)

    def visible(self, role: str, table: Table, opt_outs: Iterable[OptOut]) -> list[Row]:
        """Return the rows of *table* that *role* sees while *opt_outs* are in force, in their order."""
        rows = self.tables[table]
        if self.roles[role].superuser or self.roles[role].bypass_rls:
            return list(rows)
        held = self.held(role)
        entry = self._entry(table)
        if not held or entry is None:
            return list(rows)
        suppressed = self._suppressed(held, opt_outs)
        reached = [(self.reached(table, path), suppressed[path.kind]) for path in entry.paths]
        return [
            row
            for place, row in enumerate(rows)
            if not any(_hidden(people[place], gone, entry) for people, gone in reached)
        ]

    def reached(self, table: Table, path: Path) -> list[frozenset[Hashable]]:
        """Return for each row of *table* the people that it leads to by *path*."""
        if (table, path) not in self._reached:
            self._reached[table, path] = [self._follow(table, row, path) for row in self.tables[table]]
        return self._reached[table, path]

    def _follow(self, table: Table, row: Row, path: Path) -> frozenset[Hashable]:
        rows = [row]
        for hop in path.hops:
            index = self._index(hop)
            there = []
            for one in rows:
                values = self._values(table, one, [here for here, _ in hop.on])
                there += index.get(values, []) if values is not None else []
            # A row that is met on two ways is followed once.
            table, rows = hop.table, list({id(one): one for one in there}.values())
        keys = (self._values(table, one, [path.key]) for one in rows)
        return frozenset(values[0] for values in keys if values is not None)

    def _index(self, hop: Hop) -> dict[tuple[Hashable, ...], list[Row]]:
        if hop not in self._indexes:
            index = defaultdict(list)
            for row in self.tables[hop.table]:
                values = self._values(hop.table, row, [there for _, there in hop.on])
                if values is not None:
                    index[values].append(row)
            self._indexes[hop] = dict(index)
        return self._indexes[hop]

    def _values(self, table: Table, row: Row, columns: list[str]) -> tuple[Hashable, ...] | None:
        """Return what to compare, or None where a column is null: null equals nothing."""
        if any(row[column] is None for column in columns):
            return None
        return tuple(self._same(table, column, row[column]) for column in columns)

    def _same(self, table: Table, column: str, value: Any) -> Hashable:
        for one in self._lineage(table):
            if (one, column) in self.normalise:
                return self.normalise[one, column](value)
        return value

    def _suppressed(self, held: frozenset[str], opt_outs: Iterable[OptOut]) -> dict[str, set[Hashable]]:
        """Return by kind the people who opted out of any purpose in *held*."""
        people: dict[str, set[Hashable]] = {kind: set() for kind in self.rules.subjects}
        for one in opt_outs:
            if one.purpose in held:
                people[one.kind].add(self._same(*self.rules.subjects[one.kind], one.key))
        return people

    def _entry(self, table: Table) -> Entry | None:
        entries = (self.rules.tables.get(one) for one in self._lineage(table))
        return next((entry for entry in entries if entry is not None and entry.paths), None)

    def _lineage(self, table: Table) -> Iterator[Table]:
        """Yield *table* and what it hangs under, nearest first."""
        yield table
        while table in self.parents:
            table = self.parents[table]
            yield table

    def _with_privileges_of(self, role: str) -> set[str]:
        """Return *role* and the roles whose privileges it has, at any remove."""
        found = {role}
        queue = [role]
        while queue:
            for other in self.roles[queue.pop()].inherits - found:
                found.add(other)
                queue.append(other)
        return found

    def _exempt(self, role: str) -> bool:
        if role not in self.rules.exempt:
            return False
        until = self.rules.exempt[role]
        return until is None or self.today <= until


def _hidden(people: frozenset[Hashable], gone: set[Hashable], entry: Entry) -> bool:
    if not people:
        return entry.hide_unknown
    return people <= gone if entry.joint_all else not people.isdisjoint(gone)

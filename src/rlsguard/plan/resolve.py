"""Hold a data map against the catalog: what is wrong with it, all at once, and the routes of what is right."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from rlsguard.catalog.model import Catalog, Column, Table
from rlsguard.datamap.model import DataMap, Hop, SubjectPath, TableEntry
from rlsguard.names import QualifiedName, quote
from rlsguard.plan.model import JoinColumns, Route, Step
from rlsguard.problems import Location, Problem, did_you_mean

_KINDS = {"v": "a view", "m": "a materialised view", "f": "a foreign table"}


class Resolver:
    """Checks one data map against one catalog. `problems` grows as things are looked up."""

    def __init__(self, datamap: DataMap, catalog: Catalog) -> None:
        self.datamap = datamap
        self.catalog = catalog
        self.problems: list[Problem] = []

    def problem(self, location: Location, message: str) -> None:
        """Note that what stands at *location* cannot be used."""
        self.problems.append(Problem(self.datamap.position(location), location, message))

    def table(self, name: QualifiedName, location: Location) -> Table | None:
        """Return the table called *name*, or note why there is none that row security can protect."""
        table = self.catalog.tables.get(name)
        if table is None:
            near = did_you_mean(str(name), (str(t) for t in self.catalog.tables))
            self.problem(location, f"table {name} is not in the database{near}")
        elif table.kind in _KINDS:
            self.problem(location, f"{name} is {_KINDS[table.kind]}: name the tables that hold its rows")
        elif table.persistence == "t":
            self.problem(location, f"{name} is a temporary table")
        else:
            return table
        return None

    def column(self, table: Table, name: str, location: Location) -> Column | None:
        """Return the column, or note that *table* has none of that name."""
        column = table.columns.get(name)
        if column is None:
            near = did_you_mean(quote(name), (quote(c) for c in table.columns))
            self.problem(location, f"table {table.name} has no column {quote(name)}{near}")
        return column

    def role(self, name: str, location: Location) -> None:
        """Note it when the database has no role *name*."""
        if name not in self.catalog.roles:
            near = did_you_mean(name, self.catalog.roles)
            self.problem(location, f"role {quote(name)} is not in the database{near}")

    def subject_key(self, kind: str) -> tuple[Table, Column] | None:
        """Return the table and key column of a kind of subject, if both are there."""
        subject = self.datamap.subjects[kind]
        table = self.catalog.tables.get(subject.table)
        column = table.columns.get(subject.key) if table is not None else None
        return (table, column) if table is not None and column is not None else None

    def same(self, here: Column, there: Column, what: str, location: Location) -> str | None:
        """Return the schema of the `=` that compares two columns, or note why none does it safely."""
        if here.type.comparable != there.type.comparable:
            self.problem(location, f"{what} differ in type: {here.type.declared} and {there.type.declared}")
        elif here.collation != there.collation:
            self.problem(location, f"{what} differ in collation: {here.collation} and {there.collation}")
        elif here.type.equality is None:
            self.problem(location, f"{what} cannot be compared: type {here.type.declared} has no btree equality")
        else:
            return here.type.equality
        return None

    def route(self, entry: TableEntry, start: Table, path: SubjectPath) -> Route | None:
        """Follow *path* from *start* through the catalog; None when a problem was noted on the way."""
        here: Table = start
        steps: list[Step] = []
        loose: str | None = None
        for hop in path.hops:
            there = self.table(hop.table, hop.location)
            if there is None:
                return None
            joins = self._joins(here, there, hop)
            if joins is None:
                return None
            steps.append(Step(there.name, joins))
            loose = loose or _may_lead_nowhere(here, there, joins)
            here = there
        at_key = (*path.location, len(path.hops)) if path.hops else path.location
        key = self.column(here, path.key, at_key)
        subject = self.subject_key(path.kind)
        if key is None or subject is None:
            return None
        equality = self.same(
            key,
            subject[1],
            f"{here.name}.{quote(key.name)} and {subject[0].name}.{quote(subject[1].name)}",
            at_key,
        )
        if not key.not_null:
            loose = loose or f"{here.name}.{quote(key.name)} can be NULL"
        if loose and entry.when_unknown is None:
            self.problem(
                path.location,
                f"the path can end without a {path.kind}: {loose}; say when_unknown: hide or when_unknown: show",
            )
        if equality is None:
            return None
        return Route(path.kind, tuple(steps), path.key, key.type.sql, equality, entry.joint)

    def _joins(self, here: Table, there: Table, hop: Hop) -> tuple[JoinColumns, ...] | None:
        joins: list[JoinColumns] = []
        for join in hop.joins:
            left = self.column(here, join.here, hop.location)
            right = self.column(there, join.there, hop.location)
            if left is None or right is None:
                continue
            what = f"{here.name}.{quote(left.name)} and {there.name}.{quote(right.name)}"
            equality = self.same(left, right, what, hop.location)
            if equality is not None:
                joins.append(JoinColumns(left.name, right.name, equality))
        return tuple(joins) if len(joins) == len(hop.joins) else None

    def check_subjects(self) -> None:
        """Check the subjects' tables and keys."""
        for subject in self.datamap.subjects.values():
            table = self.table(subject.table, (*subject.location, "table"))
            if table is None:
                continue
            key = self.column(table, subject.key, (*subject.location, "key"))
            if key is not None and key.type.equality is None:
                self.problem(
                    (*subject.location, "key"),
                    f"{table.name}.{quote(key.name)} cannot be a key: type {key.type.declared} has no btree equality",
                )

    def check_roles(self) -> None:
        """Check that the roles are there, and that row security applies to them."""
        for role in self.datamap.roles.values():
            self.role(role.name, role.location)
            known = self.catalog.roles.get(role.name)
            held = [p for p in role.purposes if self.datamap.purposes[p].opt_out]
            if known is not None and held and (known.superuser or known.bypass_rls):
                what = "is a superuser" if known.superuser else "has BYPASSRLS"
                self.problem(
                    role.location,
                    f"role {quote(role.name)} {what}: row security never holds it, nor would opt-outs of {held[0]}",
                )
            elif known is not None and held and known.replication:
                self.problem(
                    role.location,
                    f"role {quote(role.name)} has REPLICATION: it can copy all there is, past opt-outs of {held[0]}",
                )
        for exemption in self.datamap.exempt.values():
            self.role(exemption.role, exemption.location)

    def check_columns(self, entry: TableEntry, table: Table) -> None:
        """Check the columns that a table entry names beside its paths."""
        for name in entry.columns:
            self.column(table, name, (*entry.location, "columns", quote(name)))
        if entry.audit is not None:
            for what, names in (("redact", entry.audit.redact), ("hash", entry.audit.hash)):
                for place, name in enumerate(names):
                    self.column(table, name, (*entry.audit.location, what, place))

    def check_descendants(self, entry: TableEntry, table: Table) -> None:
        """Check that every partition and child can carry a policy."""
        for child in self.catalog.descendants(table):
            if child.kind == "f":
                what = "partition" if child.is_partition else "child"
                self.problem(
                    entry.location,
                    f"{what} {child.name} of {table.name} is a foreign table, which cannot carry a policy: "
                    "detach it, or import its rows into a table",
                )


def _may_lead_nowhere(here: Table, there: Table, joins: Iterable[JoinColumns]) -> str | None:
    """Return why a row of *here* may find no row of *there*, as far as the catalog can tell.

    A look-up of one row must be backed by a validated foreign key. A link table (several rows may match)
    can never promise a row; that is a notice of the plan, not an error.
    """
    pairs = {j.here: j.there for j in joins}
    nullable = [name for name in pairs if not here.columns[name].not_null]
    if nullable:
        return f"{here.name}.{quote(nullable[0])} can be NULL"
    looks_up_one = any(unique <= set(pairs.values()) for unique in there.unique_keys)
    promised = any(
        fk.validated and fk.target == there.name and dict(zip(fk.columns, fk.target_columns, strict=True)) == pairs
        for fk in here.foreign_keys
    )
    if looks_up_one and not promised:
        columns = ", ".join(quote(name) for name in pairs)
        return f"no valid foreign key ties {here.name} ({columns}) to {there.name}"
    return None


def link_tables(routes: Iterable[Route], catalog: Catalog) -> Iterator[QualifiedName]:
    """Yield the tables that *routes* cross where several rows may match, or none."""
    for route in routes:
        for step in route.steps:
            unique = catalog.tables[step.table].unique_keys
            if not any(keys <= {j.there for j in step.joins} for keys in unique):
                yield step.table


def hop_cycles(tables: Mapping[QualifiedName, set[QualifiedName]]) -> tuple[QualifiedName, ...] | None:
    """Return a ring of tables that reach each other over hops, descendants counted, or None."""
    done: set[QualifiedName] = set()

    def walk(name: QualifiedName, trail: tuple[QualifiedName, ...]) -> tuple[QualifiedName, ...] | None:
        if name in trail:
            return (*trail[trail.index(name) :], name)
        if name in done:
            return None
        for after in sorted(tables.get(name, ())):
            ring = walk(after, (*trail, name))
            if ring:
                return ring
        done.add(name)
        return None

    for start in sorted(tables):
        ring = walk(start, ())
        if ring:
            return ring
    return None

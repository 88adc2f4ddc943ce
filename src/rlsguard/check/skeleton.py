"""An empty stand-in for what a plan builds on, to be made on a scratch server: just the tables, columns and types that
policies and views name. What the plan makes there, the server spells as it must be here."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace

from psycopg import sql

from rlsguard.catalog.model import Catalog, Column
from rlsguard.names import Name, QualifiedName, quote, split_identifiers
from rlsguard.plan.model import AuditTriggers, Before, Grants, MapRows, Plan, Protection, Route, State, Unit, View

# A partitioned table is partitioned by something; nothing of the plan names it.
_PARTITIONED_BY = "rlsguard partition"


@dataclass(frozen=True, slots=True)
class Skeleton:
    """Statements that make the stand-in, and what can be made on it.

    Attributes:
        extensions: by name, the schema that each is wanted in.
        units: in the order of their making.
        left_out: units that cannot be made there, and why.
    """

    extensions: Mapping[str, str]
    statements: tuple[sql.Composable, ...]
    units: tuple[Unit, ...]
    left_out: Mapping[str, str]


def skeleton(
    plan: Plan, catalog: Catalog, extension_types: Mapping[str, tuple[str, str]], available: Collection[str]
) -> Skeleton:
    """Return the stand-in for *plan*.

    Args:
        extension_types: types that extensions bring, as SQL spells them: the extension and its schema.
        available: extensions that the scratch server has.
    """
    columns = _columns(plan)
    types = _Types(extension_types, available)
    tables: dict[QualifiedName, list[Column]] = {}
    strange: dict[QualifiedName, str] = {}
    for name, wanted in columns.items():
        found = [catalog.tables[name].columns[column] for column in wanted if column in catalog.tables[name].columns]
        why = next((why for column in found if (why := types.refused(column)) is not None), None)
        if why is None:
            tables[name] = found
        else:
            strange[name] = why
    units: list[Unit] = []
    left_out: dict[str, str] = {}
    for unit in plan.units:
        why = next((strange[name] for name in sorted(_names(unit)) if name in strange), None)
        if why is not None:
            left_out[unit.unit] = why
        elif not isinstance(unit, MapRows):  # those are compared as rows
            units.append(_on_its_own(unit))
    partitioned = {
        unit.name: unit.adder for unit in units if isinstance(unit, AuditTriggers) and unit.adder is not None
    }
    schemas = {name.schema for name in tables} | types.schemas
    schemas |= {schema for unit in units if isinstance(unit, Grants) for schema in (*unit.schemas, *unit.type_schemas)}
    statements = [
        *_roles(units, partitioned.values()),
        *(sql.SQL("CREATE SCHEMA IF NOT EXISTS {}").format(Name(schema)) for schema in sorted(schemas)),
        *types.collations(column for found in tables.values() for column in found),
        *types.made,
        *(_table(name, tables[name], partitioned.get(name)) for name in sorted(tables)),
    ]
    return Skeleton(types.extensions, tuple(statements), tuple(units), left_out)


def _on_its_own(unit: Unit) -> Unit:
    """Return *unit* as it is made on a table that has no row security and no policies of others."""
    if isinstance(unit, Protection):
        return replace(unit, theirs=(), before=Before(row_security=False, force=False))
    return unit


def _columns(plan: Plan) -> dict[QualifiedName, dict[str, None]]:
    """Return the tables that the plan names, with the columns of each that it names."""
    found: dict[QualifiedName, dict[str, None]] = {}
    for unit in plan.units:
        match unit:
            case Protection():
                entry = found.setdefault(unit.name, {})
                for look in unit.lookups:
                    entry.update(dict.fromkeys(look.route.here_columns))
                    _along(found, look.route)
            case View():
                _along(found, unit.route)
            case Grants():
                for table in unit.tables:
                    found.setdefault(table.table, {}).update(dict.fromkeys(table.columns))
            case State():
                found.setdefault(unit.subject, {})[unit.key.name] = None
            case AuditTriggers():
                found.setdefault(unit.name, {})
    return found


def _along(found: dict[QualifiedName, dict[str, None]], route: Route) -> None:
    for step, used in route.columns_along:
        found.setdefault(step.table, {}).update(dict.fromkeys(used))


def _names(unit: Unit) -> set[QualifiedName]:
    """Return the users' tables that *unit* names."""
    match unit:
        case Protection():
            return {unit.name} | {step.table for look in unit.lookups for step in look.route.steps}
        case View():
            return {step.table for step in unit.route.steps}
        case State():
            return {unit.subject}
        case AuditTriggers():
            return {unit.name}
    return set()


def _roles(units: Collection[Unit], adders: Collection[str]) -> Iterator[sql.Composable]:
    owners = {unit.owner for unit in units if isinstance(unit, Protection) and unit.owner_policy}
    for name in sorted({*owners, *adders}):
        # The scratch server's own superuser may have the name.
        yield sql.SQL("DO {}").format(
            sql.Literal(
                sql.SQL(
                    "BEGIN IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = {literal}) THEN CREATE ROLE {name};"
                    " END IF; END"
                )
                .format(literal=sql.Literal(name), name=Name(name))
                .as_string()
            )
        )


def _table(name: QualifiedName, columns: list[Column], adder: str | None) -> sql.Composed:
    listed = [
        sql.SQL("{} {}{}").format(Name(column.name), sql.SQL(column.type.declared), _collate(column))
        for column in columns
    ]
    if adder is None:
        return sql.SQL("CREATE TABLE {} ({})").format(name.sql, sql.SQL(", ").join(listed))
    listed.append(sql.SQL("{} int").format(Name(_PARTITIONED_BY)))
    return sql.SQL(
        "CREATE TABLE {table} ({columns}) PARTITION BY LIST ({by}); ALTER TABLE {table} OWNER TO {owner}"
    ).format(table=name.sql, columns=sql.SQL(", ").join(listed), by=Name(_PARTITIONED_BY), owner=Name(adder))


def _collate(column: Column) -> sql.Composable:
    collation = column.collation
    if collation is None or collation == QualifiedName("pg_catalog", "default"):
        return sql.SQL("")
    return sql.SQL(" COLLATE {}").format(collation.sql)


class _Types:
    """The types and collations outside pg_catalog that columns need."""

    def __init__(self, extension_types: Mapping[str, tuple[str, str]], available: Collection[str]) -> None:
        self._of_extensions, self._available = extension_types, available
        self._done: dict[str, str | None] = {}
        self.schemas: set[str] = set()
        self.extensions: dict[str, str] = {}
        self.made: list[sql.Composable] = []

    def refused(self, column: Column) -> str | None:
        """Get ready to make the type of *column*; return why that cannot be."""
        declared = re.sub(r"\([^()\"]*\)$", "", column.type.declared)
        if declared not in self._done:
            self._done[declared] = self._get(declared, column)
        return self._done[declared]

    def collations(self, columns: Iterator[Column]) -> Iterator[sql.Composable]:
        """Yield what makes the collations of *columns* that the scratch server may not have."""
        used = {column.collation for column in columns if column.collation is not None}
        for collation in sorted(used - {QualifiedName("pg_catalog", "default")}):
            # How it sorts does not matter: it is only named.
            yield sql.SQL('CREATE COLLATION IF NOT EXISTS {} FROM pg_catalog."C"').format(collation.sql)

    def _get(self, declared: str, column: Column) -> str | None:
        try:
            parts = split_identifiers(declared)
        except ValueError:
            parts = ()
        if len(parts) != 2:
            # `timestamp with time zone`, `integer[]` and the like are the server's own.
            return f"type {declared} is an array of the user's" if "." in declared else None
        if declared in self._of_extensions:
            extension, schema = self._of_extensions[declared]
            if extension not in self._available:
                return f"the scratch server has no extension {quote(extension)}, which brings type {declared}"
            self.extensions[extension] = schema
            return None
        schema, name = parts
        self.schemas.add(schema)
        if column.type.sql == declared:
            if column.type.category != "E":
                return f"type {declared} cannot be made anew"
            self.made.append(sql.SQL("CREATE TYPE {} AS ENUM ()").format(Name(schema, name)))
            return None
        why = self.refused(replace(column, type=replace(column.type, declared=column.type.sql)))
        if why is None:
            base = sql.SQL(column.type.sql)
            self.made.append(sql.SQL("CREATE DOMAIN {} AS {}").format(Name(schema, name), base))
        return why

"""What the catalog of a live database says, as plain frozen data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Literal

from rlsguard.names import QualifiedName

# pg_class.relkind: table, partitioned table, view, materialised view, foreign table
Kind = Literal["r", "p", "v", "m", "f"]
# pg_constraint.confupdtype: no action, restrict, cascade, set null, set default
Action = Literal["a", "r", "c", "n", "d"]


@dataclass(frozen=True, slots=True)
class Type:
    """A column's type with its domains taken off, down to what decides which `=` compares it.

    Attributes:
        sql: the type as SQL, schema-qualified outside pg_catalog, without length or precision
            (a key that is too long must not be cut to fit and match somebody else).
        declared: the type as the user declared it, for messages.
        category: pg_type.typcategory, such as N (number) or S (string).
        equality: schema of the type's btree `=` operator; None where it has none (json, point).
        comparable: types with the same `comparable` are compared by the same operator
            (varchar counts as text).
    """

    sql: str
    declared: str
    category: str
    equality: str | None
    comparable: str


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table.

    Attributes:
        collation: None for types that have none.
        type_owner: the role that owns the declared type, or the type of an array's elements.
    """

    name: str
    type: Type
    not_null: bool
    collation: QualifiedName | None
    type_owner: str


@dataclass(frozen=True, slots=True)
class Policy:
    """A row security policy; `roles` is empty for PUBLIC."""

    name: str
    permissive: bool
    command: str
    roles: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ForeignKey:
    """A foreign key of the table to `target`; columns pair up by place."""

    name: str
    columns: tuple[str, ...]
    target: QualifiedName
    target_columns: tuple[str, ...]
    validated: bool
    on_update: Action
    on_delete: Action


@dataclass(frozen=True, slots=True)
class Table:
    """A table, partition, view or foreign table outside the system schemas."""

    oid: int
    name: QualifiedName
    kind: Kind
    owner: str
    persistence: str
    is_partition: bool
    parents: tuple[QualifiedName, ...]
    children: tuple[QualifiedName, ...]
    row_security: bool
    force_row_security: bool
    columns: Mapping[str, Column]
    policies: tuple[Policy, ...]
    unique_keys: frozenset[frozenset[str]]
    index_prefixes: frozenset[tuple[str, ...]]
    foreign_keys: tuple[ForeignKey, ...]
    truncate_grantees: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class DatabaseRole:
    """A role of the cluster."""

    name: str
    superuser: bool
    bypass_rls: bool
    create_role: bool
    can_login: bool
    replication: bool


@dataclass(frozen=True, slots=True)
class Catalog:
    """One database as seen by `user` at one moment; `today` is the server's, in UTC."""

    server_version: int
    database: str
    user: str
    today: date
    roles: Mapping[str, DatabaseRole]
    tables: Mapping[QualifiedName, Table]
    subscribed: frozenset[QualifiedName]

    @property
    def major(self) -> int:
        """The server's major version, such as 15."""
        return self.server_version // 10000

    def lineage(self, table: Table) -> frozenset[QualifiedName]:
        """Return *table* and everything that it is a partition or inheritance child of, at any remove."""
        found = {table.name}
        queue = [*table.parents]
        while queue:
            parent = queue.pop()
            if parent not in found:
                found.add(parent)
                queue.extend(self.tables[parent].parents)
        return frozenset(found)

    def descendants(self, table: Table) -> tuple[Table, ...]:
        """Return every partition or inheritance child below *table*, each once, parents first."""
        found: dict[QualifiedName, Table] = {}
        queue = list(table.children)
        while queue:
            child = self.tables[queue.pop(0)]
            if child.name not in found:
                found[child.name] = child
                queue.extend(child.children)
        return tuple(found.values())

"""What every check may look at: the connection, the catalog, the map, and the tables that matter."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import psycopg
from psycopg.rows import namedtuple_row

from rlsguard.catalog.model import Catalog, Table
from rlsguard.datamap.model import DataMap
from rlsguard.sqlfiles import read

OWNER = "rlsguard_owner"
_OURS = re.compile(r"!+rlsguard")


@dataclass(frozen=True)
class Scene:
    """One database at one moment, inside the transaction of the examination."""

    conn: psycopg.Connection[Any]
    catalog: Catalog
    datamap: DataMap | None

    @cached_property
    def here(self) -> Any:
        """The row of `sql/doctor/here.sql`."""
        return self.rows("here")[0]

    @cached_property
    def role_settings(self) -> list[Any]:
        """The rows of `sql/doctor/role_settings.sql`."""
        return self.rows("role_settings")

    @cached_property
    def tables(self) -> tuple[Table, ...]:
        """The tables that are protected, or will be once the map is applied, by name."""
        found = {table.oid: table for table in self.catalog.tables.values() if _is_protected(table)}
        found |= {table.oid: table for table in self._mapped()}
        return tuple(sorted(found.values(), key=lambda table: table.name))

    def _mapped(self) -> Iterator[Table]:
        for entry in self.datamap.tables.values() if self.datamap else ():
            table = self.catalog.tables.get(entry.table)
            if table is not None and table.kind in "rp" and entry.paths:
                yield table
                yield from (child for child in self.catalog.descendants(table) if child.kind in "rp")

    def rows(self, name: str, params: Sequence[Any] = ()) -> list[Any]:
        """Run `sql/doctor/<name>.sql` and return its rows as named tuples.

        Raises:
            psycopg.Error: the login may not read it.
        """
        with self.conn.cursor(row_factory=namedtuple_row) as cur:
            return cur.execute(read(f"doctor/{name}.sql"), params or None).fetchall()


def _is_protected(table: Table) -> bool:
    return any(_OURS.fullmatch(policy.name) for policy in table.policies)

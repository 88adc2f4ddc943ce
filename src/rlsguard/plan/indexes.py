"""Indexes that the paths of a map miss."""

from __future__ import annotations

from collections.abc import Iterator

from rlsguard.catalog.model import Catalog, Table
from rlsguard.datamap.model import DataMap


def missing_indexes(datamap: DataMap, catalog: Catalog) -> Iterator[tuple[Table, tuple[str, ...]]]:
    """Yield each table that a path enters by columns with which no index begins, and these columns."""
    found: dict[tuple[str, ...], None] = {}
    for entry in datamap.tables.values():
        for hop in (hop for path in entry.paths for hop in path.hops):
            table = catalog.tables.get(hop.table)
            columns = tuple(dict.fromkeys(join.there for join in hop.joins))
            key = (str(hop.table), *columns)
            if table is not None and table.kind in "rp" and key not in found and not _is_indexed(table, columns):
                found[key] = None
                yield table, columns


def _is_indexed(table: Table, columns: tuple[str, ...]) -> bool:
    return any(prefix[0] in columns for prefix in table.index_prefixes)

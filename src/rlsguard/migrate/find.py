"""A delta, and the map that it is from -> the migration."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

from psycopg import sql

from rlsguard import __version__, datamap, render
from rlsguard.datamap.model import DataMap
from rlsguard.delta import Delta
from rlsguard.migrate.locks import remarked
from rlsguard.migrate.model import Index, Migration
from rlsguard.migrate.steps import Settings, find_steps
from rlsguard.names import MAX_IDENTIFIER_BYTES, Name
from rlsguard.plan.indexes import missing_indexes
from rlsguard.plan.model import Notice
from rlsguard.render.template import text


def find_migration(delta: Delta, wanted: DataMap, map_path: Path, settings: Settings) -> Migration:
    """Return the migration that makes *delta*, found for *wanted*, which was read from *map_path*."""
    steps = find_steps(delta, settings)
    indexes = tuple(_indexes(delta, wanted))
    changes = tuple(map(str, delta.changes)) + tuple(f"create index on {index.table}" for index in indexes)
    notices = (*delta.notices, *_not_indexed(delta, wanted))
    remarks = tuple(_remarks(delta, map_path, len(steps)))
    return Migration(remarks, steps, indexes, changes, notices, tuple(_noted(delta)))


def _noted(delta: Delta) -> Iterator[tuple[str, str | None]]:
    for unit in delta.make:
        yield unit.unit, render.statements_hash(unit)
    for entry in (*delta.remove, *delta.forget):
        yield entry.unit, None


def _remarks(delta: Delta, map_path: Path, steps: int) -> Iterator[str]:
    live = delta.live
    yield f"Made by rlsguard {__version__} from {map_path.name} (sha256 {datamap.digest(map_path)[:16]}),"
    yield f"for database {live.database} as it was, PostgreSQL {live.major}. Running it takes no rlsguard."
    if delta.plan.bypass:
        yield "Run it as a superuser: it lets the guard's owner read past row security."
    else:
        yield "Run it as the tables' owner, who may create roles."
    if steps > 1:
        yield f"{steps} transactions, so that no two of your tables are locked at a time. If one fails, run all again:"
        yield "what is done is done once more, without harm."
    yield "A statement that could hold somebody up says by which lock; the others take none that anybody waits for."


def _indexes(delta: Delta, wanted: DataMap) -> Iterator[Index]:
    for table, columns in missing_indexes(wanted, delta.live):
        if table.kind == "r":
            name = _index_name(table.name.name, columns)
            listed = sql.SQL(", ").join(map(Name, columns))
            make = sql.SQL("CREATE INDEX CONCURRENTLY {} ON {} ({})").format(Name(name), table.name.sql, listed)
            drop = text(sql.SQL("DROP INDEX CONCURRENTLY IF EXISTS {}").format(Name(table.name.schema, name)))
            # What an attempt that failed has left behind is in the way.
            yield Index(table.name, columns, (drop, remarked(text(make))), (drop,))


def _not_indexed(delta: Delta, wanted: DataMap) -> Iterator[Notice]:
    for table, columns in missing_indexes(wanted, delta.live):
        if table.kind == "p":
            words = "no index begins with it, and on a partitioned table none can be made CONCURRENTLY: docs/migrate.md"
            yield Notice(f"{table.name} ({', '.join(columns)})", words)


def _index_name(table: str, columns: tuple[str, ...]) -> str:
    name = f"{table}_{'_'.join(columns)}_rlsguard"
    if len(name.encode()) <= MAX_IDENTIFIER_BYTES:
        return name
    digest = hashlib.sha256(name.encode()).hexdigest()[:8]
    return f"{name.encode()[:40].decode(errors='ignore')}_{digest}_rlsguard"

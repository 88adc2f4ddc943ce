"""Schema changes in an SQL file -> a migration of one transaction: these, and the guard around them."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql
from sqlglot.errors import TokenError

from rlsguard.apply import refusal
from rlsguard.datamap.model import DataMap
from rlsguard.migrate.around import Around, SchemaChange, around
from rlsguard.migrate.find import find_migration
from rlsguard.migrate.model import Migration, Step
from rlsguard.migrate.statements import split
from rlsguard.migrate.steps import Settings
from rlsguard.names import QualifiedName
from rlsguard.plan.model import Notice, Protection
from rlsguard.problems import RlsguardError
from rlsguard.render.template import text

_TABLES = """
SELECT c.oid::bigint, n.nspname, c.relname
FROM pg_catalog.pg_class AS c
JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p')
"""
# Blanks and comments, which may hold one another.
_BEFORE = re.compile(r"(?:\s|--[^\n]*(?:\n|\Z)|/\*(?:[^*/]|\*(?!/)|/(?!\*))*\*/)*")
_ENDS = re.compile(
    r"(?:BEGIN|START\s+TRANSACTION|COMMIT|END|ROLLBACK|ABORT|SAVEPOINT|RELEASE|PREPARE\s+TRANSACTION)\b", re.IGNORECASE
)


def find_written(
    conn: psycopg.Connection[Any],
    wanted: DataMap,
    map_path: Path,
    file: Path,
    undo: Path | None,
    settings: Settings,
    prune: Collection[QualifiedName] = (),
) -> Migration:
    """Return the migration that makes the changes in *file* and enforces *wanted*; it is made here, and undone.

    Args:
        undo: the changes that undo those in *file*; without it the migration cannot be undone.
        prune: tables to un-guard, none of which may be in the map.

    Raises:
        MapError: the map does not fit the changed schema.
        RlsguardError: a file cannot be used, the connected role lacks a right, or the database refused.
    """
    changes, undoing = read_changes(file), () if undo is None else read_changes(undo)
    names = {oid: QualifiedName(schema, name) for oid, schema, name in conn.execute(_TABLES).fetchall()}
    with _refused(file):
        found = around(
            conn,
            wanted,
            [SchemaChange(each) for each in changes],
            prune=prune,
            release=settings.release,
            lock_timeout=settings.lock_timeout,
        )
    if not found.taken_off and not found.delta.changes:
        notice = Notice(str(file), "it does not concern the guard; run it as it is")
        return Migration((), (), (), (), (*found.delta.notices, notice))
    timeout = f"SET LOCAL lock_timeout = '{int(settings.lock_timeout * 1000)}ms'"
    up = (timeout, *_locked(found, names), *found.before, *changes, *found.after)
    down = (timeout, *found.undo_after, *undoing, *found.undo_before) if undo is not None else _cannot(file)
    with conn.transaction(force_rollback=True):
        with _refused(file):
            _run(conn, up)
        if undo is not None:
            with _refused(undo):
                _run(conn, down)
    return _migration(found, wanted, map_path, file, up, down)


def _migration(
    found: Around, wanted: DataMap, map_path: Path, file: Path, up: tuple[str, ...], down: tuple[str, ...]
) -> Migration:
    whole = find_migration(found.delta, wanted, map_path, Settings(one_transaction=True))
    steps = (Step(f"{file.name}, and the guard around it", "everything", up, down),)
    notices = (
        *whole.notices,
        *(
            Notice(
                f"{i.table} ({', '.join(i.columns)})", "no index begins with it; rlsguard migrate adds one afterwards"
            )
            for i in whole.indexes
        ),
    )
    taken_off = tuple(f"take off {unit.unit}" for unit in found.taken_off)
    changes = (*taken_off, file.name, *map(str, found.delta.changes))
    return replace(whole, steps=steps, indexes=(), changes=changes, notices=notices)


def _locked(found: Around, names: Mapping[int, QualifiedName]) -> Iterator[str]:
    """Yield the statement that locks the guard's tables, by the *names* that they have before all changes."""
    live = found.delta.live.tables
    oids = {unit.oid for unit in found.taken_off if isinstance(unit, Protection)}
    tables = [change.table for change in found.delta.changes if change.table is not None]
    oids |= {live[table].oid for table in tables if table in live}
    if oids := oids & names.keys():
        listed = sql.SQL(", ").join(sql.SQL("ONLY {}").format(name.sql) for name in sorted(names[oid] for oid in oids))
        lock = text(sql.SQL("LOCK TABLE {} IN ACCESS EXCLUSIVE MODE").format(listed))
        yield f"-- First of all: where one is in use for longer than lock_timeout, nothing has been done yet.\n{lock}"


def _cannot(file: Path) -> tuple[str, ...]:
    words = sql.Literal(f"{file.name} cannot be undone: nothing was given that does so")
    body = sql.Literal(text(sql.SQL("BEGIN RAISE EXCEPTION USING MESSAGE = {}; END").format(words)))
    return (text(sql.SQL("DO {}").format(body)),)


def _run(conn: psycopg.Connection[Any], statements: Sequence[str]) -> None:
    for statement in statements:
        conn.execute(statement)


@contextmanager
def _refused(file: Path) -> Iterator[None]:
    try:
        yield
    except psycopg.Error as error:
        raise RlsguardError(f"{file}: {refusal(error)}") from error


def read_changes(file: Path) -> tuple[str, ...]:
    """Return the statements of *file*, each with the comments before it.

    Raises:
        RlsguardError: it cannot be read, has none, or begins or ends transactions.
    """
    try:
        text = file.read_text(encoding="utf-8")
        # What comes after the last semicolon is a statement, too.
        statements = tuple(each for each in split(f"{text}\n;") if _bare(each))
    except (OSError, UnicodeDecodeError, TokenError) as error:
        raise RlsguardError(f"{file}: {error}") from error
    for statement in statements:
        if (ends := _ENDS.match(_bare(statement))) is not None:
            raise RlsguardError(f"{file}: leave out {ends[0].upper()}: all of it is part of one transaction")
    if not statements:
        raise RlsguardError(f"{file}: there is no statement in it")
    return statements


def _bare(statement: str) -> str:
    """Return *statement* from its first word on."""
    return _BEFORE.sub("", statement, count=1)

"""Schema changes in an SQL file -> a migration of one transaction: these, and the guard around them."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql
from sqlglot import tokenize
from sqlglot.errors import TokenError

from rlsguard.apply import refusal
from rlsguard.datamap.model import DataMap
from rlsguard.migrate.around import Around, SchemaChange, around
from rlsguard.migrate.find import find_migration
from rlsguard.migrate.model import Migration, Step
from rlsguard.migrate.statements import split
from rlsguard.migrate.steps import Settings
from rlsguard.names import QualifiedName
from rlsguard.plan.model import Notice
from rlsguard.problems import RlsguardError
from rlsguard.render.template import text

# Whose a part of it is, for whoever reviews it, and for rlsguard lint.
_THEIRS = "-- Not made by rlsguard: what it was asked to put here."
_OURS = "-- Made by rlsguard again."
# What begins or ends a transaction, or part of one.
_ENDS = {"BEGIN", "START", "COMMIT", "END", "ROLLBACK", "ABORT", "SAVEPOINT", "RELEASE"}


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
    with _refused(file):
        found = around(
            conn,
            wanted,
            [SchemaChange(each) for each in changes],
            prune=prune,
            release=settings.release,
            lock=True,
            lock_timeout=settings.lock_timeout,
        )
    if not found.taken_off and not found.delta.changes:
        notice = Notice(str(file), "it does not concern the guard; run it as it is")
        return Migration((), (), (), (), (*found.delta.notices, notice))
    timeout = f"SET LOCAL lock_timeout = '{int(settings.lock_timeout * 1000)}ms'"
    up = (timeout, *found.before, *_marked(_THEIRS, changes), *_marked(_OURS, found.after))
    back = (*found.undo_after, *_marked(_THEIRS, undoing), *_marked(_OURS, found.undo_before))
    down = (timeout, *back) if undo is not None else _cannot(file)
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
    words = "no index begins with it; rlsguard migrate makes one afterwards"
    slow = [Notice(f"{index.table} ({', '.join(index.columns)})", words) for index in whole.indexes]
    changes = (*(f"take off {unit.unit}" for unit in found.taken_off), file.name, *map(str, found.delta.changes))
    return replace(whole, steps=steps, indexes=(), changes=changes, notices=(*whole.notices, *slow))


def _cannot(file: Path) -> tuple[str, ...]:
    words = sql.Literal(f"{file.name} cannot be undone: nothing was given that does so")
    body = sql.Literal(text(sql.SQL("BEGIN RAISE EXCEPTION USING MESSAGE = {}; END").format(words)))
    return (text(sql.SQL("DO {}").format(body)),)


def _marked(words: str, statements: Sequence[str]) -> tuple[str, ...]:
    return (f"{words}\n{statements[0]}", *statements[1:]) if statements else ()


def _run(conn: psycopg.Connection[Any], statements: Sequence[str]) -> None:
    for statement in statements:
        conn.execute(statement)


@contextmanager
def _refused(file: Path) -> Iterator[None]:
    try:
        yield
    except psycopg.Error as error:
        detail = f": {error.diag.message_detail}" if error.diag.message_detail else ""
        raise RlsguardError(f"{file}: {refusal(error)}{detail}") from error


def read_changes(file: Path) -> tuple[str, ...]:
    """Return the statements of *file*, each with the comments before it.

    Raises:
        RlsguardError: it cannot be read, has none, or one that cannot be part of a transaction.
    """
    try:
        # What comes after the last semicolon is a statement, too.
        written = [(each, _words(each)) for each in split(file.read_text(encoding="utf-8") + "\n;")]
    except (OSError, UnicodeDecodeError, TokenError) as error:
        raise RlsguardError(f"{file}: {error}") from error
    for _, words in written:
        if _ENDS.intersection(words[:1]) or words[:2] == ["PREPARE", "TRANSACTION"]:
            raise RlsguardError(f"{file}: leave out {words[0]}: all of it is part of one transaction")
        if words[:1] == ["COPY"] and "STDIN" in words:
            raise RlsguardError(f"{file}: COPY FROM STDIN cannot be part of it: rows do not come along")
    statements = tuple(each for each, words in written if words)
    if not statements:
        raise RlsguardError(f"{file}: there is no statement in it")
    return statements


def _words(statement: str) -> list[str]:
    return [token.text.upper() for token in tokenize(statement, dialect="postgres")]

"""SQL text -> statements, by PostgreSQL's own parser."""

from __future__ import annotations

import re
import threading
from bisect import bisect_right
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import pglast

from rlsguard.lint.model import SqlError, Statement, Unreadable
from rlsguard.lint.scanner import begin, scan
from rlsguard.problems import Position, Problem, RlsguardError

_T = TypeVar("_T")
_Place = Callable[[int], Position]
# pglast adds where, in a way of its own.
_FAILED = re.compile(r",? at index [0-9]+$")
_LONG = 200
# The parser, and what makes its trees, goes down as deep as an expression is nested: a chain of || is, too.
_STACK = 1 << 30


def in_depth(function: Callable[[], _T]) -> _T:
    """Call *function* where there is room for trees as deep as SQL can be nested."""
    done: list[_T] = []
    failed: list[BaseException] = []

    def run() -> None:
        try:
            done.append(function())
        except RlsguardError as error:
            # Its frames hold trees, and to let go of a tree takes as much room as to make it.
            failed.append(error.with_traceback(None))
        except BaseException as error:
            failed.append(error)

    before = threading.stack_size(_STACK)
    thread = threading.Thread(target=run, daemon=True)
    try:
        thread.start()
    finally:
        threading.stack_size(before)
    thread.join()
    if failed:
        raise failed[0]
    return done[0]


class Source:
    """A text of SQL, and where its characters stand in a file."""

    def __init__(self, text: str, file: str, place: _Place | None = None) -> None:
        self.text, self.file = text, file
        self._lines = [0, *(match.end() for match in re.finditer("\n", text))]
        self._place = place or self._own_place

    def place(self, offset: int) -> Position:
        """Return where the character at *offset* stands."""
        return self._place(offset)

    def _own_place(self, offset: int) -> Position:
        line = bisect_right(self._lines, offset)
        return Position(self.file, line, offset - self._lines[line - 1] + 1)


def parse(source: Source, *, psql: bool, called: bool = False) -> tuple[list[Statement], list[Unreadable]]:
    """Return the statements of *source*, and what cannot be read before it is run.

    Args:
        psql: whether psql's own commands may stand there.
        called: whether it is the body of a function.

    Raises:
        SqlError: it is no SQL.
    """
    text = source.text
    if (zero := text.find("\0")) >= 0:
        # For the parser, which is written in C, everything would end there.
        raise _error(source, zero, "SQL cannot have the character U+0000")
    scanned = scan(text, psql=psql)
    try:
        read = list(_trees(source, scanned.sql))
    except SqlError as error:
        # A placeholder may stand where no name can.
        scanned = scan(text, psql=psql, values=True)
        try:
            read = list(_trees(source, scanned.sql))
        except SqlError:
            raise error from None
    found = [(at, Statement(sql, source.place(at), tree, called)) for at, sql, tree in read]
    for at, sql in scanned.copies:
        try:
            ((_, _, tree),) = _trees(Source(sql, source.file), sql)
        except SqlError:
            scanned.unreadable.append((at, "this \\copy cannot be read"))
            continue
        found.append((at, Statement(sql, source.place(at), tree, called)))
    notes = [Unreadable(source.place(at), "command of psql", why) for at, why in scanned.unreadable]
    return [statement for _, statement in sorted(found, key=lambda one: one[0])], notes


def trees(sql: str) -> list[Any]:
    """Return the trees of the statements of *sql*.

    Raises:
        SqlError: it is no SQL.
    """
    if "\0" in sql:
        raise _error(Source(sql, ""), 0, "SQL cannot have the character U+0000")
    return [tree for _, _, tree in _trees(Source(sql, ""), sql)]


def _trees(source: Source, sql: str) -> Iterator[tuple[int, str, Any]]:
    """Yield each statement: where it begins, its text, its tree."""
    try:
        raw = pglast.parse_sql(sql)
    except pglast.parser.ParseError as error:
        raise _error(source, _place_of(sql, error), _said(error)) from None
    except (UnicodeError, RecursionError) as error:
        raise _error(source, 0, f"this cannot be read as SQL: {error}") from None
    for one in raw:
        start = one.stmt_location or 0
        end = start + one.stmt_len if one.stmt_len else len(sql)
        start = begin(sql, start)
        yield start, sql[start:end].strip(), one.stmt


def _said(error: Exception) -> str:
    """Return what is wrong on one line: it can quote all that follows."""
    message = " ".join(_FAILED.sub("", str(error)).split())
    return message if len(message) <= _LONG else f"{message[:_LONG]}..."


def _place_of(sql: str, error: Any) -> int:
    """Return where *sql* is wrong. pglast counts characters outside ASCII twice, so it is asked again without them."""
    place = error.args[1] if len(error.args) > 1 else 0
    if not sql.isascii():
        try:
            pglast.parse_sql(re.sub(r"[^\0-\x7f]", "_", sql))
        except pglast.parser.ParseError as again:
            place = again.args[1] if len(again.args) > 1 else 0
        else:
            place = 0
    return place if isinstance(place, int) and 0 <= place <= len(sql) else 0


def _error(source: Source, at: int, message: str) -> SqlError:
    return SqlError([Problem(source.place(at), (), message)])

"""What says of itself that rlsguard wrote it: a comment, which anybody can write."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from rlsguard.lint.texts import Python
from rlsguard.sqlfiles import read as shipped

_MADE = "Made by rlsguard "
_ABOUT = "# rlsguard: "
# In a file of SQL, or where a text of Python begins.
_WHOSE = re.compile(r"\s*(?:run\()?(?:[A-Za-z]*['\"]{1,3})?-- (Made|Not made) by rlsguard")
# What a file begins with: comments, and psql's own commands. Not the block comments that Liquibase takes for undo.
_HEAD = re.compile(r"(?:[ \t]*(?:--[^\n]*|\\(?:set|encoding) [^\n]*)?(?:\r?\n|\Z))*")
_INCLUDE = re.compile(r"^\\ir '([^'\n]+)'$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Claim:
    """A claim that rlsguard wrote a file, or some of it.

    Attributes:
        line: of the comment that says so.
        statements: of a revision's Python, by their id(), where it is only some of it; else None.
        theirs: lines, from one to before another, which it says that somebody else wrote.
    """

    line: int
    statements: frozenset[int] | None = None
    theirs: tuple[tuple[int, int], ...] = ()

    @property
    def whole(self) -> bool:
        """Whether it is about all of a file."""
        return self.statements is None and not self.theirs

    def covers(self, line: int) -> bool:
        """Tell whether it is about what stands on *line*, where it is not about certain statements."""
        return self.statements is None and not any(first <= line < end for first, end in self.theirs)


def claims_of_generated(files: Iterable[Path]) -> dict[Path, Claim]:
    """Return the claims of those of *files* that `rlsguard generate` writes, and of what these run."""
    first = shipped("each/run.sql").split("\n", 1)[0]
    found: dict[Path, Claim] = {}
    for file in files:
        try:
            with file.open(encoding="utf-8", errors="replace") as stream:
                text = stream.read() if stream.readline().rstrip("\r\n") == first else None
        except OSError:
            continue  # whoever reads it says so
        if text is not None:
            for one in (file, *(file.parent / name for name in _INCLUDE.findall(text))):
                found[one.resolve()] = Claim(1)
    return found


def claim_of_sql(text: str) -> Claim | None:
    """Return what a file of `rlsguard migrate` says in its first lines."""
    head = _HEAD.match(text)
    for number, line in enumerate(head[0].splitlines() if head is not None else (), start=1):
        if line.startswith(f"-- {_MADE}"):
            return Claim(number, theirs=_theirs(text.splitlines()))
    return None


def _theirs(lines: Sequence[str]) -> tuple[tuple[int, int], ...]:
    """Return the lines of changes that somebody else wrote, around which the guard is taken off and put on again."""
    found: list[tuple[int, int]] = []
    start = 0
    for number, line in enumerate(lines, start=1):
        match = _WHOSE.match(line)
        if match is None:
            continue
        if match[1] == "Not made":
            start = start or number
        elif start:
            found.append((start, number))
            start = 0
    return (*found, (start, len(lines) + 1)) if start else tuple(found)


def claim_of_revision(module: ast.Module, file: Python) -> Claim | None:
    """Return what a revision says: all of it was written by rlsguard, or some of it, which autogenerate put there."""
    found: list[Claim] = []
    for function in (one for one in ast.walk(module) if isinstance(one, ast.FunctionDef)):
        has_docstring = len(function.body) > 1 and ast.get_docstring(function) is not None
        start = (function.body[0].end_lineno if has_docstring else None) or function.lineno
        body = function.body[has_docstring:]
        comments = file.comments(start, body[0].lineno)
        if function.name == "upgrade" and any(line.startswith(f"# {_MADE}") for _, line in comments):
            return Claim(comments[0][0], theirs=_theirs(file.lines))
        found += _claims(body, file, start)
    if not found:
        return None
    return Claim(found[0].line, frozenset().union(*(one.statements or () for one in found)))


def _claims(body: list[ast.stmt], file: Python, start: int) -> Iterator[Claim]:
    """Yield the calls of run() that follow comments which say what of the guard they change."""
    line = 0
    ours: list[int] = []
    for statement in body:
        said = [number for number, comment in file.comments(start, statement.lineno) if comment.startswith(_ABOUT)]
        start = statement.end_lineno or statement.lineno
        if said:
            if ours:
                yield Claim(line, frozenset(ours))
            line, ours = said[0], []
        match statement:
            case _ if not line:
                continue
            case ast.Expr(value=ast.Call(func=ast.Name(id="run"))):
                ours.append(id(statement))
            case ast.Assign(targets=[ast.Name(id="context")]) | ast.FunctionDef(name="run") if not ours:
                continue  # what run() needs, and itself
            case _:
                if ours:
                    yield Claim(line, frozenset(ours))
                line, ours = 0, []
    if ours:
        yield Claim(line, frozenset(ours))

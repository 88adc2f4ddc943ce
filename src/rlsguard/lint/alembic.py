"""Alembic revisions: their SQL, found by reading them. A revision is never imported: that would run it."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from rlsguard.lint.claims import Claim, claim_of_revision
from rlsguard.lint.model import SqlError, Statement, Unreadable
from rlsguard.lint.parser import Source, parse
from rlsguard.lint.revision import Run, runs
from rlsguard.lint.texts import Python
from rlsguard.problems import Position, Problem


@dataclass(frozen=True, slots=True)
class Revision:
    """One revision file.

    Attributes:
        id: of the revision; None where the file is none.
        after: the revisions before it.
    """

    file: str
    text: str
    module: ast.Module
    id: str | None
    after: tuple[str, ...]


def read(text: str, file: str) -> Revision:
    """Read a revision.

    Raises:
        SqlError: it is no Python.
    """
    text = re.sub("\r\n?", "\n", text)
    try:
        module = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        line, column = getattr(error, "lineno", None) or 1, getattr(error, "offset", None) or 1
        message = f"this is not Python: {getattr(error, 'msg', None) or error}"
        raise SqlError([Problem(Position(file, line, max(column, 1)), (), message)]) from None
    named = dict(_assigned(module))
    after = (*_texts(named.get("down_revision")), *_texts(named.get("depends_on")))
    return Revision(file, text, module, next(_texts(named.get("revision")), None), after)


def statements(revision: Revision) -> tuple[list[Statement], list[Unreadable], Claim | None]:
    """Return what a revision runs, what of it cannot be read, and what it says that rlsguard wrote.

    Raises:
        SqlError: a text that it runs is no SQL.
    """
    file = Python(revision.text, revision.file)
    claim = claim_of_revision(revision.module, file)
    found: list[Statement] = []
    unreadable: list[Unreadable] = []
    for run in runs(revision.module, file, frozenset() if claim is None else claim.statements or frozenset()):
        more, notes = _read(run, revision.file)
        found += [replace(one, claimed=_claims(claim, run, one.position)) for one in more]
        unreadable += [replace(one, claimed=_claims(claim, run, one.position)) for one in notes]
    return found, unreadable, claim


def _claims(claim: Claim | None, run: Run, place: Position) -> bool:
    return run.claimed or (claim is not None and claim.covers(place.line))


def _read(run: Run, file: str) -> tuple[list[Statement], list[Unreadable]]:
    about = f"{run.operation or 'execute'}()"
    if run.text is None:
        return [], [Unreadable(run.place, about, "it is put together as it runs")]
    notes = [] if run.sure else [Unreadable(run.place, about, "part of it is known only as it runs")]
    try:
        statements, more = parse(Source(run.text.said, file, run.text.at), psql=False)
    except SqlError:
        if run.operation is not None and run.sure:
            return [], [Unreadable(run.place, about, "its arguments cannot be read")]
        if run.sure:
            raise
        return [], notes
    return statements, notes + more


def in_order(revisions: list[Revision]) -> list[Revision]:
    """Return *revisions* each after those that it follows; else by the names of their files."""
    by_id = {one.id: one for one in revisions if one.id is not None}
    done: dict[str, Revision] = {}
    # By hand rather than by recursion: projects have thousands, one after the other.
    for start in sorted(revisions, key=lambda one: one.file):
        stack = [start]
        while stack:
            one = stack[-1]
            waits = [by_id[i] for i in one.after if i in by_id and by_id[i].file not in done and by_id[i] not in stack]
            if waits:
                stack += waits
            else:
                done.setdefault(stack.pop().file, one)
    return list(done.values())


def _assigned(module: ast.Module) -> Iterator[tuple[str, Any]]:
    for node in module.body:
        match node:
            case ast.Assign(targets=[*targets], value=value):
                yield from ((one.id, value) for one in targets if isinstance(one, ast.Name))
            case ast.AnnAssign(target=ast.Name(id=name), value=value) if value is not None:
                yield name, value


def _texts(node: Any) -> Iterator[str]:
    match node:
        case ast.Constant(value=str() as text):
            yield text
        case ast.Tuple(elts=elements) | ast.List(elts=elements):
            for one in elements:
                yield from _texts(one)

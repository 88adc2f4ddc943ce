"""SECURITY DEFINER routines: whom they read as, and which protected tables they read."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlglot import tokenize
from sqlglot.errors import SqlglotError

from rlsguard.catalog.model import Catalog
from rlsguard.names import QualifiedName
from rlsguard.prove.session import Session
from rlsguard.prove.target import Target
from rlsguard.prove.windows import Window, key_in

_WORD = re.compile(r"[\w$]+")


@dataclass(frozen=True, slots=True)
class Routine:
    """A SECURITY DEFINER routine.

    Attributes:
        signature: its name with the types of its arguments, as SQL spells it.
        tables: OIDs of the protected tables that it is known, or by its words likely, to read.
        dynamic: whether it puts SQL together as it runs, so that there is no telling what it reads.
        callers: the probed roles that may call it; where not everybody may, any login.
        harmless: whether a call needs no arguments and, as declared, changes nothing.
        returns: OID of the relation whose rows it returns, or 0.
        columns: names of the columns that it returns, where it declares them itself.
    """

    signature: str
    procedure: bool
    owner: str
    tables: frozenset[int]
    dynamic: bool
    callers: tuple[str, ...]
    name: QualifiedName
    harmless: bool
    returns: int
    columns: tuple[str, ...]

    @property
    def kind(self) -> str:
        """The word for it in ALTER."""
        return "PROCEDURE" if self.procedure else "FUNCTION"


def routines(
    session: Session, catalog: Catalog, protected: Collection[int], windows: Iterable[Window], callers: Collection[str]
) -> tuple[Routine, ...]:
    """Return every SECURITY DEFINER routine, by name; those of extensions only if they mention a protected table.

    Args:
        callers: the probed roles.
    """
    behind = {oid: frozenset({oid}) for oid in protected} | {window.oid: window.bases for window in windows}
    names = {table.oid: table.name for table in catalog.tables.values() if table.oid in behind}
    bodies = tuple(_body(row, names) for row in session.file("bodies"))
    found = []
    for row in session.file("routines", [list(callers)]):
        (
            signature,
            kind,
            owner,
            volatile,
            is_set,
            language,
            needed,
            source,
            reads,
            schema,
            name,
            returns,
            columns,
            who,
            extension,
        ) = row
        called = _called(_body((schema, name, source, reads, language), names), bodies)
        tables = frozenset(base for body in called for oid in body.reads & behind.keys() for base in behind[oid])
        if extension and not tables:
            continue
        found.append(
            Routine(
                signature=signature,
                procedure=kind == "p",
                owner=owner,
                tables=tables,
                dynamic=any(body.dynamic for body in called),
                callers=tuple(who),
                name=QualifiedName(schema, name),
                harmless=kind == "f" and volatile != "v" and needed == 0 and is_set and language in ("sql", "plpgsql"),
                returns=returns,
                columns=tuple(columns),
            )
        )
    return tuple(found)


@dataclass(frozen=True, slots=True)
class _Body:
    """What a function's body says: the relations that it is known to read or names, and every word in it."""

    schema: str
    name: str
    reads: frozenset[int]
    words: frozenset[str]
    dynamic: bool


def _body(row: Sequence[Any], names: Mapping[int, QualifiedName]) -> _Body:
    schema, name, source, reads, language = row
    text = _without_comments(source)
    words = frozenset(_WORD.findall(text.lower()))
    # The body of most is text: what it reads is known only by the words in it.
    mentioned = {oid for oid, table in names.items() if _mentions(text, words, table.name)}
    dynamic = language not in ("sql", "plpgsql") or "execute" in words
    return _Body(schema, name, frozenset(reads) | frozenset(mentioned), words, dynamic)


def _called(start: _Body, bodies: Collection[_Body]) -> list[_Body]:
    """Return *start* and all that run with its owner's rights because it calls them, at any remove."""
    by_name: dict[str, list[_Body]] = {}
    for body in bodies:
        by_name.setdefault(body.name.lower(), []).append(body)
    found, queue = [start], [start]
    while queue:
        for word in queue.pop().words & by_name.keys():
            new = [body for body in by_name.pop(word) if (body.schema, body.name) != (start.schema, start.name)]
            found += new
            queue += new
    return found


def _mentions(text: str, words: Collection[str], name: str) -> bool:
    if _WORD.fullmatch(name):
        return name.lower() in words
    return name.lower() in text.lower()


def _without_comments(source: str) -> str:
    try:
        return " ".join(token.text for token in tokenize(source, dialect="postgres"))
    except SqlglotError:
        return source


def key_of(
    routine: Routine, target: Target, catalog: Catalog, windows: Mapping[QualifiedName, Window]
) -> tuple[str, ...]:
    """Return the columns of what *routine* returns that hold the key of *target*; nothing where that cannot be told."""
    key = target.key_columns
    if routine.returns == target.table.oid:
        return key
    for window in windows.values():
        if routine.returns == window.oid:
            return key_in(window, target.table.name, key, catalog, windows)
    # A column that it names itself is taken for the key if no other table has one of that name.
    others = {column for table in catalog.tables.values() if table.oid != target.table.oid for column in table.columns}
    return key if key and set(key) <= set(routine.columns) and others.isdisjoint(key) else ()

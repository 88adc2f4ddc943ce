"""Subject paths and names as they are written in a data map."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from rlsguard.datamap.model import Hop, Join, SubjectPath
from rlsguard.names import IDENTIFIER, QualifiedName, split_identifiers
from rlsguard.problems import Location

_HOP = re.compile(rf"\s*({IDENTIFIER})\s*=\s*(\S.*?)\s*")
_FORBIDDEN = re.compile(r"rlsguard|information_schema|pg_.*")


class UnreadableError(ValueError):
    """Something in a path cannot be read; `at` is where, below the path's own location."""

    def __init__(self, message: str, at: Location = ()) -> None:
        super().__init__(message)
        self.at = at


def table_name(text: str) -> QualifiedName:
    """Read `schema.table`.

    Raises:
        UnreadableError: it is no such name, or names a table of the system's or the guard's.
    """
    parts = _identifiers(text)
    if len(parts) == 1:
        raise UnreadableError(f"{text} lacks its schema: write public.{text} if it is there")
    if len(parts) > 2:
        raise UnreadableError(f"{text} has too many parts: a table is schema.table")
    if _FORBIDDEN.fullmatch(parts[0]):
        raise UnreadableError(f"schema {parts[0]} cannot be mapped")
    return QualifiedName(*parts)


def column_name(text: str) -> str:
    """Read the name of a column.

    Raises:
        UnreadableError: it is no such name.
    """
    parts = _identifiers(text)
    if len(parts) > 1:
        raise UnreadableError(f"{text} has too many parts: a column of this table is meant, by its bare name")
    return parts[0]


def subject_paths(kind: str, value: Any, location: Location) -> Iterator[SubjectPath]:
    """Read what stands under a kind in `subject:`: one path, or `{paths: [...]}`.

    Raises:
        UnreadableError: it cannot be read.
    """
    if isinstance(value, dict):
        if list(value) != ["paths"] or not isinstance(value["paths"], list) or not value["paths"]:
            raise UnreadableError("write a path, or {paths: [...]} with at least one path")
        for number, path in enumerate(value["paths"]):
            yield _path(kind, path, location, ("paths", number))
    else:
        yield _path(kind, value, location, ())


def _path(kind: str, value: Any, location: Location, at: Location) -> SubjectPath:
    if isinstance(value, str):
        if _joins(value):
            raise UnreadableError("a path ends in the column that holds the key: write [hop, column]", at)
        return SubjectPath(kind, (), _at(at, column_name, value), (*location, *at))
    if not isinstance(value, list) or not value:
        raise UnreadableError("a path is a column, or a list of hops that ends in a column", at)
    *hops, key = value
    if not isinstance(key, str) or _joins(key):
        raise UnreadableError("a path ends in the column that holds the key", (*at, len(hops)))
    read = tuple(_hop(hop, location, (*at, number)) for number, hop in enumerate(hops))
    return SubjectPath(kind, read, _at((*at, len(hops)), column_name, key), (*location, *at))


def _joins(text: str) -> bool:
    return "=" in re.sub(r'"[^"]*"', "", text)


def _hop(value: Any, location: Location, at: Location) -> Hop:
    texts = value if isinstance(value, list) else [value]
    if not texts or not all(isinstance(text, str) for text in texts):
        raise UnreadableError("a hop is `here = schema.table.there`, or a list of such", at)
    joins: list[Join] = []
    tables: list[QualifiedName] = []
    for text in texts:
        match = _HOP.fullmatch(text)
        if match is None:
            raise UnreadableError(f"{text!r} is not a hop: write `here = schema.table.there`", at)
        there = _at(at, _identifiers, match.group(2))
        if len(there) != 3:
            raise UnreadableError(f"{match.group(2)} is not a column of another table: write schema.table.there", at)
        tables.append(_at(at, table_name, str(QualifiedName(*there[:2]))))
        joins.append(Join(_at(at, column_name, match.group(1)), there[2]))
    if len(set(tables)) > 1:
        named = " and ".join(str(table) for table in dict.fromkeys(tables))
        raise UnreadableError(f"the joins of one hop lead to different tables: {named}", at)
    return Hop(tables[0], tuple(joins), (*location, *at))


def _identifiers(text: str) -> tuple[str, ...]:
    try:
        return split_identifiers(text)
    except ValueError as error:
        raise UnreadableError(str(error)) from error


def _at(at: Location, read: Any, text: str) -> Any:
    """Call *read* on *text*; what it cannot read is told to be *at*."""
    try:
        return read(text)
    except UnreadableError as error:
        raise UnreadableError(str(error), at) from error

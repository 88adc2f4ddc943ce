"""Names of database objects: parsed the way SQL reads them, printed the way SQL quotes them."""

from __future__ import annotations

import re
from dataclasses import dataclass

from psycopg import sql
from psycopg.abc import AdaptContext

from rlsguard.keywords import KEYWORDS

# An identifier as PostgreSQL's scanner reads it: bare (folded to lower case) or in double quotes.
# https://www.postgresql.org/docs/current/sql-syntax-lexical.html#SQL-SYNTAX-IDENTIFIERS
IDENTIFIER = r'(?:[^\W\d][\w$]*|"(?:[^"\0]|"")+")'
_IDENTIFIER = re.compile(IDENTIFIER)
_PLAIN = re.compile(r"[a-z_][a-z0-9_$]*")

# NAMEDATALEN - 1: longer names are cut off by the server without an error.
MAX_IDENTIFIER_BYTES = 63


@dataclass(frozen=True, slots=True, order=True)
class QualifiedName:
    """A table's schema and name, exactly as the catalog spells them."""

    schema: str
    name: str

    def __str__(self) -> str:
        return f"{quote(self.schema)}.{quote(self.name)}"

    @property
    def sql(self) -> sql.Identifier:
        """The name as a psycopg identifier, quoted where it must be."""
        return Name(self.schema, self.name)


class Name(sql.Identifier):
    """An identifier that reads as a DBA writes it: `bank.trans`, and `bank."order"` where quotes are needed."""

    def as_bytes(self, context: AdaptContext | None = None) -> bytes:
        return ".".join(quote(part) for part in self._obj).encode()


def quote(name: str) -> str:
    """Return *name* as SQL spells it for people: bare where that reads back the same, else quoted."""
    if _PLAIN.fullmatch(name) and name not in KEYWORDS:
        return name
    if "\0" in name:
        raise ValueError("a name cannot contain a zero byte")
    return '"' + name.replace('"', '""') + '"'


def split_identifiers(text: str) -> tuple[str, ...]:
    """Split a dotted SQL name into its parts, each as the catalog spells it.

    Raises:
        ValueError: *text* is not a dotted list of SQL identifiers, or a part is longer than 63 bytes.
    """
    parts: list[str] = []
    rest = text.strip()
    while True:
        match = _IDENTIFIER.match(rest)
        if match is None:
            raise ValueError(_no_name(text))
        parts.append(_unquote(match.group()))
        rest = rest[match.end() :].lstrip()
        if not rest:
            break
        if not rest.startswith("."):
            raise ValueError(_no_name(text))
        rest = rest[1:].lstrip()
    for part in parts:
        if len(part.encode()) > MAX_IDENTIFIER_BYTES:
            raise ValueError(f"{part!r} is longer than {MAX_IDENTIFIER_BYTES} bytes")
    return tuple(parts)


def _no_name(text: str) -> str:
    """Return what to say of a text that is no dotted name, with the quoted form that was most likely meant."""
    message = f"{text!r} is not an SQL name"
    parts = [part.strip() for part in text.split(".")]
    if any(c in text for c in '"=\0') or not all(parts):
        return message
    meant = ".".join(map(quote, parts)).replace("'", "''")
    return f"{message}; quoted, in YAML: '{meant}'"


def _unquote(token: str) -> str:
    if token.startswith('"'):
        return token[1:-1].replace('""', '"')
    # The server folds only ASCII letters in a multi-byte encoding.
    return "".join(chr(ord(c) + 32) if "A" <= c <= "Z" else c for c in token)

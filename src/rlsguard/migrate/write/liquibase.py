"""A migration as a changelog of Liquibase in SQL, each step a changeset, for one is a transaction there."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from rlsguard.migrate.model import Index, Migration
from rlsguard.migrate.steps import within
from rlsguard.migrate.write import plain
from rlsguard.migrate.write.wrapped import code, escaped, executed
from rlsguard.problems import RlsguardError

# A line of its own after each statement: the reader knows neither $$ nor BEGIN ATOMIC, and would split at semicolons.
_END = "--;;"
# Attributes are found by the last mention of their name on the line.
_SPLIT = (
    f"rollbackSplitStatements:true rollbackEndDelimiter:{_END}"
    f" splitStatements:true stripComments:false endDelimiter:{_END}"
)
# What the reader takes as its own, even within texts: parameters, a quote after a backslash, ends of lines that are not
# \n, a word in what undoes a changeset, and its remarks.
_OWN = re.compile(
    r"""\$\{ | \\(?=['"]) | [\r\x85\u2028\u2029] | changesetid
      | ^[\ \t\v\f]*/\*
      | ^[\ \t\v\f]*-+[\ \t\v\f]*(?:rollback|changeset|comment|precondition|validchecksum|ignore|property|;;)""",
    re.VERBOSE | re.IGNORECASE | re.MULTILINE,
)
# It counts these, and goes on until as many END have come.
_BEGIN = re.compile(r"\bBEGIN\b(?!\s+ATOMIC\b)", re.IGNORECASE)


def files(migration: Migration, name: str, folder: Path | None) -> Mapping[str, str]:
    """Return TIMESTAMP_NAME.sql, in the order of which `includeAll` takes files."""
    slug = plain.slug(name)
    file = f"{datetime.now(UTC):%Y%m%d%H%M%S}_{slug}.sql"
    # Known by its name alone, whichever way it is included.
    head = f"--liquibase formatted sql logicalFilePath:{file}\n\n{plain.remarks(migration)}"
    return {file: "\n".join([head, *_changesets(migration, slug)])}


def _changesets(migration: Migration, slug: str) -> Iterator[str]:
    of = len(migration.indexes) + len(migration.steps)
    for number, index in enumerate(migration.indexes, 1):
        _require_readable(index)
        first = f"--changeset rlsguard:{slug}-{number} runInTransaction:false {_SPLIT}\n"
        yield first + _title(f"{index.table}: an index", number, of) + _changes(index.up, index.down)
    for number, step in enumerate(migration.steps, len(migration.indexes) + 1):
        first = f"--changeset rlsguard:{slug}-{number} {_SPLIT}\n"
        up, down = (tuple(map(_kept, within(statements))) for statements in (step.up, step.down))
        yield first + _title(step.title, number, of) + _changes(up, down)


def _title(words: str, number: int, of: int) -> str:
    return plain.title(words, number, of).replace("${", "$ {")


def _changes(up: Sequence[str], down: Sequence[str]) -> str:
    undo = "".join(f"--rollback {line}\n" for line in _delimited(down).removesuffix("\n").split("\n"))
    return f"{_delimited(up)}\n{undo}"


def _delimited(statements: Sequence[str]) -> str:
    return f"{_END}\n".join(map(plain.ended, statements))


def _kept(statement: str) -> str:
    bare = code(statement)
    if _OWN.search(statement) or _BEGIN.search(bare):
        return escaped(statement, _OWN)
    # JDBC would make a parameter of it.
    return executed(statement) if "?" in bare else statement


def _require_readable(index: Index) -> None:
    for statement in (*index.up, *index.down):
        if _kept(statement) != statement:
            raise RlsguardError(
                f"{index.table}: Liquibase would not read its name as it is; make its index by hand first"
            )

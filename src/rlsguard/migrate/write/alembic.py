"""A migration as Alembic revisions, put after the project's own."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from alembic.config import Config
from alembic.script import ScriptDirectory
from alembic.util import CommandError, rev_id

from rlsguard.migrate.model import Migration
from rlsguard.migrate.write import revision
from rlsguard.problems import RlsguardError
from rlsguard.render.template import remark, text


@dataclass(frozen=True, slots=True)
class Place:
    """Where a revision goes, with the words of `alembic revision`.

    Attributes:
        head: the revision to follow; by default the only head.
        splice: that one need not be a head.
    """

    ini: Path
    head: str | None = None
    splice: bool = False


def write_revisions(migration: Migration, message: str, place: Place, applied: Collection[str] | None) -> list[Path]:
    """Write the revisions of *migration* and return their files: its indexes, if it has any, and its steps.

    Args:
        applied: revisions that the database is at; None where that is not known.

    Raises:
        RlsguardError: the project cannot be read, has several heads, or the database is at another revision.
    """
    with _refused(place.ini):
        if not place.ini.is_file():
            raise RlsguardError(f"{place.ini}: there is no such file")
        script = ScriptDirectory.from_config(Config(str(place.ini), cmd_opts=Namespace(quiet=True)))
        head = _head(script, place)
        _require_upgraded(script, head, applied)
        files: list[Path] = []
        if migration.indexes:
            body, undo = revision.make_indexes(migration.indexes), revision.drop_indexes(migration.indexes)
            head = _add(script, f"{message}: indexes", head, place.splice, body, undo, files)
        if migration.steps:
            remarks = "".join(f"{text(remark(f'# {line}'))}\n    " for line in migration.remarks)
            body, undo = revision.upgrade(migration.steps), revision.downgrade(migration.steps)
            _add(script, message, head, place.splice and not files, remarks + body, undo, files)
        return files


def _add(
    script: ScriptDirectory, message: str, head: str | None, splice: bool, body: str, undo: str, files: list[Path]
) -> str:
    written = script.generate_revision(
        rev_id(),
        _documented(message),
        head=head or "base",
        splice=splice,
        upgrades=body.rstrip(),
        downgrades=undo.rstrip(),
        imports="",
    )
    assert written is not None  # it was written just now
    files.append(Path(written.path))
    return written.revision


def _head(script: ScriptDirectory, place: Place) -> str | None:
    """Return the revision to follow; None in a project without any."""
    if place.head is not None:
        found = script.get_revision(place.head)
        return None if found is None else found.revision
    heads = script.get_heads()
    if len(heads) > 1:
        several = ", ".join(heads)
        raise RlsguardError(f"{place.ini}: there are several heads: {several}; say --head, or merge them first")
    return heads[0] if heads else None


def _require_upgraded(script: ScriptDirectory, head: str | None, applied: Collection[str] | None) -> None:
    """Refuse a database without all revisions up to *head*: they could change what the new one builds on."""
    if applied is None:
        return
    at = ", ".join(sorted(applied)) or "none"
    if not {each.revision for each in script.walk_revisions()}.issuperset(applied):
        raise RlsguardError(f"the database is at revision {at}, which this project does not have")
    have = {each.revision for each in script.iterate_revisions(tuple(applied), "base")} if applied else set()
    if head is not None and head not in have:
        raise RlsguardError(
            f"the database is at revision {at}, and the new one is to follow {head}; upgrade it to that first"
        )


def _documented(message: str) -> str:
    """Return *message* as templates put it between three quotes: in one line, and without what would end them."""
    return " ".join(message.split()).replace("\\", r"\\").replace('"', r"\"")


@contextmanager
def _refused(ini: Path) -> Iterator[None]:
    try:
        yield
    except RlsguardError:
        raise
    except Exception as error:  # the project's own revisions are run to find out how they follow each other
        words = " ".join(str(error).split())
        told = words if isinstance(error, CommandError | OSError) else f"{type(error).__name__}: {words}"
        raise RlsguardError(f"{ini}: {told}") from error

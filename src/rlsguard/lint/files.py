"""Which files are migrations, and the order in which they run."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from rlsguard.check.migrated import UNDO, by_number
from rlsguard.lint import alembic
from rlsguard.lint.claims import Claim, claim_of_sql, claims_of_generated
from rlsguard.lint.model import Script, SqlError, Unreadable
from rlsguard.lint.parser import Source, parse
from rlsguard.lint.scanner import scan
from rlsguard.problems import Position, Problem, RlsguardError

# A change or a tag of a plan.
_PLANNED = re.compile(r"[ \t]*\+?[ \t]*(@?[^\s@%#+-][^\s\[#]*)")


def scripts(paths: Iterable[Path]) -> list[Script]:
    """Read the files and folders *paths*: the files, and those of each folder, in the order in which they run.

    Raises:
        SqlError: a file cannot be read as what it is; tells of every such file.
        RlsguardError: there is no such file, or nothing in a folder.
    """
    problems: list[Problem] = []
    found: list[Script] = []
    every = _in_order(paths)
    generated = claims_of_generated(every)
    for file, text, revision in _texts(every, problems):
        try:
            found.append(_script(file, text, revision, generated, {one.resolve() for one in every}))
        except SqlError as error:
            problems += error.problems
    if problems:
        raise SqlError(problems)
    return found


def _in_order(paths: Iterable[Path]) -> list[Path]:
    """Return the files of *paths*; those that are named one by one, as by *.sql, need not be named in their order."""
    single, found = list[Path](), list[Path]()
    for path in paths:
        if path.is_dir():
            found += _files(path)
        else:
            single.append(path)
    plans: dict[Path, list[Path]] = {}

    def order(file: Path) -> tuple[tuple[int, int, str], ...]:
        for folder in file.parents:
            plan = folder / "sqitch.plan"
            if plan.is_file():
                files = plans.setdefault(plan, _sqitch(plan))
                return (*by_number(plan), (0, files.index(file) if file in files else -1, ""))
        return by_number(file)

    return [*sorted(dict.fromkeys(single), key=order), *found]


def _files(path: Path) -> list[Path]:
    plans = sorted(path.rglob("sqitch.plan"), key=by_number)
    planned = {plan.parent for plan in plans}
    every = [file for file in path.rglob("*") if file.suffix.lower() in (".sql", ".py") and file.is_file()]
    files = sorted((f for f in every if not UNDO.fullmatch(f.name) and f.name != "env.py"), key=by_number)
    files = [file for file in files if planned.isdisjoint(file.parents)]
    files += [file for plan in plans for file in _sqitch(plan)]
    if not files and not plans:
        raise RlsguardError(f"{path}: there is no *.sql or *.py file in this folder")
    return files


def _sqitch(plan: Path) -> list[Path]:
    """Return the changes of a Sqitch project that are deployed, in the order of its plan."""
    files: list[Path] = []
    later: set[str] = set()
    tag = ""
    for name in (match[1] for line in reversed(_read(plan).splitlines()) if (match := _PLANNED.match(line))):
        if name.startswith("@"):
            tag = name
        else:
            # Of a change that comes again, the script so far was put away under the tag that follows it.
            files.append(plan.parent / "deploy" / f"{name}{tag if name in later else ''}.sql")
            later.add(name)
    return [file for file in reversed(files) if file.is_file()]


def _read(file: Path) -> str:
    try:
        return file.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise RlsguardError(f"{file}: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        before = error.object[: error.start].decode("utf-8-sig", "replace")
        place = Position(str(file), before.count("\n") + 1, len(before) - before.rfind("\n"))
        raise SqlError([Problem(place, (), f"this is not UTF-8: byte 0x{error.object[error.start]:02X}")]) from None


def _texts(files: list[Path], problems: list[Problem]) -> Iterator[tuple[Path, str, alembic.Revision | None]]:
    """Yield what is read of each file; Alembic's revisions in the order of their chain."""
    revisions: list[alembic.Revision] = []
    read: list[tuple[Path, str, alembic.Revision | None]] = []
    for file in files:
        try:
            text = _read(file)
            revision = alembic.read(text, str(file)) if file.suffix.lower() == ".py" else None
        except SqlError as error:
            problems += error.problems
            continue
        if revision is not None:
            revisions.append(revision)
        read.append((file, text, revision))
    chain = iter(alembic.in_order(revisions))
    for file, text, one in read:
        if one is None:
            yield file, text, None
        else:
            revision = next(chain)
            yield Path(revision.file), revision.text, revision


def _script(
    file: Path, text: str, revision: alembic.Revision | None, generated: Mapping[Path, Claim], given: set[Path]
) -> Script:
    if revision is not None:
        statements, unreadable, claim = alembic.statements(revision)
        return Script(str(file), tuple(statements), tuple(unreadable), claim)
    source = Source(text, str(file))
    claim = generated.get(file.resolve()) or claim_of_sql(text)
    statements, unreadable = parse(source, psql=True)
    for at, name in scan(text, psql=True).includes:
        if (file.parent / name).resolve() not in given:
            why = f"it reads {name}, which was not given"
            unreadable.append(Unreadable(source.place(at), "command of psql", why))
    if claim is not None:
        statements = [replace(one, claimed=claim.covers(one.position.line)) for one in statements]
        unreadable = [replace(one, claimed=claim.covers(one.position.line)) for one in unreadable]
    return Script(str(file), tuple(statements), tuple(unreadable), claim)

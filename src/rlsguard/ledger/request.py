"""Requests read from a CSV file: one person and one purpose a line."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from rlsguard.problems import Position, Problem, RlsguardError, did_you_mean

_REQUIRED = ("key", "purpose")
_OPTIONAL = ("actor", "reason", "requested_at")
# As rlsguard.opt_out() grants it, for clocks that differ.
_GRACE = timedelta(minutes=1)
_EARLIEST = datetime(1900, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Request:
    """What one line asks for."""

    position: Position
    key: str
    purpose: str
    actor: str
    reason: str | None
    requested_at: datetime | None


class RequestError(RlsguardError):
    """Some lines cannot be recorded, so none was."""

    def __init__(self, problems: Iterable[tuple[Request, str]]) -> None:
        super().__init__("\n".join(f"{request.position}: {text}" for request, text in problems))


def read_csv(file: Path, *, actor: str | None = None, reason: str | None = None) -> tuple[Request, ...]:
    """Read a CSV file (RFC 4180, UTF-8) with the columns key, purpose and optionally actor, reason, requested_at.

    Args:
        actor: for lines that name none.
        reason: for lines that give none.

    Raises:
        RlsguardError: the file cannot be read, or lines of it are wrong; names every one of them.
    """
    problems: list[Problem] = []
    try:
        with file.open(encoding="utf-8-sig", newline="") as stream:
            requests = tuple(_requests(str(file), csv.reader(stream, strict=True), actor, reason, problems))
    except OSError as error:
        raise RlsguardError(f"{file}: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise RlsguardError(f"{file}: not UTF-8 at byte {error.start}") from error
    if problems:
        raise RlsguardError("\n".join(map(str, problems)))
    return requests


def _requests(
    file: str, lines: Any, actor: str | None, reason: str | None, problems: list[Problem]
) -> Iterator[Request]:
    header: list[str] | None = None
    for place, record in _records(file, lines, problems):
        if header is None:
            header = [name.strip().lower() for name in record]
            wrong = list(_header_problems(header))
            problems += [Problem(place, (), text) for text in wrong]
            if wrong:
                return
        elif len(record) != len(header):
            problems.append(Problem(place, (), f"{len(record)} fields where the header has {len(header)}"))
        else:
            # A key is taken as it stands: spaces may belong to it.
            values = {n: v if n == "key" else v.strip() for n, v in zip(header, record, strict=True)}
            request = Request(
                place,
                values["key"],
                values["purpose"],
                values.get("actor") or actor or "",
                values.get("reason") or reason,
                None,
            )
            problems += [Problem(place, (), text) for text in _request_problems(request)]
            if text := values.get("requested_at"):
                try:
                    request = replace(request, requested_at=requested_time(text))
                except ValueError as error:
                    problems.append(Problem(place, (), f"requested_at {error}"))
            yield request
    if header is None and not problems:
        text = f"the file is empty; its first line names the columns: {','.join((*_REQUIRED, *_OPTIONAL))}"
        problems.append(Problem(Position(file, 1, 1), (), text))


def _records(file: str, lines: Any, problems: list[Problem]) -> Iterator[tuple[Position, list[str]]]:
    """Yield the records with the line that each begins on: a quoted field may hold line ends."""
    while True:
        place = Position(file, lines.line_num + 1, 1)
        try:
            record = next(lines)
        except StopIteration:
            return
        except csv.Error as error:
            problems.append(Problem(place, (), f"not CSV: {error}"))
            return
        if record:
            yield place, record


def _header_problems(header: list[str]) -> Iterator[str]:
    known = (*_REQUIRED, *_OPTIONAL)
    for name in dict.fromkeys(header):
        if name not in known:
            yield f"unknown column {name!r}{did_you_mean(name, known)}; the columns are {', '.join(known)}"
        elif header.count(name) > 1:
            yield f"column {name!r} is there {header.count(name)} times"
    for name in _REQUIRED:
        if name not in header:
            yield f"column {name!r} is missing from the first line"


def _request_problems(request: Request) -> Iterator[str]:
    if not request.key:
        yield "the key is missing"
    if not request.purpose:
        yield "the purpose is missing"
    if not request.actor:
        yield "the actor is missing: who asked? Fill the column, or say --actor"
    if any("\0" in text for text in (request.key, request.purpose, request.actor, request.reason or "")):
        yield "a zero byte"


def requested_time(text: str) -> datetime:
    """Read when something was asked: ISO 8601 with a UTC offset, from 1900 to now.

    Raises:
        ValueError: it is not; the message begins with the text.
    """
    try:
        when = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(f"{text!r} is no ISO 8601 time such as 2026-11-23T02:13:00+01:00") from None
    if when.tzinfo is None:
        raise ValueError(f"{text!r} has no UTC offset; write it like 2026-11-23T02:13:00Z")
    if when > datetime.now(UTC) + _GRACE:
        raise ValueError(f"{text!r} lies in the future")
    if when < _EARLIEST:
        raise ValueError(f"{text!r} lies before 1900")
    return when

"""Logs in CSV (`log_destination = csvlog`), whose entries go over lines where a statement or a message does.

The columns: https://www.postgresql.org/docs/current/runtime-config-logging.html, "Using CSV-Format Log Output".
"""

from __future__ import annotations

import csv
import re
from collections import deque
from collections.abc import Iterable, Iterator

from rlsguard.evidence.line import LogLine, Malformed

# 26 since PostgreSQL 14, with leader_pid and query_id at the end; before, 24.
_COLUMNS = (24, 26)
_BEGIN = re.compile(r"\d{4,}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3} [^,\"]+,")
# An entry whose end is missing must not take the rest of the log with it; no longer one is looked for.
_LONGEST = 16 * 2**20


def read(lines: Iterable[str]) -> Iterator[LogLine | Malformed]:
    """Yield the entries of a log, given line by line with the ends of lines as they are.

    What is within quotes is never taken for an entry, whatever it looks like: clients write it.
    """
    ahead: deque[tuple[int, str]] = deque()
    source = iter(enumerate(lines, 1))

    def following() -> Iterator[tuple[int, str]]:
        while True:
            try:
                yield ahead.popleft() if ahead else next(source)
            except StopIteration:
                return

    for number, text in following():
        if text.isspace():
            continue
        taken = [(number, text)]
        quotes, size = text.count('"'), len(text)
        while quotes % 2 and size < _LONGEST and (more := next(following(), None)) is not None:
            taken.append(more)
            quotes += more[1].count('"')
            size += len(more[1])
        found = _entry([each for _, each in taken])
        if isinstance(found, LogLine):
            yield found
            continue
        # Where the next entry seems to begin, it is tried again.
        rest = next((i for i, (_, each) in enumerate(taken) if i and _BEGIN.match(each)), len(taken))
        ahead.extendleft(reversed(taken[rest:]))
        yield Malformed(number, "".join(each for _, each in taken[:rest]), found)


def _entry(lines: list[str]) -> LogLine | str:
    """Return the entry, or why *lines* are none."""
    try:
        rows = list(csv.reader(lines, strict=True))
    except csv.Error as error:
        return f"this is no CSV: {error}"
    if len(rows) != 1 or len(rows[0]) not in _COLUMNS:
        return f"an entry has {_COLUMNS[-1]} columns, not {len(rows[0]) if rows else 0}"
    (row,) = rows
    try:
        return LogLine(
            time=row[0],
            user=row[1],
            database=row[2],
            pid=int(row[3]),
            client=row[4],
            session_id=row[5],
            line_num=int(row[6]),
            command_tag=row[7],
            virtual_transaction=row[9],
            transaction=int(row[10]),
            severity=row[11],
            sqlstate=row[12],
            message=row[13],
            detail=row[14],
            context=row[18],
            statement=row[19],
            application=row[22],
            backend_type=row[23],
        )
    except ValueError as error:
        return str(error)


# A statement can be as long as the server allows.
csv.field_size_limit(2**30)

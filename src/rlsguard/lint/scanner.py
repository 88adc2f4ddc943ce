"""What is not SQL in a file of SQL: psql's commands, rows after COPY, and placeholders.

All of that is blanked, character for character, so that every place stays what it was.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from rlsguard.lint.model import UNKNOWN

# What PostgreSQL takes for a part of a name: every character outside ASCII, dashes and blanks too.
_PART = r"[\w$\x80-\U0010ffff]"
_TAG = r"\$(?:[A-Za-z_\x80-\U0010ffff][A-Za-z0-9_\x80-\U0010ffff]*)?\$"
_TOKEN = re.compile(
    rf"""(?P<line>--[^\n\r]*)
    | (?P<block>/\*)
    | (?P<text>(?<!{_PART})[eE]'(?:[^'\\]|\\.|'')*' | '(?:[^']|'')*' | "(?:[^"]|"")*")
    | (?<!{_PART})(?P<tag>{_TAG}).*?(?P=tag)
    | (?P<flyway>[\w$]*\$\{{[\w.:-]+\}}[\w$]*(?:\$\{{[\w.:-]+\}}[\w$]*)*)
    | (?P<variable>(?<![:\w\]]):(?:'\w+'|"\w+") | (?<=[\s(,=.]):[^\W\d]\w*)
    | (?P<meta>\\)
    | (?P<end>;)
    | (?P<open>'|"|(?<!{_PART}){_TAG})""",
    re.DOTALL | re.VERBOSE,
)
_BLANK = re.compile(r"[ \t\n\r\f\v]+")
_LINE = re.compile(r"--[^\n\r]*")
_META = re.compile(r"\\([^\s\\]*)(?:[^\n'\"\\]|'[^'\n]*'|\"[^\"\n]*\"|\\(?!\\)|['\"])*(\\\\)?")
_COPY = re.compile(
    r"\\copy\s+(?P<what>\(.*\)|(?:[\w$.]|\"[^\"]*\")+(?:\s*\([^)]*\))?)\s+(?P<way>to|from)\s", re.IGNORECASE
)
_ROWS_FOLLOW = re.compile(r"\s*COPY\b.*\bFROM\s+STDIN\b", re.IGNORECASE | re.DOTALL)
# Liquibase: a changeset ends a statement, and so does the line that it says, which may be a comment to others.
_LIQUIBASE = re.compile(r"\s*--\s*liquibase formatted sql", re.IGNORECASE)
_CHANGESET = re.compile(r"--\s*changeset\s", re.IGNORECASE)
_DELIMITER = re.compile(r"^[ \t]*--\s*changeset\s.*enddelimiter:(\S+)", re.IGNORECASE | re.MULTILINE)
_END_OF_ROWS = re.compile(r"^\\\.[ \t\r]*$", re.MULTILINE)


@dataclass
class Scanned:
    """A file's SQL.

    Attributes:
        sql: as long as the file, with blanks for whatever is none.
        copies: statements that psql makes of its own \\copy, by where that stands.
        unreadable: what cannot be read, by where it stands.
        includes: files that psql is told to read, by where.
    """

    sql: str
    copies: list[tuple[int, str]] = field(default_factory=list)
    unreadable: list[tuple[int, str]] = field(default_factory=list)
    includes: list[tuple[int, str]] = field(default_factory=list)


def scan(text: str, *, psql: bool, values: bool = False) -> Scanned:
    """Return what of *text* is SQL.

    Args:
        psql: whether psql's commands are to be expected.
        values: whether placeholders stand for texts, rather than for names.
    """
    scanner = _Scanner(text, psql, values)
    return Scanned("".join(scanner.parts()), scanner.copies, scanner.unreadable, scanner.includes)


class _Scanner:
    def __init__(self, text: str, psql: bool, values: bool) -> None:
        self.text, self.psql, self.values = text, psql, values
        self.copies: list[tuple[int, str]] = []
        self.unreadable: list[tuple[int, str]] = []
        self.includes: list[tuple[int, str]] = []
        self._statement: list[str] = []
        self._liquibase = _LIQUIBASE.match(text) is not None
        self._delimiters = {one.removeprefix("\\n") for one in _DELIMITER.findall(text)} if self._liquibase else set()
        lines = "|".join(re.escape(one) for one in self._delimiters if not one.startswith("--"))
        self._ends = re.compile(rf"(?<=\n)[ \t]*(?:{lines})[ \t\r]*(?=\n|\Z)") if lines else None

    def parts(self) -> Iterator[str]:
        at = 0
        while (token := _TOKEN.search(self.text, at)) is not None:
            yield self._keep(self._delimited(self.text[at : token.start()]))
            if token["open"]:  # never closed: the parser says so, and where
                at = token.start()
                break
            at, part = self._token(token)
            yield part
        yield self._delimited(self.text[at:])

    def _keep(self, part: str) -> str:
        self._statement.append(part)
        return part

    def _delimited(self, part: str) -> str:
        return part if self._ends is None else self._ends.sub(lambda match: ";".ljust(len(match[0])), part)

    def _token(self, token: re.Match[str]) -> tuple[int, str]:
        """Return where to go on, and what stands in the token's place."""
        start, end = token.span()
        if token["line"]:
            return end, self._comment(token[0])
        if token["block"]:
            end = _end_of_comment(self.text, start)
            return end, self.text[start:end]
        if token["flyway"] or token["variable"]:
            value = token[0].startswith(":'") or self.values
            put = UNKNOWN if not value else f"'{UNKNOWN}'" if end - start > 2 else "''"
            return end, self._keep(put.ljust(end - start))
        if token["meta"]:
            return self._meta(start) if self.psql else (end, token[0])
        if token["end"]:
            statement, self._statement = "".join(self._statement), []
            rows = self.psql and _ROWS_FOLLOW.match(statement) is not None
            return self._after_rows(end) if rows else (end, token[0])
        return end, self._keep(token[0])

    def _comment(self, line: str) -> str:
        if not self._liquibase or not (_CHANGESET.match(line) or line.rstrip() in self._delimiters):
            return line
        self._statement = []
        return ";".ljust(len(line))

    def _meta(self, start: int) -> tuple[int, str]:
        match = _META.match(self.text, start)
        assert match is not None  # it begins with a backslash
        name, end = match[1].lower(), match.end()
        if name == "copy":
            self._copy(start, end)
        elif name == "gexec":
            self.unreadable.append((start, "\\gexec runs what the query before it returns"))
        elif name in ("i", "ir", "include", "include_relative"):
            self.includes.append((start, match[0][len(match[1]) + 1 :].strip().strip("'")))
        if name.startswith(("g", "crosstabview", "watch")):  # sends the statement before it
            self._statement = []
            return end, ";" + _blank(match[0][1:])
        return end, _blank(match[0])

    def _copy(self, start: int, end: int) -> None:
        copy = _COPY.match(self.text, start, end)
        if copy is None:
            self.unreadable.append((start, "this \\copy cannot be read"))
        else:
            where = "TO STDOUT" if copy["way"].lower() == "to" else "FROM STDIN"
            self.copies.append((start, f"COPY {copy['what']} {where}"))

    def _after_rows(self, end: int) -> tuple[int, str]:
        """Pass over the rows that follow COPY ... FROM STDIN, up to a line of its own with \\. in it."""
        first = self.text.find("\n", end)
        if first < 0:
            return end, ";"
        last = _END_OF_ROWS.search(self.text, first)
        stop = last.end() if last is not None else len(self.text)
        return stop, ";" + _blank(self.text[end:stop])


def _blank(text: str) -> str:
    return re.sub(r"[^\n]", " ", text)


def begin(sql: str, start: int) -> int:
    """Return where the statement begins that follows *start*, past blanks and comments."""
    while True:
        blank = _BLANK.match(sql, start)
        start = blank.end() if blank is not None else start
        if sql.startswith("--", start):
            match = _LINE.match(sql, start)
            assert match is not None  # it begins as one
            start = match.end()
        elif sql.startswith("/*", start):
            start = _end_of_comment(sql, start)
        else:
            return start


def _end_of_comment(text: str, start: int) -> int:
    depth = 0
    for mark in re.compile(r"/\*|\*/").finditer(text, start):
        depth += 1 if mark[0] == "/*" else -1
        if depth == 0:
            return mark.end()
    return len(text)

"""How other tools read a file, as far as it matters to what rlsguard writes: small models of their readers.

Each was written from what the tool itself did with scripts made to break it, and from its source.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

import pglast

# What a tool knows and puts in place of ${...}.
KNOWN = {"PATH": "/usr/bin", "user.home": "/root", "line.separator": "\n", "x": "MANGLED"}


def _replaced(text: str) -> str:
    return re.sub(r"\$\{([^}]*)\}", lambda found: KNOWN.get(found[1], found[0]), text)


# --- Flyway 11: flyway-core's Parser, and PostgreSQLParser

_FLYWAY = re.compile(
    r"""(?P<opaque>--[^\r\n]* | /\*(?:/\*.*?\*/|.)*?\*/ | [BEX]'(?:\\.|''|[^\\'])*' | '(?:''|[^'])*')
      | (?P<name>"(?:""|[^"])*")
      | (?P<word>[^\W\d][\w$]*(?:\.(?:"(?:""|[^"])*"|[\w$]*)){0,2})
      | (?P<other>.)""",
    re.VERBOSE | re.DOTALL,
)


def flyway(text: str, conf: str) -> list[str]:
    """Return the statements of a file with the settings in *conf*."""
    settings = dict(line.split("=") for line in conf.splitlines())
    if settings.get("placeholderReplacement") != "false":
        text = _replaced(text)
    found, start, parens, blocks, last = [], 0, 0, list[str](), ""
    position = 0
    while position < len(text):
        if text[position] == "$":
            end = text.index("$", position + 1) + 1
            tag = text[position:end]
            position, last = text.index(tag, end) + len(tag), ""
            continue
        token = _FLYWAY.match(text, position)
        assert token is not None
        position, other, word = token.end(), token["other"], (token["word"] or "").upper()
        parens += {"(": 1, ")": -1}.get(other, 0)
        if word and not parens:
            if (word == "ATOMIC" and last == "BEGIN") or (word == "CASE" and blocks and blocks[-1] == "ATOMIC"):
                blocks.append(word)
            elif word == "END" and blocks:
                blocks.pop()
        if other == ";" and not parens and not blocks:
            found.append(text[start:position])
            start = position
        if word or (other or " ").strip():
            last = word
    assert not re.sub(r"--.*", "", text[start:]).strip()
    return found


# --- Liquibase 4.28: FormattedSqlChangeLogParser, StringUtil.processMultiLineSQL, SimpleSqlGrammar


@dataclass(frozen=True, slots=True)
class Changeset:
    """A changeset, its lines still to be split."""

    head: str
    up: list[str] = field(default_factory=list)
    down: list[str] = field(default_factory=list)

    def attribute(self, name: str) -> str:
        """Return the value of an attribute: the last that is written on the line, even within another's name."""
        found = re.fullmatch(rf".*{name}:(\S+).*", self.head, re.IGNORECASE)
        return "" if found is None else found[1]

    def statements(self) -> list[str]:
        """Return what makes it."""
        assert self.attribute("stripComments") == "false"
        return _split("\n".join(self.up), self.attribute("endDelimiter"))

    def undo(self) -> list[str]:
        """Return what undoes it."""
        text = "\n".join(self.down)
        assert not re.match(r"\s*(?:empty|not required)", text, re.IGNORECASE)
        if "changesetid" in text.lower():
            raise ValueError("another changeset is undone")
        assert self.attribute("rollbackSplitStatements") == "true"
        return _split(text, self.attribute("rollbackEndDelimiter"))


_DOT = "[^\n\r\x85\u2028\u2029]"  # Java's
_ITS_OWN = re.compile(
    r"\s*-+\s*(?:changeset|rollback\s|comments?:? |precondition|validCheckSum|ignoreLines|ignore:|property\s)"
    rf"{_DOT}*|\s*/\*\s*liquibase\s*rollback\s*",
    re.IGNORECASE,
)


def liquibase(text: str) -> list[Changeset]:
    """Return the changesets of a changelog."""
    first, *lines = re.split("\r\n|\r|\n", text)
    assert re.match(r"--\s*liquibase formatted sql", first)
    found: list[Changeset] = []
    for line in lines:
        undo = re.fullmatch(rf"\s*--\s*rollback ({_DOT}*)", line, re.IGNORECASE)
        if re.fullmatch(rf"\s*--\s*changeset\s+[^:]+:\s*\S+{_DOT}*", line, re.IGNORECASE):
            found.append(Changeset(line))
        elif undo is not None:
            found[-1].down.append(undo[1])
        elif _ITS_OWN.fullmatch(line):
            raise ValueError(line)
        elif found:
            found[-1].up.append(line)
        else:
            assert line.startswith("-- ") or not line
    return found


_QUOTED = r'(?:"[^\n\r"]+"|`[^\n\r`]+`|\[[^0-9\]][^\n\r\]]*\])'
_BARE = r"(?:[^\W\d]|\$)[\w$#@]*"
_LIQUIBASE = [
    re.compile(pattern, re.DOTALL | re.IGNORECASE)
    for pattern in (
        r"\s+",
        r"--[^\r\n]*",
        r"/\*.*?\*/",
        rf"(?:{_BARE}|{_QUOTED})(?:[\r\n ]*\.[\r\n ]*(?:{_BARE}|{_QUOTED}))+",
        _BARE,
        r"[UENRB]?'(?:''|\\.|[^\\'])*(?:'|\\')",
        r'[UENRB]?"(?:""|\\.|[^\\"])*(?:"|\\")',
        _QUOTED,
        ".",
    )
]


def _split(text: str, delimiter: str) -> list[str]:
    found, current, blocks, before, position = [], "", 0, "", 0
    text = _replaced(text)
    while position < len(text):
        piece = max((token[0] for each in _LIQUIBASE if (token := each.match(text, position))), key=len)
        position += len(piece)
        if piece.upper() == "BEGIN":
            blocks += 1
        elif piece.upper() == "END":
            blocks = max(blocks - 1, 0)
        if not blocks and re.fullmatch(rf"\s*{delimiter}", before + piece, re.IGNORECASE):
            found.append(current.strip())
            current = ""
        else:
            current += piece
        before = piece
    statements = [statement for statement in (*found, current.strip()) if statement]
    for statement in statements:
        if any(
            token.name == "Op" and "?" in statement[token.start : token.end + 1]
            for token in pglast.parser.scan(statement)
        ):
            raise ValueError(f"JDBC makes a parameter of ?: {statement}")
    return statements


# --- Supabase CLI 2.117: its splitter, and what it sends together

_SUPABASE = re.compile(
    r"""(?P<opaque>'(?:''|[^'])*'? | "(?:""|[^"])*"? | --[^\n]*\n? | /\*(?:/\*.*?\*/|.)*?\*/ | \\.
                    | (?P<tag>\$\w*\$).*?(?:(?P=tag)|\Z))
      | (?P<open>\() | (?P<atomic>(?<![\w$])BEGIN\s+ATOMIC) | (?P<mark>;|\)|END)""",
    re.VERBOSE | re.DOTALL | re.IGNORECASE,
)


def supabase(text: str) -> list[str]:
    """Return the statements of a file."""
    found, start, within = [], 0, list[str]()
    for token in _SUPABASE.finditer(text):
        mark = (token["mark"] or "").upper()
        if token["open"]:
            within.append(")")
        elif token["atomic"]:
            within.append("END")
        elif mark == ";" and not within:
            found.append(text[start : token.end()])
            start = token.end()
        # One closes all of its kind, and END is found in any word.
        while within and within[-1] == mark:
            within.pop()
    trimmed = (each.strip().rstrip(";").strip() for each in (*found, text[start:]))
    return [statement for statement in trimmed if statement]


def sent_one_by_one(statements: list[str]) -> bool:
    """Whether each is sent by itself; else they are one transaction."""
    words = (re.sub(r"\A(?:\s|--.*\n)+", "", statement) for statement in statements)
    return any(re.match("(?:BEGIN|COMMIT|START|END|ROLLBACK|(?:CREATE|DROP) INDEX CONC)", each) for each in words)


# --- psql, which runs the scripts of Sqitch


def psql(text: str) -> Iterator[str]:
    """Yield the statements of a script."""
    for token in pglast.parser.scan(text):
        # outside of quotes, a variable or a command of psql's
        assert token.name not in ("ASCII_58", "ASCII_92"), token
    yield from pglast.split(text)

"""SQL text -> its statements, where it is known to be well-formed: what rlsguard itself has written."""

from __future__ import annotations

import re

from sqlglot import TokenType, tokenize

_QUOTED = {TokenType.STRING, TokenType.IDENTIFIER, TokenType.HEREDOC_STRING}


def split(sql: str) -> tuple[str, ...]:
    """Return the statements of *sql* without their semicolons, each with the comments before it."""
    statements: list[str] = []
    start, depth, words = 0, 0, list[str]()
    for token in tokenize(sql, dialect="postgres"):
        word = "" if token.token_type in _QUOTED else token.text.upper()
        # CREATE OR REPLACE FUNCTION at most: the body may have semicolons of its own, between BEGIN ATOMIC and END
        if len(words) < 4:
            words.append(word)
        routine = words[0] == "CREATE" and ("FUNCTION" in words or "PROCEDURE" in words)
        if (routine and word == "BEGIN") or (depth and word == "CASE"):
            depth += 1
        elif depth and word == "END":
            depth -= 1
        elif word == ";" and not depth:
            statements.append(sql[start : token.start].strip())
            start, words = token.end + 1, []
    return tuple(statements)


def without_remarks(statement: str) -> str:
    """Return *statement* from its first word on."""
    return re.sub(r"\A(?:\s+|--[^\n]*\n)+", "", statement)

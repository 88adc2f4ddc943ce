"""Texts of a Python file, and where their characters stand in it."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from inspect import cleandoc
from textwrap import dedent

from rlsguard.problems import Position

_QUOTES = re.compile(r"[A-Za-z]*(?:'''|\"\"\"|'|\")")
# What is done to a text that is written over several lines, and leaves its words as they are.
MOVES: dict[str, Callable[[str], str]] = {
    "dedent": dedent,
    "cleandoc": cleandoc,
    "strip": str.strip,
    "lstrip": str.lstrip,
    "rstrip": str.rstrip,
}


@dataclass(frozen=True, slots=True)
class Text:
    """A text that a file comes to.

    Attributes:
        said: it, with UNKNOWN for what is known only as it runs.
        place: of what it is written by.
        lines: where each of its lines begins; None where it does not stand in the file as it is.
    """

    said: str
    place: Position
    lines: tuple[Position, ...] | None = None

    def at(self, offset: int) -> Position:
        """Return where the character at *offset* stands."""
        if self.lines is None:
            return self.place
        line = self.said.count("\n", 0, offset)
        start = self.lines[line]
        return replace(start, column=start.column + offset - self.said.rfind("\n", 0, offset) - 1)

    def moved(self, how: str) -> Text:
        """Return what `dedent()` and the like make of it."""
        said = MOVES[how](self.said)
        return Text(said, self.place, self._found(said))

    def _found(self, said: str) -> tuple[Position, ...] | None:
        """Return where the lines of *said* stand, which are lines of this text without blanks at their ends."""
        if self.lines is None:
            return None
        before, after = self.said.split("\n"), said.split("\n")
        # What goes as a whole are blank lines.
        start = _first(before) - _first(after)
        starts = []
        for place, whole, left in zip(self.lines[start:], before[start:], after, strict=False):
            taken = _blanks(whole) - _blanks(left) if left.strip() else 0
            if left.strip() and whole[taken : taken + len(left)] != left:
                return None  # tabs, which cleandoc makes blanks of
            starts.append(replace(place, column=place.column + taken))
        return tuple(starts) if len(starts) == len(after) else None


def _first(lines: list[str]) -> int:
    return next((number for number, line in enumerate(lines) if line.strip()), 0)


def _blanks(line: str) -> int:
    return len(line) - len(line.lstrip())


class Python:
    """The text of a file, whose ends of lines are \\n."""

    def __init__(self, text: str, file: str) -> None:
        self.file = file
        self.lines = text.split("\n")

    def place(self, node: ast.expr | ast.stmt) -> Position:
        """Return where *node* begins."""
        return Position(self.file, node.lineno, self._column(node.lineno, node.col_offset) + 1)

    def literal(self, node: ast.Constant) -> Text:
        """Return the text that *node* is."""
        place, said = self.place(node), str(node.value)
        quotes = _QUOTES.match(self.lines[node.lineno - 1], place.column - 1)
        lines = said.split("\n")
        starts = [] if quotes is None else [replace(place, column=quotes.end() + 1)]
        if quotes is not None and self.lines[node.lineno - 1][quotes.end() :] == "\\":
            starts = []  # it begins with the next line
        first = node.lineno + 1
        starts += [Position(self.file, line, 1) for line in range(first, first + len(lines) - len(starts))]
        # Escapes, and texts that follow each other, are not what they come to.
        if starts[-1].line <= (node.end_lineno or 0) and all(map(self._stands, starts, lines)):
            return Text(said, place, tuple(starts))
        return Text(said, place)

    def _stands(self, place: Position, line: str) -> bool:
        return self.lines[place.line - 1].startswith(line, place.column - 1)

    def comments(self, after: int, before: int) -> list[tuple[int, str]]:
        """Return the comments on the lines between two statements, each with its line."""
        lines = ((number, self.lines[number - 1].strip()) for number in range(after + 1, before))
        return [(number, line) for number, line in lines if line.startswith("#")]

    def _column(self, line: int, offset: int) -> int:
        """Return the column of what begins at the byte *offset* of a line."""
        text = self.lines[line - 1]
        return offset if text.isascii() else len(text.encode()[:offset].decode(errors="ignore"))

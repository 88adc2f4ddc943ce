"""YAML text -> plain data with the place of every value, and what a data map may not use."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode
from ruamel.yaml.reader import ReaderError

from rlsguard.problems import Location, Position, Problem

_STR, _NULL, _BOOL, _INT, _FLOAT, _DATE, _MERGE = (
    f"tag:yaml.org,2002:{name}" for name in ("str", "null", "bool", "int", "float", "timestamp", "merge")
)

# Neither PostgreSQL's text nor UTF-8 has these; YAML lets them in as "\\0" and "\\ud800".
_UNUSABLE = re.compile(r"[\0\ud800-\udfff]")

# https://yaml.org/spec/1.2.2/#54-line-break-characters
_LINE_BREAK = re.compile(r"\r\n?|\n")


@dataclass(slots=True)
class Document:
    """One YAML file, read.

    `positions` has the place of each mapping's key and of each item of a list, by its location.
    """

    data: Any
    positions: dict[Location, Position] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)


def read(text: str, file: str) -> Document:
    """Read one YAML 1.2 document: plain mappings with text keys, lists and scalars.

    Duplicate keys, anchors, aliases, merge keys, tags and several documents become problems.
    """
    document = Document(None)
    start = Position(file, 1, 1)
    document.positions[()] = start
    loader = YAML(typ="safe", pure=True)
    loader.version = (1, 2)
    try:
        nodes = list(loader.compose_all(text))
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = start if mark is None else Position(file, mark.line + 1, mark.column + 1)
        document.problems.append(Problem(place, (), f"this is not YAML: {_words(error)}"))
        return document
    except ReaderError as error:
        place = after(text[: error.position], file)
        document.problems.append(Problem(place, (), f"this is not YAML: it has the character U+{error.character:04X}"))
        return document
    except RecursionError:
        document.problems.append(Problem(start, (), "this is not a data map: it is nested too deeply"))
        return document
    except (YAMLError, ValueError) as error:
        document.problems.append(Problem(start, (), f"this is not YAML: {str(error).splitlines()[0]}"))
        return document
    if not nodes or _is_empty(nodes[0]):
        document.problems.append(Problem(start, (), "the file is empty"))
        return document
    if len(nodes) > 1:
        place = _place(nodes[1], file)
        document.problems.append(Problem(place, (), "one YAML document a file, please: here begins another"))
    document.data = _Reader(document, file, text).value(nodes[0], ())
    return document


def after(text: str, file: str) -> Position:
    """Return the place in *file* that follows *text*, its beginning."""
    lines = _LINE_BREAK.split(text)
    return Position(file, len(lines), len(lines[-1]) + 1)


class _Reader:
    def __init__(self, document: Document, file: str, text: str) -> None:
        self.document = document
        self.file = file
        self.text = text
        self.seen: set[int] = set()

    def problem(self, node: Node, location: Location, message: str) -> None:
        self.document.problems.append(Problem(_place(node, self.file), location, message))

    def value(self, node: Node, location: Location) -> Any:
        if id(node) in self.seen:
            self.problem(node, location, "YAML aliases are not read: write the value out where it is needed")
            return None
        self.seen.add(id(node))
        if node.anchor is not None:
            self.problem(node, location, "YAML anchors are not read: write the value out where it is needed")
        match node:
            case MappingNode():
                self._plain(node, location, "tag:yaml.org,2002:map")
                return self._mapping(node, location)
            case SequenceNode():
                self._plain(node, location, "tag:yaml.org,2002:seq")
                values = []
                for number, item in enumerate(node.value):
                    self.document.positions[(*location, number)] = _place(item, self.file)
                    values.append(self.value(item, (*location, number)))
                return values
            case ScalarNode():
                return self._scalar(node, location)
        raise AssertionError(f"unknown node {node!r}")

    def _mapping(self, node: MappingNode, location: Location) -> dict[str, Any]:
        values: dict[str, Any] = {}
        for key, value in node.value:
            if not isinstance(key, ScalarNode):
                self.problem(key, location, "a key must be plain text")
                continue
            if str(key.tag) == _MERGE:
                self.problem(key, location, "YAML merge keys (<<) are not read: write the value out where it is needed")
                continue
            if key.anchor is not None:
                self.problem(key, location, "YAML anchors are not read: write the value out where it is needed")
            name = self._text(key, location)
            if name is None:
                continue
            self._untagged(key, location)
            place = _place(key, self.file)
            inner = (*location, name)
            if name in values:
                first = self.document.positions[inner]
                message = f"the key {name} is here twice; the first is in line {first.line}"
                self.document.problems.append(Problem(place, inner, message))
                continue
            self.document.positions[inner] = place
            values[name] = self.value(value, inner)
        return values

    def _scalar(self, node: ScalarNode, location: Location) -> Any:
        text = self._text(node, location)
        if text is None or not self._untagged(node, location):
            return text
        match str(node.tag):
            case t if t == _STR:
                return text
            case t if t == _NULL:
                return None
            case t if t == _BOOL:
                return text.lower() == "true" if text.lower() in ("true", "false") else text
            case t if t == _INT:
                # Only version is a number; anything odd (0x10, 1_000, a hundred digits) stays text.
                return int(text) if text.isdecimal() and len(text) < 10 else text
            case t if t == _FLOAT:
                try:
                    return float(text)
                except ValueError:
                    return text
            case t if t == _DATE:
                try:
                    return date.fromisoformat(text)
                except ValueError:
                    return text
        return text

    def _text(self, node: ScalarNode, location: Location) -> str | None:
        """Return the text of *node*, or None where no database or terminal could take it."""
        text: str = node.value
        odd = _UNUSABLE.search(text)
        if odd is None:
            return text
        self.problem(node, location, f"text cannot have the character U+{ord(odd.group()):04X}")
        return None

    def _plain(self, node: Node, location: Location, expected: str) -> None:
        if str(node.tag) != expected:
            self.problem(node, location, f"YAML tags are not read: {_tag(node)}")

    def _untagged(self, node: ScalarNode, location: Location) -> bool:
        """Whether *node* has no tag of its own; one that the file writes becomes a problem."""
        # What YAML resolved by itself and what was written look the same in the node, but not in the text.
        if not self.text.startswith("!", node.start_mark.index):
            return True
        self.problem(node, location, f"YAML tags are not read: {_tag(node)}")
        return False


def _is_empty(node: Node | None) -> bool:
    return node is None or (isinstance(node, ScalarNode) and str(node.tag) == _NULL)


def _place(node: Node, file: str) -> Position:
    return Position(file, node.start_mark.line + 1, node.start_mark.column + 1)


def _tag(node: Node) -> str:
    return str(node.tag).replace("tag:yaml.org,2002:", "!!")


def _words(error: MarkedYAMLError) -> str:
    if error.problem and error.problem.startswith("expected <block end>"):
        return "this does not fit the lines above it; is it indented as they are?"
    parts = [part.strip() for part in (error.context, error.problem) if part]
    return ", ".join(parts) or "it cannot be read"

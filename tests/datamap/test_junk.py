"""Whatever a file holds, it is read or refused: each complaint with a place in it, and never another exception."""

from __future__ import annotations

import copy
import json
import re
import tempfile
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML

from rlsguard import datamap
from rlsguard.problems import MapError

BERKA = (Path(__file__).parents[2] / "policies" / "berka.yaml").read_text(encoding="utf-8")
_YAML = YAML(typ="safe", pure=True)
_YAML.constructor.add_constructor("tag:yaml.org,2002:timestamp", lambda loader, node: node.value)
TREE: dict[str, Any] = _YAML.load(BERKA)

# https://yaml.org/spec/1.2.2/#54-line-break-characters
LINE = re.compile(r"\r\n?|\n")

unhurried = settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def outcome(raw: bytes) -> datamap.DataMap | list[str]:
    """Return what *raw* is read as, or the complaints; any error but MapError fails the test."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "map.yaml"
        file.write_bytes(raw)
        try:
            return datamap.load(file)
        except MapError as error:
            refused = error
    lines = [len(line) for line in LINE.split(raw.decode("utf-8-sig", errors="replace"))]
    assert refused.problems
    for problem in refused.problems:
        assert problem.message
        assert problem.position.file == str(file)
        assert 1 <= problem.position.line <= len(lines), problem
        assert 1 <= problem.position.column <= lines[problem.position.line - 1] + 1, problem
    str(refused).encode()  # a terminal can show it
    return [str(problem).removeprefix(str(file)) for problem in refused.problems]


def check(raw: bytes) -> None:
    """Check that *raw* is read or refused, and the same way when it is tried again."""
    first, second = outcome(raw), outcome(raw)
    if isinstance(first, datamap.DataMap):
        assert isinstance(second, datamap.DataMap)
        assert (first.subjects, first.purposes, first.roles, first.exempt, first.tables, first.bypass) == (
            second.subjects,
            second.purposes,
            second.roles,
            second.exempt,
            second.tables,
            second.bypass,
        )
    else:
        assert first == second


def test_the_checks_can_tell() -> None:
    assert isinstance(outcome(BERKA.encode()), datamap.DataMap)
    assert outcome(b"version: 2\n") == [
        ":1:1: version: this must be the number 1: no other version of the format is known"
    ]


@unhurried
@given(st.binary(max_size=200))
def test_bytes(raw: bytes) -> None:
    check(raw)


CHARACTERS = st.sampled_from("{}[]:,#&*!|>'\"%@`-? \t\n~=<.\\0aé\U0001f600\r\x85\u2028\ufeff\x00\x1b")


@unhurried
@given(st.text(CHARACTERS, max_size=60))
@example("? a\n  # b\n: c\n")
@example("a: # b\n  # c\n\n- d")
def test_text_of_the_characters_that_yaml_knows(text: str) -> None:
    check(text.encode())


@unhurried
@given(
    st.lists(
        st.tuples(
            st.integers(0, len(BERKA)), st.integers(0, 12), st.one_of(st.text(CHARACTERS, max_size=4), st.text())
        ),
        min_size=1,
        max_size=6,
    )
)
def test_characters_of_the_bank_are_replaced(edits: list[tuple[int, int, str]]) -> None:
    text = BERKA
    for at, length, new in edits:
        text = text[:at] + new + text[at + length :]
    check(text.encode("utf-8"))


WORDS = st.sampled_from(
    [
        *("version", "subjects", "purposes", "roles", "exempt", "tables", "guard", "table", "key", "opt_out", "bypass"),
        *(
            "description",
            "reason",
            "until",
            "holds",
            "subject",
            "joint",
            "when_unknown",
            "existing_policies",
            "columns",
        ),
        *("audit", "redact", "hash", "paths", "personal", "financial", "any", "hide", "wake", "marker", "client"),
        *("marketing", "servicing", "bank.client", "client_id", "account_id = bank.disp.account_id", 'bank."order"'),
        *("2027-06-30", "user.demographic", "", " ", "\0", "\ud800", "[key]", '"', "a.b.c.d", "=", "null", "yes", "<<"),
    ]
)
SCALARS = st.one_of(
    WORDS, st.text(max_size=8), st.none(), st.booleans(), st.integers(), st.floats(), st.integers(10**5000, 10**5001)
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(st.one_of(WORDS, st.text(max_size=8)), inner)),
    max_leaves=12,
)


class Long(int):
    """An integer that prints whatever its size: Python refuses above 4300 digits."""

    def __repr__(self) -> str:
        return f"1{'0' * 5000}" if self > 10**4000 else int.__repr__(self)


def dump(value: Any) -> bytes:
    """Return *value* as JSON, which is YAML; NaN and lone surrogates as Python writes them."""
    return _dump(value).encode("utf-8")


def _dump(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(str(key))}: {_dump(inner)}" for key, inner in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(_dump(inner) for inner in value) + "]"
    if isinstance(value, int) and not isinstance(value, bool):
        return repr(Long(value))
    return json.dumps(value)


@unhurried
@given(st.one_of(VALUES, st.dictionaries(WORDS, VALUES)))
def test_documents(value: Any) -> None:
    check(dump(value))


def places(value: Any, at: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Return the way to everything inside *value*."""
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [at, *(place for key, inner in inside for place in places(inner, (*at, key)))]


ACTIONS = st.sampled_from(["replace", "remove", "rename", "copy"])


@unhurried
@given(
    st.lists(st.tuples(ACTIONS, st.integers(0, 10**6), st.integers(0, 10**6), WORDS, VALUES), min_size=1, max_size=4)
)
def test_parts_of_the_bank_are_replaced(edits: list[tuple[str, int, int, str, Any]]) -> None:
    tree = copy.deepcopy(TREE)
    for action, here, there, word, value in edits:
        ways = places(tree)[1:]
        if not ways:
            break
        *outer, last = ways[here % len(ways)]
        parent: Any = tree
        for step in outer:
            parent = parent[step]
        if action == "replace":
            parent[last] = value
        elif action == "remove":
            del parent[last]
        elif action == "rename" and isinstance(parent, dict):
            parent[word] = parent.pop(last)
        else:
            found: Any = tree
            for step in ways[there % len(ways)]:
                found = found[step]
            parent[last] = copy.deepcopy(found)
    check(dump(tree))

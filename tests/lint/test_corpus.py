"""Of each migration of the corpus exactly that is found which it says, statement by statement."""

from __future__ import annotations

from pathlib import Path

import pytest

from lint.reading import CORPUS, expected, read
from rlsguard.check.kinds import LINT

HARMFUL = sorted(one for one in (CORPUS / "harmful").iterdir() if one.suffix in (".sql", ".py"))
HARMLESS = sorted(one for one in (CORPUS / "harmless").iterdir() if one.suffix in (".sql", ".py"))


def found(file: Path) -> set[tuple[int, str]]:
    return {(one.position.line, one.kind.id) for one in read(file).findings if one.position is not None}


@pytest.mark.parametrize("file", HARMFUL + HARMLESS, ids=lambda file: f"{file.parent.name}/{file.name}")
def test_a_migration_of_the_corpus(file: Path) -> None:
    assert found(file) == expected(file)


def test_precision_and_recall_of_the_corpus() -> None:
    said = {(file, *one) for file in HARMFUL + HARMLESS for one in found(file)}
    right = {(file, *one) for file in HARMFUL + HARMLESS for one in expected(file)}
    precision, recall = len(said & right) / len(said), len(said & right) / len(right)
    assert (precision, recall) == (1.0, 1.0)


def test_the_corpus_is_no_small_one_and_every_kind_is_in_it() -> None:
    assert len(HARMFUL) >= 15
    assert len(HARMLESS) >= 15
    assert {kind for file in HARMFUL + HARMLESS for _, kind in expected(file)} == LINT.keys()
    # A harmless one says at most that something should be known.
    assert {LINT[kind].severity for file in HARMLESS for _, kind in expected(file)} <= {"note"}
    assert all(any(LINT[kind].severity != "note" for _, kind in expected(file)) for file in HARMFUL)

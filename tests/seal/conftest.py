"""A ledger that was sealed three times, and one that was not sealed yet."""

from __future__ import annotations

from pathlib import Path

import pytest

from check.conftest import base  # noqa: F401 (fixture)
from guarding import BANK_MAP, small_bank
from seal.sealing import Log
from servers import Clone


@pytest.fixture
def log(template_db: Clone, tmp_path: Path) -> Log:
    """The small bank, guarded; nothing is recorded yet."""
    return Log(small_bank(template_db, BANK_MAP), tmp_path / "published")


@pytest.fixture
def sealed(log: Log) -> Log:
    """Five entries, which are leaves 1 to 5 behind the one that begins the tree; published with 2, 4 and 6 leaves."""
    log.record(1)
    log.seal()
    log.record(2, "marketing", "analytics")
    log.seal()
    log.take_back(1)
    log.record(3)
    log.seal()
    assert log.entries() == [1, 2, 3, 4, 5]
    assert [int(file.name) for file in log.files()] == [2, 4, 6]
    return log

"""Fixtures of servers that tests start by themselves."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from rlsguard import server


@pytest.fixture
def base() -> Iterator[Path]:
    """A folder of the server's own user."""
    account = server._account()
    folder = Path(tempfile.mkdtemp(prefix="upgrade-", dir=server._scratch_parent(account)))
    server._give(folder, account)
    yield folder
    shutil.rmtree(folder)

"""The small bank, before and after the map is applied."""

from __future__ import annotations

import pytest

from guarding import BANK, BANK_MAP, apply
from servers import Database


@pytest.fixture
def plain(db: Database) -> Database:
    """The bank before anything is applied."""
    with db.connect() as conn:
        conn.execute(BANK)
    return db


@pytest.fixture
def bank(plain: Database) -> Database:
    """The bank, guarded."""
    apply(plain, BANK_MAP)
    return plain

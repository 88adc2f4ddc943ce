"""The small bank, without the guard for what an attack gets there, and with it."""

from __future__ import annotations

import pytest

from catalogue.attacking import guard
from guarding import BANK
from servers import Database


@pytest.fixture
def plain(db: Database) -> Database:
    """The small bank before rlsguard: what leaks here must not leak once `guard` has been called."""
    db.execute(BANK)
    return db


@pytest.fixture
def bank(plain: Database) -> Database:
    """The small bank, guarded; client 1 has opted out of marketing."""
    guard(plain)
    return plain

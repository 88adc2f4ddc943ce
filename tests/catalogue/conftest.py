"""The small bank, without the guard for what an attack gets there, and with it."""

from __future__ import annotations

import pytest

from guarding import BANK_MAP, opt_out, small_bank
from servers import Clone, Database


@pytest.fixture
def plain(template_db: Clone) -> Database:
    """The small bank before rlsguard: what leaks here must not leak once `guard` has been called."""
    return small_bank(template_db)


@pytest.fixture
def bank(template_db: Clone) -> Database:
    """The small bank, guarded; client 1 has opted out of marketing."""
    db = small_bank(template_db, BANK_MAP)
    opt_out(db, 1, "marketing")
    return db

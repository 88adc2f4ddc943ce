"""The small bank, before and after the map is applied."""

from __future__ import annotations

import pytest

from guarding import BANK_MAP, small_bank
from servers import Clone, Database


@pytest.fixture
def plain(template_db: Clone) -> Database:
    """The bank before anything is applied."""
    return small_bank(template_db)


@pytest.fixture
def bank(template_db: Clone) -> Database:
    """The bank, guarded."""
    return small_bank(template_db, BANK_MAP)

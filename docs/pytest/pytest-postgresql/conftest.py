"""The test database: pytest-postgresql makes one for each test, on a server that runs already."""

from __future__ import annotations

from pathlib import Path

import pytest
from pytest_postgresql import factories

# Where pytest does not run as root, factories.postgresql_proc() starts a server by itself.
postgresql_noproc = factories.postgresql_noproc(load=[Path(__file__).with_name("schema.sql")])
postgresql = factories.postgresql("postgresql_noproc")


@pytest.fixture
def conn(postgresql):
    """The test's own connection; its transaction is rolled back."""
    return postgresql

"""A server to make things anew on, which knows no role of those that are tested."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from rlsguard.server import start
from servers import Postgres, memory, settings


@pytest.fixture(scope="session")
def scratch(server: Postgres) -> Iterator[str]:
    """A DSN to it, of the same version, as its superuser."""
    bindir = server.server.bindir
    with start(bindir, settings=settings(bindir), data_in=memory()) as started:
        yield started.dsn()

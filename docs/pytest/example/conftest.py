"""The test database: made for this run on the server of --rlsguard-dsn, or else on one of rlsguard[embedded]."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from rlsguard.server import embedded, start

SCHEMA = Path(__file__).with_name("schema.sql").read_text(encoding="utf-8")


@pytest.fixture(scope="session")
def rlsguard_dsn(pytestconfig: pytest.Config) -> Iterator[str]:
    with ExitStack() as stack:
        server = pytestconfig.getoption("rlsguard_dsn") or stack.enter_context(start(embedded())).dsn()
        admin = stack.enter_context(psycopg.connect(server, autocommit=True))
        name = f"shop_test_{os.getpid()}"  # each process of pytest-xdist has its own
        admin.execute(f"CREATE DATABASE {name}")
        dsn = make_conninfo(server, dbname=name)
        with psycopg.connect(dsn) as conn:
            conn.execute(SCHEMA)
        yield dsn
        admin.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def conn(rlsguard_dsn: str) -> Iterator[psycopg.Connection[Any]]:
    """The test's own connection; its transaction is rolled back."""
    conn = psycopg.connect(rlsguard_dsn)
    yield conn
    conn.close()

"""Scratch servers of checks: shared by all tests of a process, or each check's own as it is outside the tests."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import cache
from pathlib import Path
from typing import Any
from unittest.mock import patch

import psycopg
from psycopg import sql

from rlsguard.check import expected
from rlsguard.server import start
from servers import memory

Spelled = tuple[Mapping[str, str], Mapping[str, tuple[str, str]]]

_server, _spelled = expected._server, expected._spelled


@contextmanager
def shared_scratch() -> Iterator[None]:
    """Start one scratch server of each version when a check first asks, and let it spell the same SQL only once.

    A check undoes what it makes there.
    """
    known: dict[tuple[str, str, str], Spelled] = {}

    def spelled(conn: psycopg.Connection[Any], tables: sql.Composed, guard: str) -> Spelled:
        key = (conn.info.dsn, tables.as_string(conn), guard)
        if key not in known:
            known[key] = _spelled(conn, tables, guard)
        return known[key]

    with ExitStack() as stack:

        @cache
        def dsn(bindir: Path) -> str:
            return stack.enter_context(start(bindir, settings=expected._SETTINGS, data_in=memory())).dsn()

        @contextmanager
        def server(scratch: Path | str) -> Iterator[str]:
            yield scratch if isinstance(scratch, str) else dsn(scratch)

        with patch.multiple(expected, _server=server, _spelled=spelled):
            yield


@contextmanager
def scratch_of_its_own() -> Iterator[None]:
    """Let each check start a scratch server of its own, as it does outside the tests."""
    with patch.multiple(expected, _server=_server, _spelled=_spelled):
        yield

"""pytest-rlsguard: fixtures that apply a data map to the test database, and assertions on what opt-outs hide.

pytest loads this in every suite that has rlsguard installed, so all that is heavy is imported where it is used.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import pytest

if TYPE_CHECKING:
    from rlsguard.pytest_plugin.guarded import Guarded

_MAP = "data map (YAML file or folder) that the fixture rlsguard applies to the test database"
_DSN = "test database of the fixture rlsguard, as a libpq connection string or URI; the login must be a superuser"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Take the data map and the database from the command line or the ini file."""
    group = parser.getgroup("rlsguard", "opt-outs in the test database")
    group.addoption("--rlsguard-map", metavar="MAP", help=_MAP)
    group.addoption("--rlsguard-dsn", metavar="DSN", help=_DSN)
    parser.addini("rlsguard_map", f"{_MAP}; relative to the ini file", default=None)
    parser.addini("rlsguard_dsn", _DSN, default=None)


@pytest.fixture
def rlsguard_map(pytestconfig: pytest.Config) -> Path:
    """The data map: of --rlsguard-map or rlsguard_map in the ini file. Override it to take another."""
    given, written = pytestconfig.getoption("rlsguard_map"), pytestconfig.getini("rlsguard_map")
    if given is None and written is None:
        _refused("no data map: say --rlsguard-map MAP or rlsguard_map in the ini file, or override rlsguard_map")
    if given is not None:
        return Path(given)
    base = pytestconfig.rootpath if pytestconfig.inipath is None else pytestconfig.inipath.parent
    return base / str(written)


@pytest.fixture
def rlsguard_dsn(request: pytest.FixtureRequest) -> str:
    """The test database: of --rlsguard-dsn, rlsguard_dsn in the ini file, or pytest-postgresql's fixture `postgresql`.

    Override it, in any scope, to take another.
    """
    for given in (request.config.getoption("rlsguard_dsn"), request.config.getini("rlsguard_dsn")):
        if given is not None:
            return str(given)
    try:
        conn = request.getfixturevalue("postgresql")
    except pytest.FixtureLookupError as error:
        if error.argname != "postgresql":
            raise
        _refused(
            "no test database: say --rlsguard-dsn DSN or rlsguard_dsn in the ini file, install pytest-postgresql,"
            " or override the fixture rlsguard_dsn"
        )
    from rlsguard.problems import RlsguardError
    from rlsguard.pytest_plugin.guarded import dsn_of

    try:
        return dsn_of("the fixture postgresql", conn)
    except RlsguardError as error:
        _refused(f"{error}; override the fixture rlsguard_dsn")


@pytest.fixture
def rlsguard(request: pytest.FixtureRequest, rlsguard_dsn: str, rlsguard_map: Path) -> Iterator[Guarded]:
    """The test database with the data map applied: record opt-outs, act as a role, assert what it sees."""
    from rlsguard.problems import RlsguardError
    from rlsguard.pytest_plugin.guarded import guard

    try:
        guarded = guard(rlsguard_dsn, rlsguard_map, request.node.nodeid)
    except RlsguardError as error:
        _refused(str(error))
    with closing(guarded.connection):
        yield guarded


def _refused(message: str) -> NoReturn:
    """End the test with *message* alone: a traceback through rlsguard would explain nothing."""
    raise pytest.fail.Exception(message, pytrace=False) from None

"""Fixtures: a server of each major version, a fresh database per test, and a loud account of what did not run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import psycopg
import pytest

from berka import bank_db, berka_db  # noqa: F401 (fixtures)
from scratch import shared_scratch
from servers import SUPPORTED, Clone, Database, Postgres, berka_folder, has_library, present, run

_OUTCOMES = {"passed": "passed", "failed": "failed", "error": "errors", "skipped": "skipped", "xfailed": "xfailed"}
_NO_SERVER = 0
# With --by-turns what is in these folders runs on the oldest and on the newest version; make test-all leaves none out.
_ENDS = ("apply", "catalogue", "doctor", "guard", "prove", "seal")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--majors", help="only these PostgreSQL major versions, such as 15,18")
    parser.addoption("--by-turns", action="store_true", help="what is marked so runs on one version each, by turns")


def _chosen(config: pytest.Config) -> dict[int, Path]:
    wanted = config.getoption("--majors")
    found = present()
    return {m: found[m] for m in found if wanted is None or str(m) in wanted.split(",")}


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "server" in metafunc.fixturenames:
        majors = [pytest.param(major, id=f"pg{major}") for major in _chosen(metafunc.config)]
        metafunc.parametrize("server", majors, indirect=True, scope="session")


def pytest_itemcollected(item: pytest.Item) -> None:
    # Reports carry the version, also across processes, to the summary.
    callspec = getattr(item, "callspec", None)
    item.user_properties.append(("postgresql", callspec.params.get("server", _NO_SERVER) if callspec else _NO_SERVER))


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave each test that is marked `by_turns` to one of the versions, if that was asked for."""
    majors = sorted(_chosen(config))
    if not config.getoption("--by-turns") or len(majors) < 2:
        return
    places: dict[str, int] = {}
    left_out: dict[pytest.Item, None] = {}
    for item in items:
        major = dict(item.user_properties)["postgresql"]
        marker = item.get_closest_marker("by_turns")
        turns = marker is not None and marker.args != (False,)
        if not turns and major not in (_NO_SERVER, majors[0], majors[-1]) and item.path.parent.name in _ENDS:
            left_out[item] = None
        elif turns and major != _NO_SERVER:
            name = item.nodeid.replace(f"pg{major}", "")
            place = places.setdefault(name, len(places))
            if major != majors[place % len(majors)]:
                left_out[item] = None
    config.hook.pytest_deselected(items=list(left_out))
    items[:] = [item for item in items if item not in left_out]


@pytest.fixture(scope="session")
def _running() -> Iterator[Callable[[int], Postgres]]:
    """Servers by major version, started when first asked for, and in each process its own: roles are cluster-wide."""
    binaries = present()
    servers: dict[int, Postgres] = {}
    with ExitStack() as stack:

        def get(major: int) -> Postgres:
            if major not in servers:
                servers[major] = stack.enter_context(run(binaries[major]))
            return servers[major]

        yield get


@pytest.fixture(scope="session")
def server(request: pytest.FixtureRequest, _running: Callable[[int], Postgres]) -> Postgres:
    """A server; the test runs once for each major version that is present."""
    return _running(request.param)


@pytest.fixture(scope="session", autouse=True)
def _shared_scratch() -> Iterator[None]:
    """Let the checks of one process compare with one scratch server of each version, which spells the same SQL once."""
    with shared_scratch():
        yield


@pytest.fixture
def db(server: Postgres) -> Iterator[Database]:
    """A fresh, empty database; roles that the test makes are dropped with it."""
    with server.database() as database:
        yield database


@pytest.fixture
def template_db(server: Postgres) -> Iterator[Clone]:
    """Call with a name and a builder: returns a clone of what the builder makes, which it does once per server."""
    with ExitStack() as stack:

        def clone(name: str, build: Callable[[psycopg.Connection[Any]], None]) -> Database:
            return stack.enter_context(server.database(server.template(name, build)))

        yield clone


@pytest.fixture(scope="session")
def berka() -> Path:
    """The folder with the Berka data; tests that need it are skipped, and the summary says so, where it is missing."""
    folder = berka_folder()
    if folder is None:
        pytest.skip("the Berka data is not here: set RLSGUARD_BERKA to its folder")
    return folder


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    counts: dict[int, Counter[str]] = {}
    for outcome, label in _OUTCOMES.items():
        for report in terminalreporter.stats.get(outcome, []):
            major = dict(getattr(report, "user_properties", ())).get("postgresql", _NO_SERVER)
            counts.setdefault(major, Counter())[label] += 1
    terminalreporter.section("what ran, and what was left out")
    for line in (*_server_lines(config, counts), *_turns_line(config), _berka_line()):
        terminalreporter.write_line(line, red="LEFT OUT" in line, bold="LEFT OUT" in line)


def _server_lines(config: pytest.Config, counts: dict[int, Counter[str]]) -> Iterator[str]:
    found = present()
    chosen = _chosen(config)
    for major in SUPPORTED:
        if major in chosen:
            extras = ", ".join(
                f"{'with' if has_library(chosen[major], name) else 'LEFT OUT:'} {name}"
                for name in ("pgaudit", "plpgsql_check", "citext")
            )
            yield f"PostgreSQL {major}: {_count(counts.get(major))}; {extras}; {chosen[major]}"
        elif major in found:
            yield f"PostgreSQL {major}: LEFT OUT, by --majors"
        else:
            yield f"PostgreSQL {major}: LEFT OUT, not on this machine"
    yield f"without a server: {_count(counts.get(_NO_SERVER))}"


def _turns_line(config: pytest.Config) -> Iterator[str]:
    if config.getoption("--by-turns"):
        yield "by turns, each on one version: what is marked by_turns; LEFT OUT on the others: make test-all"
        yield f"on the oldest and the newest version: {', '.join(_ENDS)}; LEFT OUT on those between: make test-all"


def _count(counter: Counter[str] | None) -> str:
    counter = counter or Counter()
    extra = [label for label in ("errors", "xfailed") if counter[label]]
    return ", ".join(f"{counter[label]} {label}" for label in ("passed", "failed", *extra, "skipped"))


def _berka_line() -> str:
    folder = berka_folder()
    return f"Berka data: {folder}" if folder else "Berka data: LEFT OUT, set RLSGUARD_BERKA to its folder"

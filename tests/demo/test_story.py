"""The demo's story: it ends well on every server, and it would say so if it did not."""

from __future__ import annotations

import io
import os
import re
import shutil
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import psycopg
import pytest
from rich.console import Console

from rlsguard import datamap
from rlsguard import server as servers_of
from rlsguard.datamap import DataMap
from rlsguard.demo import Bank, generate, story
from rlsguard.demo.story import Outcome, tell
from rlsguard.demo.ways import KEYS, choose
from rlsguard.shipped import folder
from servers import Postgres, settings

pytestmark = pytest.mark.by_turns


def bank_map(*, leave_out: str | None = None, teller: str = "servicing") -> DataMap:
    """Return the demo's own map, or one with a mistake in it."""
    shipped = datamap.load(folder("policies") / "berka.yaml")
    tables = {name: entry for name, entry in shipped.tables.items() if name.name != leave_out}
    roles = dict(shipped.roles) | {"teller_app": replace(shipped.roles["teller_app"], purposes=(teller,))}
    return replace(shipped, tables=tables, roles=roles)


@pytest.fixture(scope="module")
def bank() -> Bank:
    return generate(0.4)


@contextmanager
def told(server: Postgres, applied: DataMap, bank: Bank) -> Iterator[tuple[Outcome, str]]:
    # A server of its own, like the real one: the story makes a database and roles, and leaves them.
    text = io.StringIO()
    bindir = server.server.bindir
    with servers_of.start(bindir, settings=settings(bindir)) as fresh:
        yield tell(fresh, applied, bank, Console(file=text, width=120)), text.getvalue()


@pytest.mark.by_turns(False)
def test_it_ends_with_nothing_leaked(server: Postgres, bank: Bank) -> None:
    with told(server, bank_map(), bank) as (outcome, text):
        assert outcome.right
        assert outcome.leaked == 0
        assert {tried.way.table for tried in outcome.tried} == KEYS.keys()
        # Every way had something to hide, and something to go on showing.
        assert all(tried.theirs and tried.during for tried in outcome.tried)
        assert {tried.way.role for tried in outcome.tried} == {"campaign_app", "app_pool", "newcomer"}
        assert {"COPY TO", "prepared before", "pooled connection", "security_invoker view"} <= {
            tried.way.name for tried in outcome.tried
        }
        assert re.search(r"ledger entry \d+: opt_out client \d+ marketing, version 1", text)
        assert "version 1 opt_out marketing; version 2 opt_in marketing" in text
        assert "WRONG" not in text
        assert re.fullmatch(r"\d+ paths tried in [\d.]+ s: 0 leaked", text.splitlines()[-1])


def test_it_says_what_leaks(server: Postgres, bank: Bank) -> None:
    with told(server, bank_map(leave_out="loan"), bank) as (outcome, text):
        person = choose(bank)
        assert not outcome.right
        assert outcome.leaked == len(person.rows["loan"]) > 0
        assert [tried.way.table for tried in outcome.tried if not tried.right] == ["loan"]
        assert re.search(r"campaign_app +loan .* WRONG", text)
        assert text.splitlines()[-1].endswith(f"{outcome.leaked} leaked")


def test_it_says_when_the_counter_is_held_too(server: Postgres, bank: Bank) -> None:
    with told(server, bank_map(teller="marketing"), bank) as (outcome, text):
        assert outcome.leaked == 0
        assert not outcome.served
        assert not outcome.right
        assert "NOT as it should be" in text


def test_whom_it_is_about(bank: Bank) -> None:
    person = choose(bank)
    assert all(person.rows[table] for table in KEYS)
    assert person.shares_with
    assert person.client_id not in person.shares_with
    accounts = {disp.account_id for disp in bank.disp if disp.client_id == person.client_id}
    assert person.rows["trans"] == {row.trans_id for row in bank.trans if row.account_id in accounts}


@pytest.mark.parametrize("scale", [0.01, 0.05])
def test_the_smallest_bank_has_somebody_to_tell_of(scale: float) -> None:
    person = choose(generate(scale))
    assert person.rows["trans"]
    assert person.shares_with


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[servers_of.Server]:
    """The servers that the story starts by itself."""
    found: list[servers_of.Server] = []

    @contextmanager
    def start(*args: Any, **kwargs: Any) -> Iterator[servers_of.Server]:
        with servers_of.start(*args, **kwargs) as server:
            found.append(server)
            yield server

    monkeypatch.setattr(story, "start", start)
    return found


def test_it_keeps_nothing_behind(started: list[servers_of.Server]) -> None:
    assert story.play(bank_map(), Console(file=io.StringIO()), scale=0.01).right
    (server,) = started
    assert not server.data.parent.exists()
    with pytest.raises(ProcessLookupError):
        os.kill(server.pid, 0)


def test_it_is_kept_when_asked_and_says_how_to_reach_it(started: list[servers_of.Server]) -> None:
    text = io.StringIO()
    story.play(bank_map(), Console(file=text, width=80), scale=0.01, keep=True)
    (server,) = started
    try:
        dsn = re.search(r'psql "(.*)"$', text.getvalue(), re.MULTILINE)
        assert dsn is not None
        with psycopg.connect(dsn.group(1)) as conn:
            assert conn.execute("SELECT current_user, count(*) FROM bank.client").fetchone() == ("campaign_app", 10)
        dsn = re.search(r'RLSGUARD_DSN="(.*)"$', text.getvalue(), re.MULTILINE)
        assert dsn is not None
        with psycopg.connect(dsn.group(1)) as conn:
            assert conn.info.dbname == "bank"
            assert conn.execute("SHOW is_superuser").fetchone() == ("on",)
        assert f"kill -INT {server.pid};" in text.getvalue()
    finally:
        os.kill(server.pid, signal.SIGINT)
        os.waitpid(server.pid, 0)
        shutil.rmtree(server.data.parent)

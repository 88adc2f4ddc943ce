"""The scratch server that a check starts by itself. Elsewhere in the tests checks share one."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest

from guarding import BANK_MAP, load, small_bank
from rlsguard.check import check, expected
from rlsguard.check.model import Outcome
from rlsguard.server import Server, start
from scratch import scratch_of_its_own
from servers import Clone, Database, Postgres


@pytest.fixture
def bank(template_db: Clone) -> Database:
    return small_bank(template_db, BANK_MAP)


def told(outcome: Outcome) -> list[str]:
    return [f"{finding.kind.id} {finding.about}" for finding in outcome.findings]


def test_it_is_started_for_one_check_and_gone_after_it(bank: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[Server] = []

    @contextmanager
    def noted(*args: Any, **kwargs: Any) -> Iterator[Server]:
        with start(*args, **kwargs) as server:
            started.append(server)
            yield server

    monkeypatch.setattr(expected, "start", noted)
    bank.execute('DROP POLICY "!rlsguard" ON bank.trans')
    with bank.connect() as conn, scratch_of_its_own():
        alone = check(conn, load(BANK_MAP))
        assert [server.major for server in started] == [bank.major]
        assert not started[0].data.exists()
        with pytest.raises(ProcessLookupError):
            os.kill(started[0].pid, 0)
    with bank.connect() as conn:
        shared = check(conn, load(BANK_MAP))
    assert len(started) == 1
    assert told(alone) == told(shared) == ["RG105 policy bank.trans !rlsguard"]
    assert alone.with_server == shared.with_server == bank.conn.info.parameter_status("server_version")
    assert alone.compared == shared.compared


def test_one_that_is_named_by_a_dsn_is_left_as_it_was(bank: Database, server: Postgres) -> None:
    with server.database() as scratch, bank.connect() as conn, scratch_of_its_own():
        assert told(check(conn, load(BANK_MAP), scratch=scratch.dsn())) == []
        with psycopg.connect(scratch.dsn()) as left:
            assert left.execute("SELECT FROM pg_namespace WHERE nspname ~ '^(rlsguard|bank)'").fetchall() == []

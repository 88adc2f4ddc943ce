"""The command as a process: exit codes, standard streams, signals."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import pytest

from guarding import BANK_MAP, small_bank
from rlsguard import ledger
from servers import Clone, Database

pytestmark = pytest.mark.by_turns

RLSGUARD = Path(sys.executable).with_name("rlsguard")


@pytest.fixture
def bank(template_db: Clone) -> Database:
    return small_bank(template_db, BANK_MAP)


def test_settings_come_from_libpqs_environment(bank: Database) -> None:
    environment = {
        **os.environ,
        "PGHOST": str(bank.server.sockets),
        "PGPORT": str(bank.server.port),
        "PGDATABASE": bank.name,
        "PGUSER": "postgres",
    }
    done = subprocess.run([RLSGUARD, "status", "client", "1"], capture_output=True, text=True, env=environment)
    assert (done.returncode, done.stdout, done.stderr) == (0, "client 1 never opted out of anything\n", "")


def test_errors_go_to_standard_error_and_end_with_2(tmp_path: Path) -> None:
    bad = tmp_path / "bad.yaml"
    bad.write_text("version: 1\nrole: {}\n")
    done = subprocess.run([RLSGUARD, "validate", bad], capture_output=True, text=True)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.startswith(f"{bad}:")
    assert "Traceback" not in done.stderr
    done = subprocess.run([RLSGUARD, "aply"], capture_output=True, text=True)
    assert done.returncode == 2
    assert "No such command 'aply'" in done.stderr


def test_a_reader_that_has_seen_enough(bank: Database) -> None:
    with bank.connect() as conn:
        requests = [ledger.Request(None, "1", "marketing", "a", "x" * 500, None)] * 2000
        ledger.record_all(conn, "opt_out", "client", requests)
    process = subprocess.Popen(
        [RLSGUARD, "history", "client", "1", "--dsn", bank.dsn()], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.readline()
    process.stdout.close()
    assert process.stderr.read() == b""
    assert process.wait(30) == 141


def test_ctrl_c_while_it_waits_for_a_lock_changes_nothing(bank: Database, tmp_path: Path) -> None:
    file = tmp_path / "map.yaml"
    file.write_text(BANK_MAP.replace("bank.trans:\n    {", "bank.trans:\n    {audit: true, "))
    with bank.connect(autocommit=False) as blocker:
        blocker.execute("LOCK TABLE bank.trans IN ACCESS EXCLUSIVE MODE")
        process = subprocess.Popen(
            [RLSGUARD, "apply", file, "--dsn", bank.dsn(), "--lock-timeout", "60"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            # What runs in the background of a shell ignores it, and would hand that down.
            preexec_fn=partial(signal.signal, signal.SIGINT, signal.SIG_DFL),
        )
        waiting = "SELECT FROM pg_stat_activity WHERE application_name = 'rlsguard' AND wait_event_type = 'Lock'"
        deadline = time.monotonic() + 30
        while not bank.execute(waiting):
            assert time.monotonic() < deadline
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=30)
    assert process.returncode == 130
    assert errors == "\nrlsguard: interrupted\n"
    assert bank.execute(
        "SELECT count(*) FROM pg_trigger WHERE tgrelid = 'bank.trans'::regclass AND NOT tgisinternal"
    ) == [(0,)]


def test_the_demo(tmp_path: Path) -> None:
    done = subprocess.run([RLSGUARD, "demo", "--scale", "0.05"], capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1].endswith(": 0 leaked")
    assert list(tmp_path.iterdir()) == []

"""The chaos of `make chaos`, a little of it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from servers import Postgres


@pytest.mark.by_turns
def test_a_little_chaos(server: Postgres) -> None:
    command = [sys.executable, "-m", "bench.chaos", "--kills", "5", "--crashes", "1", "--major", str(server.major)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=Path(__file__).parents[2])
    assert done.returncode == 0, done.stdout + done.stderr
    told = done.stdout.splitlines()
    assert told[0].startswith(f"PostgreSQL {server.major}")
    assert told[-1] == "each committed entry is in the log once, nothing else is, and its order never changed"

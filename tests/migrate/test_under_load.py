"""The migration under load of `make bench-migrate`, a small one, and that its probe sees what is wrong."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from servers import Postgres

SMALL = ["--tables", "7", "--rows", "60", "--readers", "2", "--writers", "2", "--hold", "0.5", "--pause", "0.2"]


def bench(server: Postgres, *options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "bench.migrating", "--major", str(server.major), *SMALL, *options]
    return subprocess.run(command, capture_output=True, text=True, cwd=Path(__file__).parents[2])


@pytest.mark.by_turns
def test_nobody_notices_a_migration(server: Postgres) -> None:
    done = bench(server)
    assert done.returncode == 0, done.stdout + done.stderr
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in done.stdout.splitlines() if "|" in line]
    (names, _, *spans) = rows
    assert [span[0] for span in spans][:3] == ["nothing", "the migration", "its undoing"]
    found = [dict(zip(names, span, strict=True)) for span in spans[:3]]
    assert [(span["failed"], span["wrong"]) for span in found] == [("0", "0")] * 3
    # More often than once for each table and role.
    assert sum(int(span["looks"].replace(",", "")) for span in found) > 50


@pytest.mark.by_turns
@pytest.mark.parametrize(
    ("sabotage", "seen"),
    [
        ("late-baseline", r"servicing_app sees in bank.t001 0 rows .* not 3 and 0 rows of others, not 57"),
        ("row-security-off", r"campaign_app sees in bank.client 3 rows of people who opted out, not 0"),
    ],
)
def test_what_is_wrong_is_seen(server: Postgres, sabotage: str, seen: str) -> None:
    done = bench(server, "--sabotage", sabotage)
    assert done.returncode == 1, done.stdout + done.stderr
    assert re.search(rf"^the migration: [\d,]+ times: {seen}$", done.stdout, re.MULTILINE), done.stdout
    assert not re.search(r"^nothing: ", done.stdout, re.MULTILINE), done.stdout

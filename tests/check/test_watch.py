"""--watch: what comes and goes between two looks."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from guarding import BANK, BANK_MAP, apply
from servers import Database

pytestmark = pytest.mark.by_turns


def test_changes_are_printed_as_they_come(db: Database, tmp_path: Path) -> None:
    db.execute(BANK)
    apply(db, BANK_MAP)
    (tmp_path / "map.yaml").write_text(BANK_MAP, encoding="utf-8")
    command = [Path(sys.executable).with_name("rlsguard"), "check", tmp_path / "map.yaml", "--dsn", db.dsn()]
    # Tests that run in the background ignore it, and so would whatever they start.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    with subprocess.Popen([*command, "--watch", "1"], stdout=subprocess.PIPE, text=True) as watcher:
        try:
            assert watcher.stdout is not None
            lines = iter(watcher.stdout.readline, "")
            assert next(lines).endswith("UTC  nothing is found\n")
            db.execute("CREATE PUBLICATION feed FOR TABLE bank.trans")
            assert next(lines).endswith("UTC  found\n")
            assert next(lines).startswith("error    RG206 publication feed: ")
            db.execute("DROP PUBLICATION feed")
            assert next(line for line in lines if not line.startswith(" ")).endswith(
                "UTC  ended: RG206 publication feed\n"
            )
        finally:
            # Where it said something else, it would go on, and the test with it.
            watcher.send_signal(signal.SIGINT)
    assert watcher.returncode == 130

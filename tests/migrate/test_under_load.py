"""A migration under load: as `make bench-migrate` has it, small, and what has to be waited for with nobody behind."""

from __future__ import annotations

import re
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from guarding import BANK_MAP, opt_out, small_bank, visible
from migrate.migrating import migration, up
from servers import Clone, Postgres

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


PARTITIONED = """
CREATE TABLE bank.card (card_id int, client_id int NOT NULL REFERENCES bank.client) PARTITION BY RANGE (card_id);
CREATE TABLE bank.card_1 PARTITION OF bank.card FOR VALUES FROM (1) TO (1000);
GRANT SELECT ON ALL TABLES IN SCHEMA bank TO teller_app;
"""
CARD = "  bank.card: {holds: [financial], subject: {client: client_id}}\n"


@pytest.mark.by_turns
@pytest.mark.parametrize(
    ("change", "after", "report", "read"),
    [
        # What policies ask is made anew by another version of rlsguard; a report has asked it.
        (
            "UPDATE rlsguard.manifest SET statements_hash = '' WHERE unit ~ '^(guard|state|view) '",
            "",
            "trans",
            "client",
        ),
        # Audit triggers of a partitioned table are made on its partitions too; a report reads one of these.
        ("SELECT", CARD.replace("{holds", "{audit: true, holds"), "card_1", "card"),
    ],
    ids=["a newer guard", "triggers on partitions"],
)
def test_a_report_is_waited_for_with_nobody_behind(
    template_db: Clone, change: str, after: str, report: str, read: str
) -> None:
    db = small_bank(template_db, BANK_MAP + CARD, more=PARTITIONED)
    opt_out(db, 1, "marketing")
    seen = visible(db, "campaign_app")
    db.execute(change)
    written = migration(db, BANK_MAP + (after or CARD), lock_timeout=2.0)
    waits = []
    with db.connect("teller_app", autocommit=False) as reporting, db.connect("teller_app") as reader:
        reporting.execute(f"SELECT FROM bank.{report}")
        migrating = threading.Thread(target=up, args=(db, written))
        migrating.start()
        end = time.monotonic() + 1
        while migrating.is_alive():
            began = time.monotonic()
            reader.execute(f"SELECT FROM bank.{read}")
            if end != float("inf"):
                waits.append(time.monotonic() - began)
            if began > end:
                assert migrating.is_alive()
                reporting.rollback()
                end = float("inf")
            time.sleep(0.005)
        migrating.join()
    assert end == float("inf")
    assert max(waits) < 0.5
    assert migration(db, BANK_MAP + (after or CARD)).steps == ()
    assert visible(db, "campaign_app") == seen

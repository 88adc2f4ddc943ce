"""The example project of the documentation, run as its reader runs it; and what a reader sees when it fails."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from pytest_plugin.suites import DOCS, example, report, run
from servers import Database

pytestmark = pytest.mark.by_turns

FAILING = """
def test_hidden(rlsguard):
    with rlsguard.opted_out("customer", 1, "newsletter"):
        rlsguard.assert_visible("shop.item", 10, 1, role="newsletter_app")


def test_not_hidden(rlsguard):
    with rlsguard.opted_out("customer", 1, "newsletter"):
        rlsguard.assert_suppressed("shop.item", 10, 1, role="statistics_app")


def test_taken_back(rlsguard):
    rlsguard.assert_visible("shop.item", 10, 1, role="newsletter_app")
    with rlsguard.as_role("newsletter_app") as app:
        assert app.execute("SELECT count(*) FROM shop.item").fetchone() == (2,)


def test_unknown_table(rlsguard):
    rlsguard.assert_visible("shop.itm", 10, 1, role="newsletter_app")


def test_unknown_role(rlsguard):
    with rlsguard.as_role("newsleter_app"):
        pass


def test_unknown_purpose(rlsguard):
    with rlsguard.opted_out("customer", 1, "newsleter"):
        pass
"""


def test_with_a_dsn(db: Database, tmp_path: Path) -> None:
    done = run(example(tmp_path / "shop"), f"--rlsguard-dsn={db.dsn()}")
    assert re.search(r"^8 passed in", done.stdout, re.MULTILINE), done.stdout
    # It leaves no database behind.
    assert db.execute("SELECT FROM pg_database WHERE datname LIKE 'shop%'") == []


def test_with_pytest_postgresql(db: Database, tmp_path: Path) -> None:
    folder = example(tmp_path / "shop")
    shutil.copy(DOCS / "pytest-postgresql" / "conftest.py", folder)
    server = db.server
    done = run(folder, f"--postgresql-host={server.sockets}", f"--postgresql-port={server.port}", without=())
    assert re.search(r"^8 passed in", done.stdout, re.MULTILINE), done.stdout


def test_what_a_failure_shows(db: Database, tmp_path: Path) -> None:
    folder = example(tmp_path / "shop")
    (folder / "test_failing.py").write_text(FAILING)
    done = run(folder, f"--rlsguard-dsn={db.dsn()}", "test_failing.py")
    assert re.search(r"^5 failed, 1 passed in", done.stdout, re.MULTILINE), done.stdout

    told = (
        r"customer 1 opted out of newsletter at \S+ \S+ UTC \(ledger entry {}, version {},"
        r" asked by pytest:test_failing.py::{}, recorded by postgres\)"
    )
    path = "E             path     purchase_id = shop.purchase.purchase_id -> customer_id: customer 1"
    hidden = report(done.stdout, "test_hidden")
    assert hidden[0].startswith("rlsguard = <guarded database ")
    assert hidden[1:-2] == [
        "    def test_hidden(rlsguard):",
        '        with rlsguard.opted_out("customer", 1, "newsletter"):',
        '>           rlsguard.assert_visible("shop.item", 10, 1, role="newsletter_app")',
        "E           AssertionError: shop.item purchase_id=10 line=1 is hidden from newsletter_app;"
        " the test wants it visible",
        'E             policy   "!rlsguard" on shop.item',
        path,
        "E             held to  newsletter (newsletter_app's own)",
    ]
    assert re.fullmatch("E             because  " + told.format(1, 1, "test_hidden"), hidden[-2])
    assert hidden[-1] == "test_failing.py:4: AssertionError"

    shown = report(done.stdout, "test_not_hidden")
    assert shown[3] == '>           rlsguard.assert_suppressed("shop.item", 10, 1, role="statistics_app")'
    assert shown[4].endswith(" line=1 is visible to statistics_app; the test wants it suppressed")
    assert path in shown
    assert re.fullmatch("E             ledger   " + told.format(3, 3, "test_not_hidden"), shown[-2])

    for test, error in {
        "test_unknown_table": r"table shop.itm is not in database shop_test_\d+; did you mean shop.item\?",
        "test_unknown_role": r"there is no role newsleter_app; did you mean newsletter_app\?",
        "test_unknown_purpose": r"there is no purpose 'newsleter' \(Known: newsletter, statistics\)",
    }.items():
        _, _, line, message, place = report(done.stdout, test)
        assert line.startswith(">       "), line
        assert re.fullmatch("E       rlsguard.problems.RlsguardError: " + error, message)
        assert place.startswith("test_failing.py:")

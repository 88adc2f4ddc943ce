"""What the fixture gives: opt-outs for a block, roles to act as, and assertions that cannot pass by accident."""

from __future__ import annotations

import threading
import time
import warnings
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.rows import dict_row
from psycopg.types.string import TextLoader

from guarding import ALL, BANK_MAP, WITHOUT_1, opt_out, small_bank, visible
from rlsguard.problems import RlsguardError
from rlsguard.pytest_plugin.guarded import Guarded, dsn_of, guard
from servers import Clone, Database

pytestmark = pytest.mark.by_turns

MORE = """
CREATE TABLE bank.note (place text, "Line No" int, client_id int NOT NULL, PRIMARY KEY (place, "Line No"));
GRANT SELECT ON bank.note TO campaign_app, bi_reader;
INSERT INTO bank.note VALUES ('place=a b', 7, 1), ('b', 7, 2);
"""
MORE_MAP = BANK_MAP + "  bank.note: {holds: [personal], subject: {client: client_id}}\n"


@pytest.fixture
def bank(template_db: Clone) -> Database:
    return small_bank(template_db, more=MORE)


@pytest.fixture
def guarded(bank: Database, tmp_path: Path) -> Iterator[Guarded]:
    file = tmp_path / "map.yaml"
    file.write_text(MORE_MAP)
    made = guard(bank.dsn(), file, "test_x.py::test_y")
    yield made
    made.connection.close()


@pytest.fixture
def conn(bank: Database, guarded: Guarded) -> Iterator[psycopg.Connection[Any]]:
    """A connection of the test's own, in a transaction that is rolled back."""
    conn = psycopg.connect(bank.dsn())
    yield conn
    conn.close()


def failure(guarded: Guarded, assertion: str, *args: Any, **kwargs: Any) -> list[str]:
    with pytest.raises(AssertionError) as caught:
        getattr(guarded, assertion)(*args, **kwargs)
    return str(caught.value).splitlines()


def test_an_opt_out_ends_with_its_block_however_it_ends(bank: Database, guarded: Guarded) -> None:
    assert visible(bank, "campaign_app") == ALL
    with guarded.opted_out("client", 1, "marketing", "analytics") as entries:
        assert visible(bank, "campaign_app") == visible(bank, "bi_reader") == WITHOUT_1
    assert visible(bank, "campaign_app") == visible(bank, "bi_reader") == ALL
    assert [(e.purpose, e.actor) for e in entries] == [
        ("analytics", "pytest:test_x.py::test_y"),
        ("marketing", "pytest:test_x.py::test_y"),
    ]
    with pytest.raises(AssertionError), guarded.opted_out("client", 1, "marketing"):
        assert visible(bank, "campaign_app") == ALL
    assert visible(bank, "campaign_app") == ALL


def test_whoever_was_opted_out_before_still_is(bank: Database, guarded: Guarded) -> None:
    opt_out(bank, 1, "marketing")
    with guarded.opted_out("client", "1", "marketing", "analytics"), guarded.opted_out("client", 1, "analytics"):
        pass
    assert visible(bank, "campaign_app") == WITHOUT_1
    assert visible(bank, "bi_reader") == ALL


def test_a_row_is_named_by_key_or_columns(guarded: Guarded) -> None:
    with guarded.opted_out("client", 1, "marketing"):
        guarded.assert_suppressed("bank.note", "place=a b", 7, role="campaign_app")
        guarded.assert_suppressed("bank.note", place="place=a b", role="campaign_app")
        guarded.assert_suppressed("bank.note", {"place": "place=a b", "Line No": 7}, role="campaign_app")
        guarded.assert_suppressed("bank.note", {"Line No": 7}, client_id=1, role="campaign_app")
        guarded.assert_visible("bank.note", "b", 7, role="campaign_app")


def test_a_failure_tells_the_whole_story(guarded: Guarded) -> None:
    with guarded.opted_out("client", 1, "marketing") as (entry,):
        first, *rest = failure(guarded, "assert_visible", "bank.trans", 1000, role="campaign_app")
        other = failure(guarded, "assert_suppressed", "bank.trans", 1000, role="bi_reader")
    asked = "asked by pytest:test_x.py::test_y, recorded by postgres"
    when = entry.recorded_at.strftime("%Y-%m-%d %H:%M:%S UTC")
    told = f"client 1 opted out of marketing at {when} (ledger entry {entry.id}, version 1, {asked})"
    path = "  path     account_id = bank.disp.account_id -> client_id: client 1, client 2 (joint: any)"
    assert first == "bank.trans 1000 is hidden from campaign_app; the test wants it visible"
    assert rest == [
        '  policy   "!rlsguard" on bank.trans',
        path,
        "  held to  marketing (campaign_app's own)",
        f"  because  {told}",
    ]
    # Which entry there is, though it does not count for this role.
    assert other == [
        "bank.trans 1000 is visible to bi_reader; the test wants it suppressed",
        '  policy   "!rlsguard" on bank.trans',
        path,
        "  held to  analytics (bi_reader's own)",
        "  because  none of client 1, client 2 has opted out of analytics",
        "           client 1 opted out of marketing, which bi_reader is not held to",
        f"  ledger   {told}",
    ]


def test_what_is_hidden_for_another_reason_is_not_suppressed(bank: Database, guarded: Guarded) -> None:
    with guarded.opted_out("client", 1, "marketing"):
        guarded.assert_suppressed("bank.client", 1, role="campaign_app")
        bank.execute("REVOKE ALL ON bank.client FROM campaign_app")
        lines = failure(guarded, "assert_suppressed", "bank.client", 1, role="campaign_app")
        assert lines[0].startswith("bank.client 1 is hidden from campaign_app, which may not read it anyway; ")
        assert lines[-1] == "  measured no: campaign_app may not read bank.client, nor any column of it"
    bank.execute("CREATE POLICY narrow ON bank.disp AS RESTRICTIVE USING (disp_id > 100)")
    lines = failure(guarded, "assert_suppressed", "bank.disp", 100, role="campaign_app")
    assert lines[0].startswith("bank.disp 100 should be visible to campaign_app, but is hidden; ")
    assert "policy narrow on bank.disp" in lines[-1]


def test_a_guard_that_does_not_hold_is_found(bank: Database, guarded: Guarded) -> None:
    bank.execute("ALTER TABLE bank.trans DISABLE ROW LEVEL SECURITY")
    with guarded.opted_out("client", 1, "marketing"):
        for assertion in ("assert_suppressed", "assert_visible"):
            lines = failure(guarded, assertion, "bank.trans", 1000, role="campaign_app")
            assert lines[0].startswith("bank.trans 1000 should be hidden from campaign_app, but is visible; ")
            assert lines[-1].startswith("  suspect  row security of bank.trans is off")


def test_what_a_ledger_says_does_not_reach_the_terminal_as_it_is(bank: Database, guarded: Guarded) -> None:
    bank.execute("SELECT rlsguard.opt_out('client', '1', '{marketing}', E'\\x1b[2Jgone', 'x')")
    lines = failure(guarded, "assert_visible", "bank.client", 1, role="campaign_app")
    assert any("asked by \\x1b[2Jgone" in line for line in lines)


def test_rows_of_a_transaction_that_is_open(guarded: Guarded, conn: psycopg.Connection[Any]) -> None:
    conn.execute("INSERT INTO bank.client VALUES (9, '900909')")
    with pytest.raises(RlsguardError, match=r"=9: .*; where the test has not committed it, pass its conn$"):
        guarded.assert_visible("bank.client", 9, role="campaign_app")
    guarded.assert_visible("bank.client", 9, role="campaign_app", conn=conn)
    with guarded.opted_out("client", 9, "marketing"):
        guarded.assert_suppressed("bank.client", 9, role="campaign_app", conn=conn)
        guarded.assert_visible("bank.client", 9, role="teller_app", conn=conn)
        with guarded.as_role("campaign_app", conn):
            guarded.assert_suppressed("bank.client", 9, role="campaign_app", conn=conn)
            assert conn.execute("SELECT current_user").fetchone() == ("campaign_app",)
    assert conn.execute("SELECT count(*) FROM bank.client").fetchone() == (4,)
    assert conn.execute("SHOW search_path").fetchone() == ('"$user", public',)


def test_a_connection_keeps_what_the_test_has_set_on_it(guarded: Guarded, conn: psycopg.Connection[Any]) -> None:
    heard: list[str] = []
    conn.add_notice_handler(lambda notice: heard.append(notice.message_primary))
    conn.row_factory = dict_row
    conn.cursor_factory = psycopg.ClientCursor
    conn.prepare_threshold = 0
    for name in ("int4", "oid", "jsonb", "timestamptz", "bool", "text"):
        conn.adapters.register_loader(name, TextLoader)
    before = conn.execute("SELECT client_id FROM bank.client ORDER BY 1").fetchall()
    assert before[0] == {"client_id": "1"}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with guarded.opted_out("client", 1, "marketing"), guarded.as_role("campaign_app", conn) as app:
            guarded.assert_suppressed("bank.client", 1, role="campaign_app", conn=app)
            assert conn.execute("SELECT client_id FROM bank.client ORDER BY 1").fetchall() == before[1:]
        guarded.assert_visible("bank.client", 1, role="campaign_app", conn=conn)
    assert conn.prepare_threshold == 0
    assert conn.execute("SELECT client_id FROM bank.client ORDER BY 1").fetchall() == before
    conn.execute("DO $$ BEGIN RAISE NOTICE 'still heard'; END $$")
    assert heard == ["still heard"]


@pytest.mark.parametrize("autocommit", [False, True])
def test_a_connection_that_is_idle_stays_so(guarded: Guarded, conn: psycopg.Connection[Any], autocommit: bool) -> None:
    conn.autocommit = autocommit
    guarded.assert_visible("bank.client", 1, role="campaign_app", conn=conn)
    assert conn.info.transaction_status == psycopg.pq.TransactionStatus.IDLE
    assert conn.execute("SELECT current_user").fetchone() == ("postgres",)


def test_acting_on_the_tests_connection(bank: Database, guarded: Guarded, conn: psycopg.Connection[Any]) -> None:
    with guarded.as_role("campaign_app", conn) as app:
        assert app is conn
        app.execute("INSERT INTO bank.client VALUES (9, '900909')")
        with guarded.as_role("teller_app", conn):
            assert conn.execute("SELECT current_user").fetchone() == ("teller_app",)
        assert conn.execute("SELECT current_user").fetchone() == ("campaign_app",)
    assert conn.execute("SELECT current_user").fetchone() == ("postgres",)
    # Nothing was committed on the way, and what the role wrote is still there.
    assert bank.execute("SELECT count(*) FROM bank.client") == [(3,)]
    assert conn.execute("SELECT count(*) FROM bank.client").fetchone() == (4,)
    with guarded.as_role("campaign_app", conn), pytest.raises(psycopg.errors.InsufficientPrivilege):
        conn.execute("TRUNCATE bank.client")
    with pytest.raises(psycopg.errors.UndefinedTable), guarded.as_role("campaign_app", conn):
        conn.execute("SELECT FROM nowhere")
    assert conn.execute("SELECT current_user, count(*) FROM bank.client").fetchone() == ("postgres", 4)


def test_acting_on_a_connection_of_its_own(bank: Database, guarded: Guarded) -> None:
    bank.execute("ALTER ROLE campaign_app SET search_path = bank")
    with guarded.as_role("campaign_app") as app:
        app.execute("INSERT INTO client VALUES (9, '900909')")
        app.rollback()
        # A rollback takes back a SET ROLE of its transaction: this one was before.
        assert app.execute("SELECT current_user").fetchone() == ("campaign_app",)
        app.execute("INSERT INTO client VALUES (8, '800808')")
    assert app.closed
    assert bank.execute("SELECT count(*) FROM bank.client") == [(3,)]
    with guarded.as_role("campaign_app") as app:
        app.execute("INSERT INTO client VALUES (8, '800808')")
        app.commit()
    assert bank.execute("SELECT count(*) FROM bank.client") == [(4,)]


def test_a_failure_shows_the_database_without_its_password(bank: Database, guarded: Guarded) -> None:
    dsn = f"{bank.dsn()} password=secret"
    with psycopg.connect(dsn) as conn:
        assert "password=secret" in dsn_of("conn", conn)
    guarded.connection.close()
    told = repr(replace(guarded, dsn=dsn))
    assert f"dbname={bank.name}" in told
    assert "secret" not in told


def test_two_suites_on_one_server_can_begin_at_once(bank: Database, tmp_path: Path) -> None:
    file = tmp_path / "map.yaml"
    file.write_text(MORE_MAP)
    with psycopg.connect(bank.server.dsn()) as other:
        other.execute("CREATE ROLE rlsguard_recorder NOLOGIN")
        made: list[Guarded] = []
        thread = threading.Thread(target=lambda: made.append(guard(bank.dsn(), file, "a test")))
        thread.start()
        waiting = "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE datname = %s AND wait_event = 'transactionid')"
        while not bank.execute(waiting, [bank.name])[0][0]:
            assert thread.is_alive()
            time.sleep(0.01)
    thread.join()
    with made[0].opted_out("client", 1, "marketing"):
        assert visible(bank, "campaign_app") == WITHOUT_1
    made[0].connection.close()


@pytest.mark.parametrize(
    ("table", "row", "role", "error"),
    [
        ("bank.cleint", (1,), "campaign_app", r"table bank.cleint is not in database .*; did you mean bank.client\?"),
        ("client", (1,), "campaign_app", r"'client' is not schema.table"),
        ("bank.client", (77,), "campaign_app", r"no row of bank.client has client_id=77: .*"),
        ("bank.client", ("x",), "campaign_app", r"client_id=x names no row of bank.client: .*"),
        ("bank.client", (1, 2), "campaign_app", r"1 2 names no row of bank.client; say client_id=\.\.\."),
        ("bank.client", (), "campaign_app", r"which row\? name it by the values of its key, or by column=value"),
        ("bank.client", (None,), "campaign_app", r"the key cannot name a row by NULL"),
        ("bank.client", ({"cleint_id": 1},), "campaign_app", r".* no column cleint_id; did you mean client_id\?"),
        ("bank.client", ([object()],), "campaign_app", r"the key cannot be \[<object .*"),
        ("bank.client", (1,), "campain_app", r"there is no role campain_app; did you mean campaign_app\?"),
    ],
)
def test_misuse_of_an_assertion(guarded: Guarded, table: str, row: tuple[Any, ...], role: str, error: str) -> None:
    for assertion in (guarded.assert_suppressed, guarded.assert_visible):
        with pytest.raises(RlsguardError) as caught:
            assertion(table, *row, role=role)
        assert_one_line(caught, error)


def test_misuse_of_a_block(guarded: Guarded, conn: psycopg.Connection[Any]) -> None:
    blocks = {
        "there is no subject kind 'clent' (Known: client)": guarded.opted_out("clent", 1, "marketing"),
        "there is no purpose 'sales' (Known: analytics, marketing)": guarded.opted_out("client", 1, "sales"),
        "name at least one purpose": guarded.opted_out("client", 1),
        "the key cannot name a row by NULL": guarded.opted_out("client", None, "marketing"),
        "there is no role campain_app; did you mean campaign_app?": guarded.as_role("campain_app"),
        "there is no role tellr_app; did you mean teller_app?": guarded.as_role("tellr_app", conn),
    }
    for error, block in blocks.items():
        with pytest.raises(RlsguardError) as caught, block:
            pytest.fail("the block was entered")
        assert str(caught.value) == error
    assert conn.execute("SELECT current_user").fetchone() == ("postgres",)


def test_misuse_of_a_connection(bank: Database, guarded: Guarded, conn: psycopg.Connection[Any]) -> None:
    def refused(conn: Any) -> str:
        messages = set()
        for call in (
            lambda: guarded.as_role("campaign_app", conn),
            lambda: guarded.assert_visible("bank.client", 1, role="campaign_app", conn=conn),
        ):
            with pytest.raises(RlsguardError) as caught:
                call()
            messages.add(str(caught.value))
        (message,) = messages
        return message

    assert refused("service=bank") == "conn is a builtins.str, not a connection of psycopg 3"
    with pytest.raises(psycopg.errors.SyntaxError):
        conn.execute("nonsense")
    assert refused(conn) == "the transaction of conn has failed; roll it back first"
    conn.close()
    assert refused(conn) == "conn is closed"
    with bank.connect("stranger") as low:
        with pytest.raises(RlsguardError, match=r"^stranger does not see past row security.*; ask as a superuser$"):
            guarded.assert_visible("bank.client", 1, role="campaign_app", conn=low)
        with pytest.raises(RlsguardError, match=r'^permission denied to set role "campaign_app"'):
            guarded.as_role("campaign_app", low).__enter__()


def test_a_lock_of_the_tests_own(guarded: Guarded, conn: psycopg.Connection[Any]) -> None:
    guarded.connection.execute("SET lock_timeout = 50")
    conn.execute("SELECT rlsguard.opt_out('client', '1', '{marketing}', 'web form', 'x')")
    with pytest.raises(RlsguardError, match="; does the test hold the lock, in a transaction of its own that is open"):
        guarded.opted_out("client", 1, "marketing").__enter__()


def assert_one_line(caught: pytest.ExceptionInfo[RlsguardError], error: str) -> None:
    """The message is one line, and brings no other error along into the report."""
    assert caught.match(f"^{error}$")
    assert "\n" not in str(caught.value)
    assert caught.value.__cause__ is caught.value.__context__ is None

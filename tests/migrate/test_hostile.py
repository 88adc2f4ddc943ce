"""Migrations where they were not made for, out of turn, and while others are at it."""

from __future__ import annotations

import threading
import time

import psycopg
import pytest
from psycopg import sql

from guarding import BANK_MAP, HEAD, apply, column, opt_out, small_bank
from migrate.migrating import down, migration, psql_fails, up
from rlsguard.migrate.around import resting_on, standing, taking_off
from rlsguard.migrate.steps import framed, within
from rlsguard.migrate.write import plain
from rlsguard.names import QualifiedName

pytestmark = pytest.mark.by_turns

_OWN = """
CREATE ROLE tenant LOGIN;
GRANT USAGE ON SCHEMA bank TO tenant;
ALTER TABLE bank.client OWNER TO tenant;
ALTER TABLE bank.client ENABLE ROW LEVEL SECURITY;
CREATE POLICY theirs ON bank.client USING (client_id = 2);
"""


@pytest.mark.parametrize(
    ("elsewhere", "refusal"),
    [
        ("ALTER TABLE bank.client FORCE ROW LEVEL SECURITY", "bank.client has other row security or policies"),
        (
            "ALTER TABLE bank.client OWNER TO CURRENT_USER; GRANT SELECT ON bank.client TO tenant",
            "bank.client belongs to another than tenant",
        ),
    ],
    ids=["forced", "another owner"],
)
def test_nobody_is_let_past_policies_that_they_were_held_to(template_db, elsewhere, refusal):
    """Made where tenant is the owner and sees every row, run where the table's own policy is for tenant too."""
    db = small_bank(template_db, more=_OWN)
    written = migration(db, BANK_MAP)
    assert column(db, "SELECT client_id FROM bank.client", user="tenant") == [1, 2, 3]
    db.execute(elsewhere)
    assert column(db, "SELECT client_id FROM bank.client", user="tenant") == [2]
    assert refusal in psql_fails(db, plain.up(written))
    assert column(db, "SELECT client_id FROM bank.client", user="tenant") == [2]
    up(db, migration(db, BANK_MAP))
    assert column(db, "SELECT client_id FROM bank.client", user="tenant") == [2]


@pytest.mark.parametrize("isolation", ["read committed", "repeatable read"])
def test_an_opt_out_that_is_committed_while_the_guard_goes_is_kept(template_db, isolation):
    db = small_bank(template_db)
    isolated = sql.SQL("ALTER DATABASE {} SET default_transaction_isolation = {}")
    db.execute(isolated.format(sql.Identifier(db.name), isolation))
    written = migration(db, BANK_MAP, lock_timeout=30)
    up(db, written)
    said: list[str] = []
    with db.connect(autocommit=False) as desk:
        desk.execute("SELECT rlsguard.opt_out('client', '1', '{marketing}', 'agent:jane', 'phone call', '{}')")
        going = threading.Thread(target=lambda: said.append(psql_fails(db, plain.down(written))))
        going.start()
        waiting = (
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
        )
        deadline = time.monotonic() + 30
        while db.execute(waiting) != [(1,)] and time.monotonic() < deadline:
            time.sleep(0.02)
    going.join()
    assert said == [""]
    assert column(db, "SELECT subject_key FROM rlsguard.opt_out_event") == ["1"]


def test_what_takes_policies_off_refuses_where_each_statement_commits(template_db):
    """Between two drops the suppressed row would be there for all to see."""
    db = small_bank(template_db, BANK_MAP)
    opt_out(db, 1, "marketing")
    with db.connect() as conn:
        units, events = standing(conn)
        off = list(taking_off(resting_on(units, frozenset({(QualifiedName("bank", "client"), None)}))))
        with pytest.raises(psycopg.errors.NoActiveSqlTransaction):
            _run(conn, within(framed(off, 5.0, events)))
    assert column(db, "SELECT client_id FROM bank.client", user="campaign_app") == [2, 3]


def _run(conn, statements):
    for statement in statements:
        conn.execute(statement)


def test_what_was_guarded_since_stays_readable(template_db):
    """It is refused to take back what its policies need, which an earlier migration had granted."""
    db = small_bank(
        template_db,
        more="CREATE TABLE bank.card (card_id int PRIMARY KEY, disp_id int NOT NULL"
        " REFERENCES bank.disp); CREATE INDEX ON bank.card (disp_id);"
        " INSERT INTO bank.card VALUES (1, 100), (2, 102); GRANT SELECT ON bank.card TO campaign_app;",
    )
    first = HEAD + "tables:\n  bank.client: {holds: [personal], subject: {client: client_id}}\n"
    by_account = "{client: [account_id = bank.disp.account_id, client_id]}"
    second = first + f"  bank.account: {{holds: [financial], subject: {by_account}}}\n"
    by_disp = "{client: [disp_id = bank.disp.disp_id, client_id]}"
    apply(db, first)
    written = migration(db, second)
    up(db, written)
    apply(db, f"{second}  bank.card: {{holds: [financial], subject: {by_disp}}}\n")
    opt_out(db, 1, "marketing")
    assert "policies made since need what this would take back" in psql_fails(db, plain.down(written))
    assert column(db, "SELECT card_id FROM bank.card", user="campaign_app") == [2]
    apply(db, second, prune=[QualifiedName("bank", "card")])
    down(db, written)

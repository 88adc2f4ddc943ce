"""Small verbs for attacks: guard the bank, act as a role, look at what came out.

Client 1 opts out of marketing. What must stay hidden from `campaign_app` (marketing) and from `stranger` (a role that
the map does not name) is then: client 1, disp 100, account 10, transactions 1000 and 1001.
"""

from __future__ import annotations

from typing import Any

import psycopg
import pytest

from guarding import BANK_MAP, apply, opt_out
from servers import Database

SECRET = "700101"
"""The birth number of client 1."""

# A function that notes every value it is shown: cheap, so that the planner runs it as early as it may.
SPY = """
CREATE FUNCTION bank.spy(seen text) RETURNS boolean LANGUAGE plpgsql COST 0.0000001 AS $$
BEGIN
    PERFORM set_config('spy.seen', concat(current_setting('spy.seen', true), ' ', seen), false);
    RETURN true;
END
$$;
"""


def guard(db: Database, text: str = BANK_MAP) -> None:
    """Apply the map written in *text*; client 1 opts out of marketing."""
    apply(db, text)
    opt_out(db, 1, "marketing")


def run(db: Database, user: str, *statements: str) -> list[Any]:
    """Run *statements* in one session of *user*; return the first column of what the last one gives, in order."""
    with db.connect(user) as conn:
        for statement in statements:
            cursor = conn.execute(statement)
        return sorted(row[0] for row in cursor.fetchall()) if cursor.description else []


def undone(db: Database, user: str, *statements: str) -> list[Any]:
    """The same in a transaction that is rolled back."""
    with db.connect(user, autocommit=False) as conn:
        for statement in statements:
            cursor = conn.execute(statement)
        rows = sorted(row[0] for row in cursor.fetchall()) if cursor.description else []
        conn.rollback()
    return rows


def changed(db: Database, user: str, statement: str) -> int:
    """Return how many rows *statement* would change, run as *user* and rolled back."""
    with db.connect(user, autocommit=False) as conn:
        count = conn.execute(statement).rowcount
        conn.rollback()
    return count


def refused(
    db: Database,
    user: str,
    *statements: str,
    error: type[psycopg.Error] = psycopg.errors.InsufficientPrivilege,
    match: str | None = None,
) -> None:
    """Assert that the last of *statements*, run in one session of *user*, is refused."""
    with db.connect(user) as conn:
        for statement in statements[:-1]:
            conn.execute(statement)
        with pytest.raises(error, match=match):
            conn.execute(statements[-1])

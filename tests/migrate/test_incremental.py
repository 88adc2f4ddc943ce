"""One table more in the map of many: nothing is done to the others, and nobody who uses them is waited for."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from guarding import BANK_MAP, HEAD, TABLES, column, opt_out, small_bank
from migrate.migrating import down, files, migration, psql_fails, state, up, would_change
from rlsguard.migrate import Migration
from servers import Database

pytestmark = pytest.mark.by_turns

MANY = 60
MORE = "".join(
    f"""
CREATE TABLE bank.t{n} (id int PRIMARY KEY, client_id int NOT NULL, account_id int NOT NULL REFERENCES bank.account);
INSERT INTO bank.t{n} VALUES (1, 1, 10), (2, 3, 20);
GRANT SELECT, UPDATE ON bank.t{n} TO campaign_app, teller_app;
"""
    for n in range(MANY + 1)
)
DIRECT = "subject: {client: client_id}"
BY_ACCOUNT = "subject: {client: [account_id = bank.disp.account_id, client_id]}"
BY_CLIENT = "subject: {client: [client_id = bank.client.client_id, client_id]}, when_unknown: hide"
ENTRIES = "".join(
    f"  bank.t{n}: {{holds: [personal], {BY_ACCOUNT if n % 3 == 0 else DIRECT}, audit: {str(n % 10 == 0).lower()}}}\n"
    for n in range(MANY)
)
GUARD, TABLE = "the guard itself; nothing of yours is touched", "opt-outs hide rows"


@contextmanager
def used(db: Database) -> Iterator[None]:
    """Let two transactions stay open that have read and written all the tables that are guarded."""
    with db.connect("teller_app", autocommit=False) as writer, db.connect("campaign_app", autocommit=False) as reader:
        for n in range(MANY):
            writer.execute(f"UPDATE bank.t{n} SET id = id WHERE id = 2")
            reader.execute(f"SELECT FROM bank.t{n}")
        yield


def named(written: Migration) -> set[str]:
    """Return the tables that the statements of *written* name, but for the one more."""
    text = "\n".join(statement for step in written.steps for statement in (*step.up, *step.down))
    return set(re.findall(r"bank\.\w+", re.sub(r"^--.*", "", text, flags=re.MULTILINE))) - {f"bank.t{MANY}"}


def test_one_more(template_db):
    db = small_bank(template_db, HEAD + "tables:\n" + ENTRIES, more=MORE)
    opt_out(db, 1, "marketing")
    before = state(db)
    for entry, head, titles, others in (
        (DIRECT, HEAD, [TABLE], set()),
        (BY_ACCOUNT + ", audit: true", HEAD, [f"{TABLE}, row changes are recorded"], set()),
        # What the guard may read, and a view, are for all.
        (BY_CLIENT, HEAD, [GUARD, TABLE], {"bank.client", "bank.disp"}),
        (DIRECT, HEAD.replace("  analytics: {}", "  analytics: {}\n  research: {}"), [GUARD, TABLE], {"bank.client"}),
    ):
        text = f"{head}tables:\n{ENTRIES}  bank.t{MANY}: {{holds: [personal], {entry}}}\n"
        written = migration(db, text)
        assert [step.title.removeprefix(f"bank.t{MANY}: ") for step in written.steps] == titles
        assert named(written) <= others
        with used(db):
            up(db, written)
            assert would_change(db, text) == []
            assert column(db, f"SELECT id FROM bank.t{MANY}", user="campaign_app") == [2]
            down(db, written)
        assert state(db) == before


def test_who_uses_the_one_more_is_waited_for(template_db):
    """The control of the test above: such a transaction does hold up what locks its table."""
    db = small_bank(template_db, HEAD + TABLES.partition("  bank.trans:")[0])
    written = migration(db, BANK_MAP)
    assert [step.about for step in written.steps] == ["bank.trans"]
    with db.connect("teller_app", autocommit=False) as reader:
        reader.execute("SELECT FROM bank.trans")
        error = psql_fails(db, "SET rlsguard.patience = '300 milliseconds';\n" + files(written)[0])
        assert f"bank.trans: in use by {reader.info.backend_pid}" in error
    up(db, written)

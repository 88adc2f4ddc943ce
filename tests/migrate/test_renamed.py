"""Tables and columns that were renamed before a migration was written: on the way there and back they stay guarded."""

from __future__ import annotations

import pytest

from guarding import BANK_MAP, column, opt_out, small_bank
from migrate.migrating import down, migration, state, up, would_change
from servers import Database

pytestmark = pytest.mark.by_turns

AUDITED = BANK_MAP.replace("bank.trans:\n    {", "bank.trans:\n    {audit: true, ")
KEYS = {"client": "client_id", "disp": "disp_id", "account": "account_id", "trans": "trans_id"}
HIDDEN = {"client": [2, 3], "disp": [101, 102], "account": [20], "trans": [1002]}


def schema(db: Database) -> list[str]:
    """Return the schema, but for the words in which a view's comment has the names of tables."""
    return [line for line in state(db)["dump"] if not line.startswith("COMMENT ON VIEW rlsguard_views.")]


@pytest.mark.parametrize("mode", ["attribute", "marker"])
@pytest.mark.parametrize(
    ("rename", "back", "before", "after"),
    [
        ("TABLE bank.trans RENAME TO movement", "TABLE bank.movement RENAME TO trans", "bank.trans", "bank.movement"),
        ("TABLE bank.disp RENAME TO holder", "TABLE bank.holder RENAME TO disp", "bank.disp", "bank.holder"),
        (
            "TABLE bank.trans RENAME account_id TO booked_on",
            "TABLE bank.trans RENAME booked_on TO account_id",
            "holds: [financial], subject: {client: [account_id = bank.disp.account_id, client_id]}}\n-",
            "holds: [financial], subject: {client: [booked_on = bank.disp.account_id, client_id]}}\n-",
        ),
    ],
    ids=["table", "hop table", "column"],
)
def test_renamed(template_db, mode, rename, back, before, after):
    text = f"{AUDITED}-guard: {{bypass: {mode}}}\n"
    renamed = text.replace(before, after).replace("-guard", "guard")
    text = text.replace("-guard", "guard")
    db = small_bank(template_db, text)
    opt_out(db, 1, "marketing")
    db.execute(f"ALTER {rename}")
    found = {after.removeprefix("bank."): before.removeprefix("bank.")} if before.startswith("bank.") else {}
    tables = {table if table not in found.values() else next(iter(found)): table for table in KEYS}

    def seen() -> dict[str, list[int]]:
        return {
            table: column(db, f"SELECT {KEYS[table]} FROM bank.{name}", user="campaign_app")
            for name, table in tables.items()
        }

    there = schema(db)
    written = migration(db, renamed)
    assert written
    up(db, written)
    assert seen() == HIDDEN
    assert would_change(db, renamed) == []
    down(db, written)
    assert seen() == HIDDEN
    assert schema(db) == there
    up(db, written)
    assert would_change(db, renamed) == []
    down(db, written)
    db.execute(f"ALTER {back}")
    tables = {table: table for table in KEYS}
    up(db, migration(db, text))
    assert seen() == HIDDEN
    assert would_change(db, text) == []


def test_another_table_of_the_same_name(template_db):
    """What was there before is the other table's, which is left alone; the new one had nothing."""
    db = small_bank(template_db, AUDITED)
    opt_out(db, 1, "marketing")
    db.execute(
        "ALTER TABLE bank.trans RENAME TO trans_old; CREATE TABLE bank.trans (LIKE bank.trans_old INCLUDING ALL)"
    )
    db.execute("INSERT INTO bank.trans TABLE bank.trans_old; GRANT SELECT ON bank.trans TO campaign_app")
    there = schema(db)
    written = migration(db, AUDITED)
    up(db, written)
    assert column(db, "SELECT trans_id FROM bank.trans", user="campaign_app") == [1002]
    assert column(db, "SELECT trans_id FROM bank.trans_old", user="campaign_app") == [1002]
    assert would_change(db, AUDITED) == []
    down(db, written)
    assert schema(db) == there
    assert column(db, "SELECT trans_id FROM bank.trans_old", user="campaign_app") == [1002]

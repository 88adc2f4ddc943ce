"""Migrations that are run, or undone, after others came."""

from __future__ import annotations

import pytest

from guarding import BANK_MAP, apply, column, opt_out, small_bank
from migrate.migrating import migration, psql, psql_fails
from rlsguard.migrate.write import plain
from servers import Clone

pytestmark = pytest.mark.by_turns

M2 = BANK_MAP.replace("  teller_app: [servicing]\n", "  teller_app: [servicing]\n  stranger: [servicing]\n")
M3 = M2.replace("teller_app: [servicing]", "teller_app: [marketing]")


def test_an_earlier_one_does_not_bring_back_what_was(template_db: Clone) -> None:
    db = small_bank(template_db, BANK_MAP)
    written = migration(db, M2)
    psql(db, plain.up(written))
    psql(db, plain.up(written))  # once more is no harm
    apply(db, M3)
    opt_out(db, 1, "marketing")
    for script in (plain.up(written), plain.down(written)):
        assert 'made for another state of the guard: "map"' in psql_fails(db, script)
        assert column(db, "SELECT client_id FROM bank.client", user="teller_app") == [2, 3]
    apply(db, M2)
    psql(db, plain.down(written))
    psql(db, plain.down(written))
    assert column(db, "SELECT count(*) FROM rlsguard.role_purpose WHERE role = 'stranger'::regrole") == [0]

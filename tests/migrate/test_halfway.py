"""A migration that fails halfway: what was committed stays, what failed left nothing.

Run again it ends as it would have ended undisturbed; undone, as if it had never been begun.
"""

from __future__ import annotations

import pglast
import pytest

from guarding import BANK_MAP, small_bank
from migrate.chain import bank_of, chain, leaps
from migrate.migrating import files, migration, psql, psql_fails, state, up
from rlsguard.server import SUPERUSER

pytestmark = pytest.mark.by_turns


def broken(script: str, share: float) -> tuple[str, str]:
    """Return *script* with a statement that fails after that *share* of it, and what of it is committed by then."""
    *commands, rest = script.split("\n", 2)
    statements = pglast.split(rest)
    place = int(share * len(statements))
    ended = max(n + 1 for n, statement in enumerate(statements[:place]) if statement == "COMMIT")
    disturbed, committed = (*statements[:place], "SELECT 1/0", *statements[place:]), statements[:ended]
    return "\n".join([*commands, ";\n".join(disturbed), ";"]), "\n".join([*commands, ";\n".join(committed), ";"])


@pytest.mark.parametrize("user", [SUPERUSER, "dba"])
def test_between_two_maps(template_db, user):
    db = bank_of(template_db, user)
    first, second, *_ = leaps(chain(events=user == SUPERUSER), 7)
    up(db, migration(db, first.map, user=user), user=user)
    there, back = files(migration(db, second.map, user=user, prune=second.prune))
    before = state(db)
    psql(db, there, user=user)
    after = state(db)
    psql(db, back, user=user)
    for script, other, begins, ends in ((there, back, before, after), (back, there, after, before)):
        for share in (0.3, 0.9):
            disturbed, committed = broken(script, share)
            assert "division by zero" in psql_fails(db, disturbed, user=user)
            halfway = state(db)
            assert halfway not in (begins, ends)
            psql(db, other, user=user)
            assert state(db) == begins
            psql(db, committed, user=user)
            assert state(db) == halfway
            psql(db, script, user=user)
            assert state(db) == ends
            if share == 0.3:
                psql(db, other, user=user)


def test_on_the_way_from_nothing(template_db):
    db = small_bank(template_db)
    before = state(db)
    there, back = files(migration(db, BANK_MAP))
    assert "division by zero" in psql_fails(db, broken(there, 0.95)[0])
    psql(db, back)
    assert state(db) == before
    psql(db, there)
    after = state(db)
    assert "division by zero" in psql_fails(db, broken(back, 0.5)[0])
    psql(db, there)
    assert state(db) == after

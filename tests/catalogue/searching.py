"""Small verbs for what cannot be blocked: what `rlsguard prove` finds before it tries any path, and its mends."""

from __future__ import annotations

from guarding import BANK_MAP, apply, load
from rlsguard.prove.around import Found, search
from rlsguard.prove.model import Assumption, WayAround
from rlsguard.prove.session import begin
from rlsguard.prove.survey import survey
from servers import Database


def around(db: Database, text: str = BANK_MAP) -> tuple[Found, ...]:
    """Return what the search for ways around finds."""
    with db.connect() as conn, begin(conn, statement_timeout=10.0) as session:
        return tuple(search(survey(session, load(text))))


def ways(db: Database, check: str, text: str = BANK_MAP) -> dict[str, WayAround]:
    """Return the ways around that one check finds, by what they are about."""
    return {one.about: one for one in around(db, text) if isinstance(one, WayAround) and one.check == check}


def assumed(db: Database, about: str, text: str = BANK_MAP) -> list[str]:
    """Return what has to be taken for granted about one role or object."""
    return [one.text for one in around(db, text) if isinstance(one, Assumption) and one.about == about]


def mended(db: Database, check: str, about: str, text: str = BANK_MAP) -> WayAround:
    """Assert that a way around is found; do what it says, to the letter, and assert that it is gone."""
    way = ways(db, check, text)[about]
    if way.mend == "rlsguard apply MAP":
        apply(db, text)
    else:
        db.execute(way.mend)
    assert about not in ways(db, check, text)
    return way

"""Trying something as a role, and saying what its outcome means."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import TypeVar

import psycopg

from rlsguard.connection import explain
from rlsguard.people import Person, RowId
from rlsguard.prove.acting import Acting
from rlsguard.prove.expect import OptOuts
from rlsguard.prove.session import Session
from rlsguard.prove.target import Target

T = TypeVar("T")


def attempted(session: Session, role: str, act: Callable[[Acting], T], *, silent: bool = False) -> T | str:
    """Do *act* as *role* and return its result, or why it could not be done."""
    try:
        with session.as_role(role, silent=silent) as acting:
            return act(acting)
    except psycopg.Error as error:
        if session.conn.broken:
            raise
        return explain(error)


def because(target: Target, rows: Collection[RowId], held: frozenset[str], opt_outs: OptOuts) -> str:
    """Say whose opt-outs should have hidden *rows*."""
    whose: dict[Person, frozenset[str]] = {}
    for row in rows:
        for people in target.people[row]:
            whose |= {p: held & frozenset(opt_outs.get(p, ())) for p in people if held & frozenset(opt_outs.get(p, ()))}
    if not whose:
        return "about nobody that is known"
    person, purposes = min(whose.items())
    more = f" and {len(whose) - 1} more" if len(whose) > 1 else ""
    return f"though {person.kind} {person.key}{more} opted out of {', '.join(sorted(purposes))}"

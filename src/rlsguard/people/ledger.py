"""Who has opted out of what, as the ledger tells it."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import psycopg
from psycopg import sql
from psycopg.rows import tuple_row

from rlsguard.names import Name
from rlsguard.people.reach import Person
from rlsguard.sqlfiles import read


@dataclass(frozen=True, slots=True)
class OptOut:
    """An opt-out in force, as its ledger entry tells it."""

    purpose: str
    entry: int
    version: int
    recorded_at: datetime
    actor: str
    recorded_by: str


def in_force(conn: psycopg.Connection[Any], people: Collection[Person]) -> Mapping[Person, Mapping[str, OptOut]]:
    """Return the opt-outs in force of *people*, by purpose; whoever has none is left out.

    The role of *conn* must be a superuser: it asks the guard for the spellings of keys.

    Raises:
        psycopg.Error: it may not read the ledger.
    """
    found: dict[Person, dict[str, OptOut]] = {}
    by_kind: dict[str, list[Person]] = {}
    for person in people:
        by_kind.setdefault(person.kind, []).append(person)
    with conn.cursor(row_factory=tuple_row) as cursor:
        for kind, some in by_kind.items():
            whose = _spelled(cursor, kind, some)
            for key, purpose, opted_out, *entry in cursor.execute(read("people/in_force.sql"), [kind, list(whose)]):
                if opted_out:
                    found.setdefault(whose[key], {})[purpose] = OptOut(purpose, *entry)
    return found


def _spelled(cursor: psycopg.Cursor[tuple[Any, ...]], kind: str, people: Collection[Person]) -> dict[str, Person]:
    """Return the spellings under which the ledger may know *people*."""
    whose = {person.key: person for person in people}
    # Tables can spell a key otherwise than it was recorded.
    query = sql.SQL("SELECT k.key, s.spelling FROM unnest({}::text[]) AS k (key), unnest({}(k.key)) AS s (spelling)")
    spellings = Name("rlsguard", f"spellings_{kind}")
    for key, spelling in cursor.execute(query.format(sql.Literal(list(whose)), spellings)).fetchall():
        whose.setdefault(spelling, whose[key])
    return whose

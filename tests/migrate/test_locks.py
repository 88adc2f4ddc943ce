"""The remark before a statement says what pg_locks shows while it runs, and where there is none nobody has to wait."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

import pytest

from migrate.chain import bank_of, chain, leaps
from migrate.migrating import migration
from rlsguard.migrate.locks import lock_of
from rlsguard.migrate.model import Migration
from rlsguard.migrate.statements import without_remarks
from rlsguard.server import SUPERUSER
from servers import Database

pytestmark = pytest.mark.by_turns

# The weakest first; up to the first three nobody waits for anybody but for locks that others ask for by name.
_MODES = (
    "ACCESS SHARE",
    "ROW SHARE",
    "ROW EXCLUSIVE",
    "SHARE UPDATE EXCLUSIVE",
    "SHARE",
    "SHARE ROW EXCLUSIVE",
    "EXCLUSIVE",
    "ACCESS EXCLUSIVE",
)
_THERE = """
SELECT c.oid::bigint, format('%I.%I', n.nspname, c.relname)
FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p', 'v')
"""
_HELD = """
SELECT l.relation::bigint, l.mode
FROM pg_locks AS l LEFT JOIN pg_database AS d ON d.oid = l.database
WHERE l.locktype = 'relation' AND l.pid = %s AND coalesce(d.datname, current_database()) = current_database()
"""


class Locked:
    """What the statements of a session lock of what was there before them, each in a transaction of its own."""

    def __init__(self, db: Database, user: str) -> None:
        self._db = db
        self._conn = db.connect(user)
        self._there = dict(db.execute(_THERE))

    def by(self, statement: str) -> dict[str, str]:
        """Run *statement* and return each relation that somebody could be waiting for, and the strongest mode."""
        held: dict[str, str] = {}
        with self._conn.transaction():
            # What is set is to last for the others.
            self._conn.execute(re.sub(r"\ASET LOCAL ", "SET ", without_remarks(statement)))
            for oid, mode in self._db.execute(_HELD, [self._conn.info.backend_pid]):
                words = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", mode.removesuffix("Lock")).upper()
                if oid in self._there and _MODES.index(words) > _MODES.index("ROW EXCLUSIVE"):
                    relation = self._there[oid]
                    held[relation] = max(held.get(relation, words), words, key=_MODES.index)
        return held

    def said(self, statement: str, held: dict[str, str]) -> dict[str, str]:
        """Return the same as the remark says it; what it puts into words is looked up in what is *held*."""
        lock = lock_of(statement)
        assert (lock is not None) is statement.startswith(f"-- {lock}\n")
        if lock is None or lock.mode == "ROW EXCLUSIVE":
            return {}
        if lock.relation == "SCHEMA rlsguard_views":
            return {relation: lock.mode for relation in held if re.match(r"rlsguard(_views)?\.", relation)}
        names = [name if "." in name else f"rlsguard.{name}" for name in lock.relation.split(", ")]
        if "partitions" in lock.hazard:
            names += [relation for relation in held if re.fullmatch(rf"{names[0]}_\d", relation)]
        return {name: lock.mode for name in names if name in self._there.values()}


def differences(db: Database, user: str, steps: Iterable[Sequence[str]]) -> Iterator[str]:
    """Run the statements of *steps* and yield those that lock something else than they say."""
    locked = Locked(db, user)
    for statement in (statement for step in steps for statement in step):
        held = locked.by(statement)
        said = locked.said(statement, held)
        bare = without_remarks(statement)
        conditional = " IF EXISTS " in bare or bare.startswith("DO ")
        if held != said and not (conditional and not held):
            yield f"{bare[:200]}\nsays {said}, holds {held}"


@pytest.mark.parametrize("user", [SUPERUSER, "dba"])
def test_each_statement_locks_what_its_remark_says(template_db, user):
    db = bank_of(template_db, user)
    found: list[str] = []
    way: list[Migration] = []
    for link in leaps(chain(events=user == SUPERUSER), 6):
        written = migration(db, link.map, user=user, prune=link.prune)
        way.append(written)
        found += differences(db, user, (step.up for step in written.steps))
        # What it makes is there by now.
        found += differences(db, user, (step.up for step in written.steps))
    for written in reversed(way):
        found += differences(db, user, (step.down for step in reversed(written.steps)))
    assert found == []

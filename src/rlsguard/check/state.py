"""The state that policies ask, held against the whole ledger."""

from __future__ import annotations

from collections.abc import Iterator

from psycopg import sql

from rlsguard.check import kinds
from rlsguard.check.ledger import AGAIN
from rlsguard.check.model import Finding
from rlsguard.check.scene import Scene
from rlsguard.plan.model import State
from rlsguard.prove.around.guard import fold
from rlsguard.render.policy import equals
from rlsguard.sqlfiles import read


def check(scene: Scene) -> Iterator[Finding]:
    """Fold the ledger of each kind of person and compare, both ways."""
    session = scene.surroundings.session
    for unit in scene.wanted.units:
        if not isinstance(unit, State) or f"relation {unit.name}" not in scene.found:
            continue
        # Keys of the server's own types are compared as what they are, others as they are spelled: a cast of theirs
        # would be code of the users'.
        native = "." not in unit.key.type.sql
        key = sql.SQL("e.subject_key::{}").format(sql.SQL(unit.key.type.sql)) if native else sql.SQL("e.subject_key")
        query = sql.SQL(read("check/state.sql")).format(
            state=unit.name.sql,
            kind=sql.Literal(unit.kind),
            key=key,
            stored=sql.SQL("s.subject_key") if native else sql.SQL("format('%s', s.subject_key)"),
            equal=equals(unit.key_equality) if native else sql.SQL("="),
        )
        ((missing, unasked, entry, ahead),) = session.rows(query)
        if missing:
            why = f"opt-outs in force by the ledger that it does not hold: {missing:,}, the last by entry {entry}."
            yield scene.finding(kinds.STATE, str(unit.name), why, fold(unit, session.conn))
        if unasked:
            why = f"opt-outs that it holds, and the ledger does not have, or has as taken back: {unasked:,}."
            yield scene.finding(kinds.STATE, str(unit.name), why, fold(unit, session.conn))
        if ahead and not missing and not unasked:
            why = f"people and purposes with more changes than the ledger has entries of: {ahead:,}; the last are gone."
            yield scene.finding(kinds.LEDGER, str(unit.name), why, AGAIN)

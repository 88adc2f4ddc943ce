"""The guard itself: objects that are no longer as they were applied, and a state that the ledger does not tell."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import psycopg
from psycopg import sql

from rlsguard.names import Name, QualifiedName, quote
from rlsguard.plan.model import Protection, State, Unit, state_objects
from rlsguard.prove.model import WayAround
from rlsguard.prove.scene import Scene
from rlsguard.render.policy import equals

_APPLY = "rlsguard apply MAP"


def changed(scene: Scene) -> Iterator[WayAround]:
    """Name every object of the guard that is missing, or defined otherwise than when it was applied."""
    for unit in scene.wanted.units:
        entry = scene.installed.manifest.get(unit.unit)
        if entry is None:
            yield WayAround(
                "guard", unit.unit, _tables(unit), (), "the map asks for it, and it was never applied.", _APPLY
            )
            continue
        for name in unit.objects:
            now = scene.installed.objects.get(name)
            if now is None and name.startswith("row security "):
                continue  # it is told only of tables that have the policy; that this one is gone is told by itself
            if now is None:
                yield WayAround("guard", name, _tables(unit), (), "the guard needs it, and it is gone.", _APPLY)
            # Event triggers, which guard new partitions, note no definitions: these are proven by reading them.
            elif entry.objects and now != entry.objects.get(name) and entry.made_here:
                why, mend = "it is not defined as it was when it was applied.", _APPLY
                if isinstance(unit, Protection) and name.startswith("row security"):
                    why = "row security is off, or not forced: then policies hold nobody, or all but its owner."
                    mend = f"ALTER TABLE {unit.name} ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;"
                yield WayAround("guard", name, _tables(unit), (), why, mend)


def _tables(unit: Unit) -> tuple[QualifiedName, ...]:
    return (unit.table,) if unit.table is not None else ()


def strangers(scene: Scene) -> Iterator[WayAround]:
    """Name triggers, rules, policies and indexes of others on the guard's own tables."""
    ours = {name for unit in scene.wanted.units for name in unit.objects}
    # Of kinds of person that the map no longer has.
    states = (unit.removeprefix("state ") for unit in scene.installed.manifest if unit.startswith("state "))
    ours |= {name for kind in states for name in state_objects(kind)}
    for kind, name, schema, table in scene.session.file("around/strangers"):
        if f"{kind} {schema}.{table} {name}" in ours:
            continue
        on = QualifiedName(schema, table)
        why = f"it sits on {on}: it can keep opt-outs from being recorded, or from being seen."
        where = str(QualifiedName(schema, name)) if kind == "index" else f"{quote(name)} ON {on}"
        yield WayAround("guard", f"{kind} {quote(name)}", (), (), why, f"DROP {kind.upper()} {where};")


def owners(scene: Scene) -> Iterator[WayAround]:
    """Name what is the guard's by its place and somebody else's by its owner."""
    for kind, name, spelled, owner, should in scene.session.file("around/owners"):
        why = f"it belongs to {quote(owner)}, who can make it say anything."
        mend = f"ALTER {spelled} OWNER TO {should};"
        yield WayAround("guard-owner", f"{kind} {name}", (), (owner,), why, mend)


def state(scene: Scene) -> Iterator[WayAround]:
    """Compare the state that policies ask with the ledger, for whoever opted out lately."""
    for unit in scene.wanted.units:
        if isinstance(unit, State) and f"relation {unit.name}" in scene.installed.objects:
            ((wrong, example),) = scene.session.rows(_WRONG.format(kind=sql.Literal(unit.kind), **_names(unit)))
            if wrong:
                why = (
                    f"opt-outs in force by the ledger that it does not hold: {wrong},"
                    f" such as that of {unit.kind} {example}: policies do not know of them."
                )
                yield WayAround("state", str(unit.name), (), (), why, fold(unit, scene.session.conn))


def fold(unit: State, conn: psycopg.Connection[Any]) -> str:
    """Return the SQL that makes the state of *unit* what the ledger says."""
    return _FOLD.format(kind=sql.Literal(unit.kind), **_names(unit)).as_string(conn)


def _names(unit: State) -> dict[str, sql.Composable]:
    typed = Name("rlsguard", f"key_{unit.kind}")
    return {"state": unit.name.sql, "typed": typed, "equal": equals(unit.key_equality)}


_WRONG = sql.SQL("""
SELECT count(*), min(e.subject_key)
FROM (
    SELECT DISTINCT ON (e.subject_key, e.purpose) e.*
    FROM (SELECT * FROM rlsguard.opt_out_event AS e WHERE e.subject_kind = {kind} ORDER BY e.id DESC LIMIT 10000) AS e
    WHERE e.subject_key IS NOT NULL
    ORDER BY e.subject_key, e.purpose, e.version DESC
) AS e
WHERE e.action = 'opt_out'
  AND NOT EXISTS (
      SELECT FROM {state} AS s
      WHERE s.subject_key {equal} {typed}(e.subject_key) AND s.purpose = e.purpose AND s.in_force)
""")

_FOLD = sql.SQL("""\
INSERT INTO {state} (subject_key, purpose, in_force, version)
SELECT DISTINCT ON (e.subject_key, e.purpose) {typed}(e.subject_key), e.purpose, e.action = 'opt_out', e.version
FROM rlsguard.opt_out_event AS e
WHERE e.subject_kind = {kind} AND e.subject_key IS NOT NULL
ORDER BY e.subject_key, e.purpose, e.version DESC
ON CONFLICT (subject_key, purpose) DO UPDATE SET (in_force, version) = (excluded.in_force, excluded.version);
UPDATE {state} AS s SET in_force = false
WHERE s.in_force AND NOT EXISTS (
    SELECT FROM rlsguard.opt_out_event AS e
    WHERE e.subject_kind = {kind} AND {typed}(e.subject_key) {equal} s.subject_key AND e.purpose = s.purpose);""")

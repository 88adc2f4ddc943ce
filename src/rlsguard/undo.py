"""Taking back what was made: from the manifest's notes, and leaving the user's own as it was."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from psycopg import sql

from rlsguard.names import Name, QualifiedName
from rlsguard.plan.event_triggers import ROUTINES
from rlsguard.plan.granted import Granted
from rlsguard.plan.model import guard, policy_view, state_table
from rlsguard.sqlfiles import read


def remove_protection(detail: Mapping[str, Any]) -> Iterator[sql.Composed]:
    """Yield the statements that un-guard a table and give it its row security of before."""
    table = Name(detail["schema"], detail["table"])
    for policy in detail["policies"]:
        yield sql.SQL("DROP POLICY IF EXISTS {} ON {}").format(Name(policy), table)
    if not detail["row_security_before"]:
        yield sql.SQL("ALTER TABLE {} DISABLE ROW LEVEL SECURITY").format(table)
    if not detail["force_before"]:
        yield sql.SQL("ALTER TABLE {} NO FORCE ROW LEVEL SECURITY").format(table)


def drop_stale(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[sql.Composed]:
    """Yield the drops of policies and triggers that a table had under *before* and no longer has under *after*."""
    for kind, names in (("POLICY", "policies"), ("TRIGGER", "triggers")):
        for name in before.get(names, ()):
            if name not in after.get(names, ()):
                drop = sql.SQL("DROP {} IF EXISTS {} ON {}")
                yield drop.format(sql.SQL(kind), Name(name), Name(after["schema"], after["table"]))


def remove_audit(detail: Mapping[str, Any]) -> Iterator[sql.Composed]:
    """Yield the statements that take the audit triggers off a table."""
    table = Name(detail["schema"], detail["table"])
    for trigger in detail["triggers"]:
        yield sql.SQL("DROP TRIGGER IF EXISTS {} ON {}").format(Name(trigger), table)


def stop_adding(role: str) -> sql.Composed:
    """Return the statement that takes from *role* what adding partitions to audited tables took."""
    revoke = "REVOKE EXECUTE ON FUNCTION rlsguard.hand_over_role(), rlsguard.audit_change() FROM {}"
    return sql.SQL(revoke).format(Name(role))


def start_adding(role: str) -> sql.Composed:
    """Return the statement that gives *role* what `stop_adding` takes."""
    grant = "GRANT EXECUTE ON FUNCTION rlsguard.hand_over_role(), rlsguard.audit_change() TO {}"
    return sql.SQL(grant).format(Name(role))


def revoke(granted: Granted) -> Iterator[sql.Composed]:
    """Yield the statements that take from the guard what it was *granted* to follow paths."""
    for table in granted.hops:
        yield sql.SQL('DROP POLICY IF EXISTS "rlsguard hop" ON {}').format(table.sql)
    for table, columns in _by_table(granted):
        yield sql.SQL("REVOKE SELECT ({}) ON {} FROM rlsguard_owner").format(columns, table.sql)
    if granted.columns:
        # Policies made since could ask the same columns, and then nobody could read their tables.
        yield sql.Composed([sql.SQL(read("each/expect_readable.sql").rstrip().removesuffix(";"))])
    for schema in granted.schemas:
        yield sql.SQL("REVOKE USAGE ON SCHEMA {} FROM rlsguard_owner").format(Name(schema))
    for schema in granted.type_schemas:
        yield sql.SQL("REVOKE USAGE ON SCHEMA {} FROM rlsguard_nobody").format(Name(schema))


def grant(granted: Granted) -> Iterator[sql.Composed]:
    """Yield the statements that give back what `revoke` takes."""
    for schema in granted.schemas:
        yield sql.SQL("GRANT USAGE ON SCHEMA {} TO rlsguard_owner").format(Name(schema))
    for schema in granted.type_schemas:
        yield sql.SQL("GRANT USAGE ON SCHEMA {} TO rlsguard_nobody").format(Name(schema))
    for table, columns in _by_table(granted):
        yield sql.SQL("GRANT SELECT ({}) ON {} TO rlsguard_owner").format(columns, table.sql)
    for table in granted.hops:
        policy = 'CREATE POLICY "rlsguard hop" ON {} AS PERMISSIVE FOR SELECT TO rlsguard_owner USING (true)'
        yield sql.SQL(policy).format(table.sql)


def _by_table(granted: Granted) -> Iterator[tuple[QualifiedName, sql.Composed]]:
    for table in dict.fromkeys(table for table, _ in granted.columns):
        columns = (Name(column) for its, column in granted.columns if its == table)
        yield table, sql.SQL(", ").join(columns)


def remove_event_triggers() -> Iterator[sql.Composed]:
    """Yield the statements that drop the guard's event triggers, and what they run."""
    for name in ("rlsguard_drop", "rlsguard_ddl"):
        yield sql.SQL("DROP EVENT TRIGGER IF EXISTS {}").format(Name(name))
    for routine in ROUTINES:
        yield sql.SQL("DROP ROUTINE IF EXISTS rlsguard_events.{}").format(sql.SQL(routine))
    yield sql.SQL("DROP SCHEMA IF EXISTS rlsguard_events").format()


def remove_view(detail: Mapping[str, Any]) -> sql.Composed:
    """Return the statement that drops one of the guard's views; it fails where something still uses it."""
    return sql.SQL("DROP VIEW IF EXISTS {}").format(policy_view(detail["view"]).sql)


def remove_state(kind: str) -> sql.Composed:
    """Return the statement that drops the state of a kind of person, which the ledger can tell anew."""
    functions = (f"change_{kind}", f"order_{kind}", f"spellings_{kind}", f"key_{kind}")
    drop = sql.SQL(
        "DROP FUNCTION IF EXISTS {}(text, text, boolean), {}(text[], text[]), {}(text), {}(text);"
        " DROP TABLE IF EXISTS {}"
    )
    return drop.format(*(guard(name).sql for name in functions), state_table(kind).sql)

"""The rows that the guard has of the map, subjects, purposes, roles and exemptions, and of its own."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
from psycopg import sql

from rlsguard.check import kinds
from rlsguard.check.manifest import APPLY
from rlsguard.check.model import Finding
from rlsguard.check.scene import Scene
from rlsguard.connection import explain
from rlsguard.names import quote
from rlsguard.plan.model import MapRows
from rlsguard.render.manifest import statements_hash

_TABLES = {f"relation rlsguard.{name}" for name in ("subject", "purpose", "role_purpose", "exemption")}
# By what the guard sees past the policies of hop tables.
_SIGHT = (
    "role rlsguard_owner",
    *(f"relation {name}" for name in ("rlsguard.guard_only", "rlsguard.hop_like", "rlsguard_views.sight")),
    "policy rlsguard.hop_like guard",
)
# What each of the guard's own rows is for, and how it comes back.
_OWN = {
    "guard_only": (
        "its one row is gone, by which policies know the guard.",
        "INSERT INTO rlsguard.guard_only VALUES (true) ON CONFLICT DO NOTHING;",
    ),
    "hop_like": (
        "its one row is gone: every query of a guarded table is refused.",
        "INSERT INTO rlsguard.hop_like VALUES (true) ON CONFLICT DO NOTHING;",
    ),
    "secret": (
        "it does not hold one salt of 32 bytes, by which equal values of hashed columns look equal.",
        "ALTER TABLE rlsguard.secret DISABLE TRIGGER append_only; DELETE FROM rlsguard.secret;"
        " INSERT INTO rlsguard.secret"
        " VALUES ('audit_salt', uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid()));"
        " ALTER TABLE rlsguard.secret ENABLE ALWAYS TRIGGER append_only;  -- or bring it back from a backup",
    ),
}


def check(scene: Scene) -> Iterator[Finding]:
    """Compare each row with what the map says, and look whether the guard's own are there."""
    yield from _own(scene)
    for unit in scene.wanted.units:
        if isinstance(unit, MapRows) and scene.found.keys() >= _TABLES:
            wanted = set(_wanted(scene, unit))
            found = {(kind, name, what) for kind, name, what in scene.rows("check/map_rows")}
            for kind, name in sorted({row[:2] for row in wanted ^ found}):
                expected = _said(wanted, kind, name)
                yield scene.finding(
                    kinds.MAP_ROWS,
                    f"{kind} {name}",
                    "the guard goes by other words than the map's.",
                    _as_applied(scene, unit, kind, name) if _said(found, kind, name) else APPLY,
                    unit,
                    expected=expected,
                    found=_said(found, kind, name),
                )


def _own(scene: Scene) -> Iterator[Finding]:
    view = "relation rlsguard.own_rows"
    if view not in scene.found or scene.found[view] != scene.expected.definitions.get(view, scene.found[view]):
        return  # that it is gone or changed is told by itself
    try:
        with scene.surroundings.session.savepoint():
            gone = [table for table, intact in scene.rows("check/own_rows") if not intact]
    except psycopg.errors.InsufficientPrivilege as error:
        # One of the tables belongs to somebody else, say, who has not let the view in.
        mend = "Mend what else is found of the guard's tables."
        yield scene.finding(kinds.NOT_LOOKED, "rlsguard.own_rows", f"could not look: {explain(error)}.", mend)
        return
    if "hop_like" in gone and ("guard_only" in gone or _blind(scene)):
        gone.remove("hop_like")  # it may be there, and the guard not see it
    for table in gone:
        why, mend = _OWN[table]
        yield scene.finding(kinds.OWN_ROW, f"rlsguard.{table}", why, mend)


def _blind(scene: Scene) -> bool:
    wanted = scene.expected.definitions
    return any(name in wanted and scene.found.get(name) != wanted[name] for name in _SIGHT)


def _as_applied(scene: Scene, unit: MapRows, kind: str, name: str) -> str:
    """Return what makes the rows of one name what they are in the map."""
    entry = scene.applied.get(unit.unit)
    row = next((row for row in unit.subjects if (kind, row.kind) == ("subject", name)), None)
    # By another key opt-outs would become other people's: apply refuses, unless it was the map's when it was applied.
    if row is None or entry is None or entry.statements_hash != statements_hash(unit):
        return APPLY
    restore = """\
UPDATE rlsguard.subject AS s
SET (subject_table, key_column, key_type, table_oid, key_number) = ({table}, {column}, {type}, a.attrelid, a.attnum)
FROM pg_catalog.pg_attribute AS a
WHERE s.kind = {kind} AND a.attrelid = {table}::regclass AND a.attname = {key};"""
    says = {"table": str(row.table), "column": quote(row.key), "type": row.type.sql, "kind": name, "key": row.key}
    statement = sql.SQL(restore).format(**{of: sql.Literal(text) for of, text in says.items()})
    return f"{statement.as_string()}  -- if that is not all, {APPLY}"


def _wanted(scene: Scene, unit: MapRows) -> Iterator[tuple[str, str, str]]:
    for row in unit.subjects:
        table = scene.catalog.tables[row.table]
        yield "subject", row.kind, f"{table.name}.{quote(row.key)} {row.type.sql}"
    for name, opt_out, _ in unit.purposes:
        yield "purpose", name, "people can opt out" if opt_out else "nobody can opt out"
    for role, purpose in unit.roles:
        yield "role", quote(role), purpose
    for role, reason, until in unit.exempt:
        yield "exempt", quote(role), reason if until is None else f"{reason} (until {until})"


def _said(rows: set[tuple[str, str, str]], kind: str, name: str) -> str | None:
    said = sorted(what for of, who, what in rows if (of, who) == (kind, name))
    return "\n".join(said) if said else None

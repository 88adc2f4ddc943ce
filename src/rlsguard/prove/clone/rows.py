"""The rows of a copy: a sample of each table, whatever their subject paths lead over, and the guard's own."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any

import psycopg
from psycopg import sql

from rlsguard.names import Name, QualifiedName
from rlsguard.people import Person, RowId, along
from rlsguard.plan.model import State
from rlsguard.prove.scenario import Case
from rlsguard.prove.scene import Scene
from rlsguard.render.policy import equals

# What the guard's policies and functions read, and by what a proof tells them from others'. The ledger and the state
# come with the people.
_GUARD = ("subject", "purpose", "role_purpose", "exemption", "guard_only", "hop_like", "manifest")


def copy_rows(scene: Scene, cases: Collection[Case], target: psycopg.Connection[Any]) -> None:
    """Copy into the database of *target*, which has the schema already, the rows of *cases* and what they need."""
    with target.transaction():
        # Nothing of the users' own fires, foreign keys included: rows that the sample left out are not missed.
        target.execute("SET LOCAL session_replication_role = replica")
        for name, rows in _rows(scene, cases).items():
            copy_table(scene, name, rows, target)
        for table in _GUARD:
            target.execute(sql.SQL("DELETE FROM {}").format(sql.Identifier("rlsguard", table)))
            _pipe(scene, sql.SQL("SELECT * FROM rlsguard.{}").format(Name(table)), f"rlsguard.{table}", target)
        people = {
            person for case in cases for found in case.target.people.values() for some in found for person in some
        }
        _copy_opt_outs(scene, people, target)
        target.execute(
            "INSERT INTO rlsguard.secret VALUES ('audit_salt', uuid_send(gen_random_uuid())) ON CONFLICT DO NOTHING"
        )
    target.execute("ANALYZE")


def _rows(scene: Scene, cases: Iterable[Case]) -> dict[QualifiedName, set[RowId]]:
    found: dict[QualifiedName, set[RowId]] = {}
    for case in cases:
        table = case.target.table
        found.setdefault(table.name, set()).update(case.target.rows)
        places = sql.Literal(sorted({row.place for row in case.target.rows}))
        for look in case.target.lookups:
            joins, aliases = along(look.route)
            for step, join, alias in zip(look.route.steps, joins[1:], aliases[1:], strict=True):
                query = sql.SQL(
                    "SELECT DISTINCT ARRAY[{hop}.tableoid::oid::text, {hop}.ctid::text] FROM {table} AS t{joins}"
                    " WHERE t.ctid = ANY ({places}::tid[])"
                ).format(hop=alias, table=table.name.sql, joins=join, places=places)
                there = {RowId(int(oid), place) for oid, place in scene.session.read(query)}
                found.setdefault(step.table, set()).update(there)
    # Rows of partitions are copied by way of their own names, each once.
    names = {table.oid: name for name, table in scene.catalog.tables.items()}
    by_part: dict[QualifiedName, set[RowId]] = {}
    for rows in found.values():
        for row in rows:
            by_part.setdefault(names[row.table], set()).add(row)
    return by_part


def copy_table(scene: Scene, name: QualifiedName, rows: Collection[RowId], target: psycopg.Connection[Any]) -> None:
    """Copy *rows* of table *name* into the one of the same name in the database of *target*."""
    table = scene.catalog.tables[name]
    generated = {
        column for _, column, is_generated, _ in scene.session.file("generated", [[table.oid]]) if is_generated
    }
    columns = [column for column in table.columns if column not in generated]
    # Not by COPY, which would lend code of the users' the login's power.
    # Not IS NULL, which takes a composite for NULL if its parts are.
    texts = [
        sql.SQL("CASE WHEN {0} IS DISTINCT FROM NULL THEN pg_catalog.format('%s', {0}) END").format(Name("t", column))
        for column in columns
    ]
    query = sql.SQL("SELECT ARRAY[{}]::text[] FROM ONLY {} AS t WHERE t.ctid = ANY ({}::tid[])").format(
        sql.SQL(", ").join(texts), name.sql, sql.Literal(sorted(row.place for row in rows))
    )
    into = sql.SQL("COPY {} ({}) FROM STDIN").format(name.sql, sql.SQL(", ").join(map(Name, columns)))
    with target.cursor().copy(into) as to:
        for cells in scene.session.read(query):
            to.write_row(cells)


def _copy_opt_outs(scene: Scene, people: Collection[Person], target: psycopg.Connection[Any]) -> None:
    for unit in scene.wanted.units:
        if not isinstance(unit, State):
            continue
        typed = Name("rlsguard", f"key_{unit.kind}")
        keys = sql.Literal(sorted(person.key for person in people if person.kind == unit.kind))
        state = sql.SQL(
            "SELECT s.* FROM {state} AS s"
            " WHERE s.subject_key {equal} ANY (SELECT {typed}(k.key) FROM unnest({keys}::text[]) AS k (key))"
        ).format(state=unit.name.sql, equal=equals(unit.key_equality), typed=typed, keys=keys)
        _pipe(scene, state, str(unit.name), target)
        ledger = sql.SQL(
            "SELECT e.* FROM rlsguard.opt_out_event AS e WHERE e.subject_kind = {kind}"
            " AND e.subject_key IN (SELECT unnest({spellings}(k.key)) FROM unnest({keys}::text[]) AS k (key))"
        ).format(kind=sql.Literal(unit.kind), spellings=Name("rlsguard", f"spellings_{unit.kind}"), keys=keys)
        _pipe(scene, ledger, "rlsguard.opt_out_event", target)
    target.execute(
        "SELECT setval('rlsguard.opt_out_event_id_seq', coalesce((SELECT max(id) FROM rlsguard.opt_out_event), 1))"
    )


def _pipe(scene: Scene, query: sql.Composed, into: str, target: psycopg.Connection[Any]) -> None:
    with (
        scene.session.conn.cursor().copy(sql.SQL("COPY ({}) TO STDOUT").format(query)) as out,
        target.cursor().copy(sql.SQL("COPY {} FROM STDIN").format(sql.SQL(into))) as to,
    ):
        for data in out:
            to.write(data)

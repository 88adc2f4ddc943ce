"""The ways to write a table. Nothing is ever written: each statement fails at its very last step.

A statement that ends in an error fires no AFTER trigger, moves no sequence of theirs and leaves no row behind; what is
learnt is how far it came. The last step is RETURNING, evaluated for a row once policies have let it pass
(https://www.postgresql.org/docs/current/ddl-rowsecurity.html), and dividing by zero there.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Literal

import psycopg
from psycopg import sql

from rlsguard.names import Name
from rlsguard.people import RowId
from rlsguard.prove.acting import Acting
from rlsguard.prove.lens import Lens
from rlsguard.prove.roles import Rights
from rlsguard.prove.target import Target

# What became of a write: it found no row, policies refused it, or it would have gone through.
Outcome = Literal["no row", "refused", "through"]

# Volatile, so that it is not worked out before there is a row.
_TRAP = sql.SQL("1 / (random() * 0)::integer")
_ROW_SECURITY = "row-level security"


@dataclass(frozen=True, slots=True)
class Write:
    """A way to write: `fits` tells whether a role may at all; `statement` is for one row of the sample."""

    fits: Callable[[Lens, Rights], bool]
    statement: Callable[[Lens, Rights, RowId, sql.Composable], sql.Composed]


def attempt(acting: Acting, statement: sql.Composed) -> Outcome:
    """Run *statement* and tell how far it came.

    Raises:
        psycopg.Error: it failed in a way that tells nothing about row security.
    """
    try:
        acting.run(statement)
    except psycopg.errors.DivisionByZero:
        return "through"
    except (psycopg.errors.UniqueViolation, psycopg.errors.ExclusionViolation):
        # Constraints come after policies.
        return "through"
    except psycopg.errors.InsufficientPrivilege as error:
        if _ROW_SECURITY in (error.diag.message_primary or ""):
            return "refused"
        raise
    return "no row"


def _column(lens: Lens, rights: Rights) -> str | None:
    """Return a column that the role may both read and write."""
    names = [name for name in lens.target.writable if name in rights.update and name in rights.select]
    # Rather not a key: foreign keys and indexes hang on it.
    return min(names, key=lambda name: name in lens.target.key_columns, default=None)


def _updates(lens: Lens, rights: Rights) -> bool:
    return _column(lens, rights) is not None


def _deletes(lens: Lens, rights: Rights) -> bool:
    return rights.delete


def _inserts(lens: Lens, rights: Rights) -> bool:
    return rights.insert.issuperset(lens.target.writable)


def _merges(lens: Lens, rights: Rights) -> bool:
    return _updates(lens, rights) and lens.by_place


def _upserts(lens: Lens, rights: Rights) -> bool:
    return bool(lens.target.key_columns) and _inserts(lens, rights) and _updates(lens, rights)


def _update(lens: Lens, rights: Rights, row: RowId, copy: sql.Composable) -> sql.Composed:
    column = Name(_column(lens, rights) or "")
    return sql.SQL("UPDATE {} AS t SET {} = t.{} WHERE {} RETURNING {}").format(
        lens.relation, column, column, _this(lens, row), _TRAP
    )


def _delete(lens: Lens, rights: Rights, row: RowId, copy: sql.Composable) -> sql.Composed:
    return sql.SQL("DELETE FROM {} AS t WHERE {} RETURNING {}").format(lens.relation, _this(lens, row), _TRAP)


def _merge(lens: Lens, rights: Rights, row: RowId, copy: sql.Composable) -> sql.Composed:
    # RETURNING of MERGE came with 17. The new value is worked out once policies have let the row pass.
    column = Name(_column(lens, rights) or "")
    return sql.SQL(
        "MERGE INTO {table} AS t USING (SELECT) AS s ON {this}"
        " WHEN MATCHED THEN UPDATE SET {column} = CASE WHEN {trap} = 0 THEN t.{column} END"
    ).format(table=lens.relation, this=_this(lens, row), column=column, trap=_TRAP)


def _insert(lens: Lens, rights: Rights, row: RowId, copy: sql.Composable) -> sql.Composed:
    return sql.SQL("INSERT INTO {} AS t ({}) OVERRIDING SYSTEM VALUE SELECT {} RETURNING {}").format(
        lens.relation, _names(lens), _values(lens, copy), _TRAP
    )


def _upsert(lens: Lens, rights: Rights, row: RowId, copy: sql.Composable) -> sql.Composed:
    column = Name(_column(lens, rights) or "")
    return sql.SQL(
        "INSERT INTO {table} AS t ({names}) OVERRIDING SYSTEM VALUE SELECT {values}"
        " ON CONFLICT ({key}) DO UPDATE SET {column} = excluded.{column} RETURNING {trap}"
    ).format(
        table=lens.relation,
        names=_names(lens),
        values=_values(lens, copy),
        key=sql.SQL(", ").join(map(Name, lens.target.key_columns)),
        column=column,
        trap=_TRAP,
    )


def _this(lens: Lens, row: RowId) -> sql.Composable:
    if not lens.by_place:
        return lens.where([row])
    return sql.SQL("{} AND t.tableoid = {}::oid").format(lens.where([row]), sql.Literal(row.table))


def _names(lens: Lens) -> sql.Composable:
    return sql.SQL(", ").join(map(Name, lens.target.writable))


def _values(lens: Lens, copy: sql.Composable) -> sql.Composable:
    return sql.SQL(", ").join(sql.SQL("({}).{}").format(copy, Name(name)) for name in lens.target.writable)


WRITES: dict[str, Write] = {
    "UPDATE": Write(_updates, _update),
    "DELETE": Write(_deletes, _delete),
    "MERGE": Write(_merges, _merge),
    "INSERT": Write(_inserts, _insert),
    "ON CONFLICT": Write(_upserts, _upsert),
}


# A row that is visible, given to people whose rows are not: WITH CHECK is to refuse it.
MOVE = "UPDATE to others"


def move(lens: Lens, row: RowId, columns: Sequence[str], copy: sql.Composable) -> sql.Composed:
    """Return a statement that sets *columns* of *row* to what they are in the row *copy*."""
    return sql.SQL("UPDATE {} AS t SET {} WHERE {} RETURNING {}").format(
        lens.relation,
        sql.SQL(", ").join([sql.SQL("{} = ({}).{}").format(Name(c), copy, Name(c)) for c in columns]),
        _this(lens, row),
        _TRAP,
    )


def copies(target: Target, rows: Collection[RowId]) -> sql.Composed:
    """Return a query for the whole text of *rows*, for `Session.read`."""
    return sql.SQL(
        "SELECT ARRAY[t.tableoid::oid::text, t.ctid::text, pg_catalog.format('%s', (t.*))]"
        " FROM {} AS t WHERE t.ctid = ANY ({}::tid[])"
    ).format(target.table.name.sql, sql.Literal(sorted({row.place for row in rows})))

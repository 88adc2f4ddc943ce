"""The comparison of guard and data map, and its SQL as a part of a generated revision."""

from __future__ import annotations

import io
import logging
import warnings
from collections.abc import Iterable, Iterator
from typing import Any

from alembic.autogenerate import comparators, renderers
from alembic.autogenerate.api import AutogenContext
from alembic.operations import Operations, ops
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Dialect
from sqlalchemy.dialects.postgresql.base import PGDialect

from rlsguard import datamap
from rlsguard.alembic.connected import MAP_OPTION, connected, map_path
from rlsguard.migrate.around import SchemaChange, Touched, around
from rlsguard.migrate.write import revision
from rlsguard.names import QualifiedName

try:
    from alembic.util import DispatchPriority

    _LAST: dict[str, Any] = {"priority": DispatchPriority.LAST}
except ImportError:  # before 1.18 comparators run in the order of their registration
    _LAST = {}

_log = logging.getLogger(__name__)


class GuardOp(ops.MigrateOperation):
    """Statements of the guard's, and those that undo them; `what` they do, in words."""

    def __init__(self, up: tuple[str, ...], down: tuple[str, ...], what: tuple[str, ...]) -> None:
        self.up, self.down, self.what = up, down, what

    def reverse(self) -> GuardOp:
        """Return what undoes it."""
        return GuardOp(self.down, self.up, tuple(f"undo: {each}" for each in self.what))

    def to_diff_tuple(self) -> tuple[Any, ...]:
        """Return how `alembic check` names it."""
        return ("rlsguard", *self.what)


@comparators.dispatch_for("schema", **_LAST)
def _compare(context: AutogenContext, upgrade_ops: ops.UpgradeOps, schemas: Iterable[str | None]) -> None:
    path = map_path(context.migration_context)
    if path is None:
        _log.warning("rlsguard: alembic.ini says no %s; the guard is not compared", MAP_OPTION)
        return
    with connected(context.migration_context) as conn:
        loaded = datamap.load(path)
        found = around(conn, loaded, tuple(_changes(context, upgrade_ops.ops)))
    for notice in found.delta.notices:
        _log.warning("rlsguard: %s", notice)
    for change in found.delta.changes:
        _log.info("rlsguard: detected %s", change)
    if found.before or found.undo_before:
        what = tuple(f"take off {unit.unit}" for unit in found.taken_off)
        upgrade_ops.ops.insert(0, GuardOp(found.before, found.undo_before, what))
    if found.after:
        what = tuple(str(change) for change in found.delta.changes)
        upgrade_ops.ops.append(GuardOp(found.after, found.undo_after, what))


@renderers.dispatch_for(GuardOp)
def _render(context: AutogenContext, op: GuardOp) -> str:
    context.imports.add("from textwrap import dedent")
    return revision.indented(op.up, op.what)


@Operations.implementation_for(GuardOp)
def _run(operations: Operations, op: GuardOp) -> None:
    context = operations.get_context()
    for statement in op.up:
        if context.as_sql:
            context.impl.static_output(f"{statement};")
        else:
            operations.get_bind().exec_driver_sql(statement, execution_options={"no_parameters": True})


def _changes(context: AutogenContext, found: Iterable[ops.MigrateOperation]) -> Iterator[SchemaChange]:
    for op in found:
        if isinstance(op, ops.OpContainer):
            yield from _changes(context, op.ops)
        else:
            yield SchemaChange(_sql(op), _touched(context, op))


def _sql(op: ops.MigrateOperation) -> str:
    """Return *op* as SQL."""
    text = io.StringIO()
    # Named parameters, for with others every % is doubled.
    dialect: Dialect = PGDialect(paramstyle="named")  # type: ignore[no-untyped-call]
    context = MigrationContext.configure(dialect=dialect, opts={"as_sql": True, "output_buffer": text})
    try:
        with warnings.catch_warnings():  # these come when it is run
            warnings.simplefilter("ignore")
            Operations(context).invoke(op)
    except Exception as error:
        # It can be anybody's operation, which needs a database to be run.
        _log.warning("rlsguard: %s is not looked at, for it cannot be told as SQL: %s", type(op).__name__, error)
        return ""
    return text.getvalue()


def _touched(context: AutogenContext, op: ops.MigrateOperation) -> Touched:
    match op:
        case ops.AlterColumnOp() | ops.DropColumnOp():
            column: str | None = op.column_name
        case ops.DropTableOp():
            column = None
        case _:
            return frozenset()
    assert context.connection is not None  # autogenerate is never offline
    schema = op.schema or context.connection.dialect.default_schema_name
    assert schema is not None  # PostgreSQL has one
    return frozenset({(QualifiedName(schema, op.table_name), column)})

"""Operations of Alembic, such as op.drop_table("trans", schema="bank"), as SQL."""

from __future__ import annotations

import ast
from collections.abc import Callable
from typing import Any

from rlsguard.lint.model import UNKNOWN
from rlsguard.names import quote

# From an expression to the texts that it comes to, one or a list of them; None for one that is not known.
_Texts = Callable[[Any], list[str | None]]


def operation(call: ast.Call, texts: _Texts, batch: ast.Call | None) -> tuple[str, bool] | None:
    """Return the SQL of an operation, and whether all of it is known; None where *call* is none that is read.

    Args:
        batch: the batch_alter_table() whose method it is, if it is one's.
    """
    write = _OPERATIONS.get(method(call))
    if write is None:
        return None
    args = _Arguments(call, texts, batch)
    sql = write(args)
    return None if sql is None else (sql, args.sure)


def method(call: ast.Call) -> str:
    """Return the name of what *call* calls, without what that is of."""
    return call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")


class _Arguments:
    """The arguments of a call, by place or by name."""

    def __init__(self, call: ast.Call, texts: _Texts, batch: ast.Call | None) -> None:
        self.texts = texts
        self.sure = True
        self._args: list[Any] = list(call.args)
        self._named: dict[str | None, Any] = {one.arg: one.value for one in call.keywords}
        if batch is not None and batch.args:
            # Within batch_alter_table the table is not said again, nor its schema.
            name = method(call)
            self._args.insert(1 if name in ("drop_constraint", "create_foreign_key") else 0, batch.args[0])
            self._named.update({one.arg: one.value for one in batch.keywords if one.arg == "schema"})
            self._named.setdefault("source_schema", self._named.get("schema"))

    def node(self, place: int, name: str) -> Any:
        return self._args[place] if place < len(self._args) else self._named.get(name)

    def text(self, place: int, name: str) -> str:
        told = self._one(self.node(place, name))
        self.sure = self.sure and told is not None
        return UNKNOWN if told is None else told

    def maybe(self, name: str) -> str | None:
        return self._one(self._named.get(name))

    def _one(self, node: Any) -> str | None:
        told = self.texts(node)
        return told[0] if len(told) == 1 else None

    def table(self, place: int, name: str, schema: str = "schema") -> str:
        table, where = self.text(place, name), self._named.get(schema)
        if where is None or (isinstance(where, ast.Constant) and where.value is None):
            return _name(table)
        told = self._one(where)
        self.sure = self.sure and told is not None
        return f"{_name(UNKNOWN if told is None else told)}.{_name(table)}"

    def columns(self, start: int) -> list[str]:
        return [sql for one in self._args[start:] if (sql := _element(one, self.texts)) is not None]

    def has(self, name: str) -> bool:
        return name in self._named

    def is_true(self, name: str) -> bool:
        node = self._named.get(name)
        return isinstance(node, ast.Constant) and node.value is True

    def names(self, place: int, name: str) -> str:
        return ", ".join(map(_name, self.list(place, name)))

    def list(self, place: int, name: str) -> list[str]:
        return [UNKNOWN if one is None else one for one in self.texts(self.node(place, name))]


def _name(name: str) -> str:
    return name if UNKNOWN in name else quote(name.replace("\0", ""))


def _element(node: Any, texts: _Texts) -> str | None:
    """Return a column or a constraint as SQL; the type of a column does not matter, unless it is boolean."""
    if not isinstance(node, ast.Call):
        return None
    args = _Arguments(node, texts, None)
    match method(node):
        case "Column":
            kinds = [method(one) if isinstance(one, ast.Call) else getattr(one, "attr", "") for one in node.args[1:2]]
            kind = "boolean" if kinds == ["Boolean"] else "text"
            keys = [_reference(one, texts) for one in node.args[1:] if _method_of(one) == "ForeignKey"]
            return " ".join([_name(args.text(0, "name")), kind, *keys])
        case "ForeignKeyConstraint":
            there = [one.rpartition(".") for one in args.list(1, "refcolumns")]
            if there:
                listed = ", ".join(_name(column) for _, _, column in there)
                table = ".".join(map(_name, there[0][0].split(".")))
                actions = _actions(args)
                return f"FOREIGN KEY ({args.names(0, 'columns')}) REFERENCES {table} ({listed}){actions}"
    return None


def _method_of(node: Any) -> str:
    return method(node) if isinstance(node, ast.Call) else ""


def _reference(node: Any, texts: _Texts) -> str:
    args = _Arguments(node, texts, None)
    table, _, column = args.text(0, "column").rpartition(".")
    return f"REFERENCES {'.'.join(map(_name, table.split('.')))} ({_name(column)}){_actions(args)}"


_SQL_ACTIONS = {"CASCADE", "SET NULL", "SET DEFAULT", "RESTRICT", "NO ACTION"}


def _rename_table(a: _Arguments) -> str:
    return f"ALTER TABLE {a.table(0, 'old_table_name')} RENAME TO {_name(a.text(1, 'new_table_name'))}"


def _actions(args: _Arguments) -> str:
    given = [("ON UPDATE", args.maybe("onupdate")), ("ON DELETE", args.maybe("ondelete"))]
    return "".join(f" {when} {what}" for when, what in given if what is not None and what.upper() in _SQL_ACTIONS)


def _create_table(a: _Arguments) -> str:
    return f"CREATE TABLE {a.table(0, 'table_name')} ({', '.join(a.columns(1))})"


def _add_column(a: _Arguments) -> str | None:
    column = _element(a.node(1, "column"), a.texts)
    return None if column is None else f"ALTER TABLE {a.table(0, 'table_name')} ADD COLUMN {column}"


def _alter_column(a: _Arguments) -> str | None:
    table, column = a.table(0, "table_name"), _name(a.text(1, "column_name"))
    steps = []
    if a.has("type_"):
        steps.append(f"ALTER TABLE {table} ALTER COLUMN {column} TYPE text")
    if a.is_true("nullable"):
        steps.append(f"ALTER TABLE {table} ALTER COLUMN {column} DROP NOT NULL")
    if a.has("new_column_name"):
        steps.append(f"ALTER TABLE {table} RENAME COLUMN {column} TO {_name(a.maybe('new_column_name') or UNKNOWN)}")
    return "; ".join(steps) or None


def _drop_constraint(a: _Arguments) -> str | None:
    if a.maybe("type_") not in (None, "foreignkey"):
        return None
    # Where its name alone does not tell what it is: with CASCADE it is taken for one that others may go by.
    cascade = " CASCADE" if a.maybe("type_") == "foreignkey" else ""
    return f"ALTER TABLE {a.table(1, 'table_name')} DROP CONSTRAINT {_name(a.text(0, 'constraint_name'))}{cascade}"


def _create_foreign_key(a: _Arguments) -> str:
    source, target = a.table(1, "source_table", "source_schema"), a.table(2, "referent_table", "referent_schema")
    key = f"FOREIGN KEY ({a.names(3, 'local_cols')}) REFERENCES {target} ({a.names(4, 'remote_cols')}){_actions(a)}"
    return f"ALTER TABLE {source} ADD CONSTRAINT {_name(a.text(0, 'constraint_name'))} {key}"


_OPERATIONS = {
    "create_table": _create_table,
    "drop_table": lambda a: f"DROP TABLE {a.table(0, 'table_name')}",
    "rename_table": _rename_table,
    "add_column": _add_column,
    "drop_column": lambda a: f"ALTER TABLE {a.table(0, 'table_name')} DROP COLUMN {_name(a.text(1, 'column_name'))}",
    "alter_column": _alter_column,
    "drop_constraint": _drop_constraint,
    "create_foreign_key": _create_foreign_key,
}

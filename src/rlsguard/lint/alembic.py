"""Alembic revisions: their SQL, found by reading them. A revision is never imported: that would run it."""

from __future__ import annotations

import ast
from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from rlsguard.lint.model import UNKNOWN, SqlError, Statement, Unreadable
from rlsguard.lint.parser import Source, parse
from rlsguard.names import quote
from rlsguard.problems import Position, Problem


@dataclass(frozen=True, slots=True)
class Revision:
    """One revision file.

    Attributes:
        id: of the revision; None where the file is none.
        after: the revisions before it.
        calls: of op and of what it hands out, in the order of their writing.
    """

    file: str
    text: str
    id: str | None
    after: tuple[str, ...]
    calls: tuple[ast.Call, ...]
    constants: Mapping[str, str]
    tables: Mapping[str, ast.Call] = field(default_factory=dict)


def read(text: str, file: str) -> Revision:
    """Read a revision; what takes it back (downgrade) is left out.

    Raises:
        SqlError: it is no Python.
    """
    try:
        module = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        line, column = getattr(error, "lineno", None) or 1, getattr(error, "offset", None) or 1
        message = f"this is not Python: {getattr(error, 'msg', None) or error}"
        raise SqlError([Problem(Position(file, line, max(column, 1)), (), message)]) from None
    constants: dict[str, str] = {}
    named: dict[str, Any] = {}
    for node in module.body:
        target, value = _assigned(node)
        if target is not None:
            named[target] = value
            told = _text(value, constants)
            if told is not None:
                constants[target] = told
    calls: list[ast.Call] = []
    tables: dict[str, ast.Call] = {}
    for node in module.body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name == "downgrade":
            continue
        for one in ast.walk(node):
            if isinstance(one, ast.Call) and isinstance(one.func, ast.Attribute):
                calls.append(one)
            elif isinstance(one, ast.With):
                for item in one.items:
                    call, name = item.context_expr, item.optional_vars
                    if (
                        isinstance(call, ast.Call)
                        and isinstance(name, ast.Name)
                        and _method(call) == "batch_alter_table"
                    ):
                        tables[name.id] = call
            else:
                target, value = _assigned(one)
                told = _text(value, constants) if target is not None else None
                if target is not None and told is not None:
                    constants.setdefault(target, told)
    calls.sort(key=lambda call: (call.lineno, call.col_offset))
    id_ = constants.get("revision")
    return Revision(file, text, id_, tuple(_texts(named.get("down_revision"))), tuple(calls), constants, tables)


def statements(revision: Revision) -> tuple[list[Statement], list[Unreadable]]:
    """Return what a revision runs, and what of it cannot be read.

    Raises:
        SqlError: a text that it runs is no SQL.
    """
    found: list[Statement] = []
    unreadable: list[Unreadable] = []
    for call in revision.calls:
        place = _at(revision, call)
        if _method(call) in ("execute", "exec_driver_sql") and (call.args or call.keywords):
            value = call.args[0] if call.args else call.keywords[0].value
            if isinstance(value, ast.Call) and value.args and _method(value) in ("text", "DDL"):
                value = value.args[0]
            told = _text(value, revision.constants)
            if told is None:
                unreadable.append(Unreadable(place, "execute()", "it is put together as it runs"))
                continue
            if UNKNOWN in told:
                unreadable.append(Unreadable(place, "execute()", "part of it is known only as it runs"))
            source = _source(revision, value, told, place)
            try:
                more, notes = parse(source, psql=False)
            except SqlError:
                if UNKNOWN not in told:
                    raise
                continue
        else:
            sql = _operation(revision, call)
            if sql is None:
                continue
            source = Source(sql, revision.file, _all_at(place))
            try:
                more, notes = parse(source, psql=False)
            except SqlError:
                more, notes = [], [Unreadable(place, f"{_method(call)}()", "its arguments cannot be read")]
        found += more
        unreadable += notes
    return found, unreadable


def _all_at(place: Position) -> Callable[[int], Position]:
    """Return what places a text of our own: all of it stands where the call does that it was made of."""
    return lambda offset: place


def in_order(revisions: list[Revision]) -> list[Revision]:
    """Return *revisions* each after those that it follows; else by the names of their files."""
    by_id = {one.id: one for one in revisions if one.id is not None}
    done: dict[str, Revision] = {}
    # By hand rather than by recursion: projects have thousands, one after the other.
    for start in sorted(revisions, key=lambda one: one.file):
        stack = [start]
        while stack:
            one = stack[-1]
            waits = [by_id[i] for i in one.after if i in by_id and by_id[i].file not in done and by_id[i] not in stack]
            if waits:
                stack += waits
            else:
                done.setdefault(stack.pop().file, one)
    return list(done.values())


def _assigned(node: ast.AST) -> tuple[str | None, Any]:
    match node:
        case ast.Assign(targets=[ast.Name(id=name)], value=value):
            return name, value
        case ast.AnnAssign(target=ast.Name(id=name), value=value) if value is not None:
            return name, value
    return None, None


def _texts(node: Any) -> Iterator[str]:
    match node:
        case ast.Constant(value=str() as text):
            yield text
        case ast.Tuple(elts=elements) | ast.List(elts=elements):
            for one in elements:
                yield from _texts(one)


def _text(node: Any, constants: Mapping[str, str]) -> str | None:
    """Return the text that *node* comes to, with UNKNOWN for parts that are known only as it runs."""
    match node:
        case ast.Constant(value=str() as text):
            return text
        case ast.Name(id=name):
            return constants.get(name)
        case ast.JoinedStr(values=values):
            return "".join(_inserted(one, constants) for one in values)
        case ast.BinOp(left=left, op=ast.Add(), right=right):
            parts = [_text(left, constants), _text(right, constants)]
            return None if parts == [None, None] else "".join(UNKNOWN if one is None else one for one in parts)
        case ast.Call(func=ast.Attribute(value=value, attr="strip" | "dedent")):
            return _text(value, constants)
    return None


def _inserted(node: Any, constants: Mapping[str, str]) -> str:
    told = _text(node.value if isinstance(node, ast.FormattedValue) else node, constants)
    return UNKNOWN if told is None else told


def _method(call: ast.Call) -> str:
    return call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")


def _at(revision: Revision, node: ast.expr) -> Position:
    return Position(revision.file, node.lineno, node.col_offset + 1)


def _source(revision: Revision, node: ast.expr, told: str, place: Position) -> Source:
    """Return *told* as a source whose places are those of the file, where it stands there as it is."""
    segment = ast.get_source_segment(revision.text, node) if isinstance(node, ast.Constant) else None
    inner = segment.find(told) if segment is not None and told else -1
    if segment is None or inner < 0:
        return Source(told, revision.file, lambda offset: place)
    lines = [0, *(at + 1 for at, c in enumerate(segment) if c == "\n")]

    def at(offset: int) -> Position:
        where = inner + offset
        line = bisect_right(lines, where)
        column = where - lines[line - 1] + 1 + (node.col_offset if line == 1 else 0)
        return Position(revision.file, node.lineno + line - 1, column)

    return Source(told, revision.file, at)


# -- operations ------------------------------------------------------------------------------------------------------


def _operation(revision: Revision, call: ast.Call) -> str | None:
    """Return the SQL of a call such as op.drop_table("trans", schema="bank"); None where it is none that is read."""
    write = _OPERATIONS.get(_method(call))
    if write is None:
        return None
    of = call.func.value if isinstance(call.func, ast.Attribute) else None
    batch = revision.tables.get(of.id) if isinstance(of, ast.Name) else None
    args = _Arguments(call, revision.constants, batch)
    return write(args)


class _Arguments:
    """The arguments of a call, by place or by name."""

    def __init__(self, call: ast.Call, constants: Mapping[str, str], batch: ast.Call | None) -> None:
        self._constants = constants
        self._args: list[Any] = list(call.args)
        self._named: dict[str | None, Any] = {one.arg: one.value for one in call.keywords}
        if batch is not None and batch.args:
            # Within batch_alter_table the table is not said again, nor its schema.
            name = _method(call)
            self._args.insert(1 if name in ("drop_constraint", "create_foreign_key") else 0, batch.args[0])
            self._named.update({one.arg: one.value for one in batch.keywords if one.arg == "schema"})
            self._named.setdefault("source_schema", self._named.get("schema"))

    def node(self, place: int, name: str) -> Any:
        return self._args[place] if place < len(self._args) else self._named.get(name)

    def text(self, place: int, name: str) -> str:
        told = _text(self.node(place, name), self._constants)
        return UNKNOWN if told is None else told

    def maybe(self, name: str) -> str | None:
        node = self._named.get(name)
        return None if node is None else _text(node, self._constants)

    def table(self, place: int, name: str, schema: str = "schema") -> str:
        table, where = self.text(place, name), self.maybe(schema)
        return _name(table) if where is None else f"{_name(where)}.{_name(table)}"

    def columns(self, start: int) -> list[str]:
        return [sql for one in self._args[start:] if (sql := _element(one, self._constants)) is not None]

    def has(self, name: str) -> bool:
        return name in self._named

    def is_true(self, name: str) -> bool:
        node = self._named.get(name)
        return isinstance(node, ast.Constant) and node.value is True

    def names(self, place: int, name: str) -> str:
        return ", ".join(map(_name, _texts(self.node(place, name))))


def _name(name: str) -> str:
    return name if UNKNOWN in name else quote(name.replace("\0", ""))


def _element(node: Any, constants: Mapping[str, str]) -> str | None:
    """Return a column or a constraint as SQL; the type of a column does not matter, unless it is boolean."""
    if not isinstance(node, ast.Call):
        return None
    args = _Arguments(node, constants, None)
    match _method(node):
        case "Column":
            kinds = [_method(one) if isinstance(one, ast.Call) else getattr(one, "attr", "") for one in node.args[1:2]]
            kind = "boolean" if kinds == ["Boolean"] else "text"
            keys = [_reference(one, constants) for one in node.args[1:] if _method_of(one) == "ForeignKey"]
            return " ".join([_name(args.text(0, "name")), kind, *keys])
        case "ForeignKeyConstraint":
            there = [one.rpartition(".") for one in _texts(args.node(1, "refcolumns"))]
            if there:
                listed = ", ".join(_name(column) for _, _, column in there)
                table = ".".join(map(_name, there[0][0].split(".")))
                actions = _actions(args)
                return f"FOREIGN KEY ({args.names(0, 'columns')}) REFERENCES {table} ({listed}){actions}"
    return None


def _method_of(node: Any) -> str:
    return _method(node) if isinstance(node, ast.Call) else ""


def _reference(node: Any, constants: Mapping[str, str]) -> str:
    args = _Arguments(node, constants, None)
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
    column = _element(a.node(1, "column"), a._constants)
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

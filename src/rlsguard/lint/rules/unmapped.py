"""Tables and columns that look as if they were about people, and that the map does not mention."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pglast import ast

from rlsguard.check import kinds
from rlsguard.lint.looks import category
from rlsguard.lint.rules.found import Found
from rlsguard.lint.state import State
from rlsguard.lint.tree import strings
from rlsguard.names import QualifiedName, quote


def tables(tree: Any, state: State) -> Iterator[Found]:
    """CREATE TABLE, ADD COLUMN and foreign keys, of tables that the map does not mention or says are about nobody."""
    if state.datamap is None:
        return
    match tree:
        case ast.CreateStmt():
            parts: list[Any] = [*(tree.tableElts or ()), *(tree.constraints or ())]
            if tree.relation.relpersistence == "t" or tree.partbound is not None:
                return  # a partition is its parent's
            yield from _table(state, state.name(tree.relation), parts, new=True)
        case ast.AlterTableStmt() if tree.objtype.name in ("OBJECT_TABLE", "OBJECT_FOREIGN_TABLE"):
            added = [c.def_ for c in tree.cmds if c.subtype.name in ("AT_AddColumn", "AT_AddConstraint")]
            yield from _table(state, state.name(tree.relation), added, new=False)


def _table(state: State, name: QualifiedName, parts: list[Any], *, new: bool) -> Iterator[Found]:
    if name.schema in ("pg_temp", "information_schema") or name.schema.startswith(("pg_", "rlsguard")):
        return
    if state.children.get(name) is not None:
        return
    if state.protected(name) is not None:
        yield from _second(state, name, parts)
        return
    why = [*_leading(state, parts)]
    if why:
        entry = state.mapped(name)
        says = "the map does not say what it holds" if entry is None else "the map says that it is about nobody"
        mend = f"Put {name} into the map in this change; if it was reviewed, and is about nobody: {{holds: []}}"
        if entry is not None:
            mend = f"Say in the map, in this change, how rows of {name} lead to people."
        about = f"table {name}"
        if not new:
            columns = [quote(one.colname) for one in parts if isinstance(one, ast.ColumnDef)]
            about += f", column {', '.join(columns)}" if columns else ""
        yield Found(kinds.NOT_SAID, about, f"{'; '.join(why)}; {says}.", mend, ending=("table", name))


def _leading(state: State, parts: list[Any]) -> Iterator[str]:
    """Yield what of *parts*, columns and constraints, leads to people or looks as if."""
    for part in parts:
        if isinstance(part, ast.TableLikeClause):
            table = state.protected(state.name(part.relation))
            if table is not None:
                yield f"it has all the columns of {table}"
        for columns, target, _ in _keys(part):
            to = _people(state, state.name(target))
            if to is not None:
                yield f"a foreign key of {', '.join(map(quote, columns))} leads to {to}, and so to people"
        if isinstance(part, ast.ColumnDef):
            told = state.followed.leading.get(part.colname)
            kind = strings(part.typeName)[-1:] if part.typeName is not None else ()
            looks = category(part.colname) if kind != ("bool",) else None
            if told is not None and not any(_keys(part)):
                yield f"its column {quote(part.colname)} {told}"
            elif looks is not None:
                yield f"its column {quote(part.colname)} looks like {looks}"


def _people(state: State, name: QualifiedName) -> QualifiedName | None:
    """Return the table that *name* is, if its rows are about people."""
    return state.protected(name) or (was if (was := state.of_paths(name)) in state.followed.people else None)


def _keys(part: Any) -> Iterator[tuple[list[str], ast.RangeVar, tuple[str, ...]]]:
    """Yield the foreign keys of a column or constraint: the columns, the table that they lead to, and its columns."""
    constraints = part.constraints or () if isinstance(part, ast.ColumnDef) else (part,)
    for one in constraints:
        if isinstance(one, ast.Constraint) and one.contype.name == "CONSTR_FOREIGN":
            columns = [part.colname] if isinstance(part, ast.ColumnDef) else list(strings(one.fk_attrs))
            yield columns, one.pktable, strings(one.pk_attrs)


def _second(state: State, name: QualifiedName, parts: list[Any]) -> Iterator[Found]:
    """Yield columns of a protected table that lead to people as well, and by which no path goes."""
    datamap = state.datamap
    assert datamap is not None  # else nothing is protected
    lists = {subject.table: subject for subject in datamap.subjects.values()}
    for part in parts:
        columns: list[str] = []
        for ours, target, _ in _keys(part):
            to = state.of_paths(state.name(target))
            if to in lists and len(ours) == 1:
                columns += ours
        if isinstance(part, ast.ColumnDef) and not columns:
            columns = [part.colname for subject in lists.values() if part.colname == subject.key]
        for column in columns:
            if state.goes_by(name, column) is None:
                why = "it leads to people, and no path of the map follows it: opt-outs of whom it names are no matter."
                mend = f"Add a path by {quote(column)} to the map's entry of {name}: {{paths: [...]}}."
                protected = state.protected(name)
                assert protected is not None
                yield Found(kinds.NOT_SAID, f"table {name}, column {quote(column)}", why, mend, (protected,))

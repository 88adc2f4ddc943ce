"""Views, copies and functions by which protected rows are read past their policies."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pglast import ast

from rlsguard.check import kinds
from rlsguard.lint.rules.by_hand import SCHEMAS
from rlsguard.lint.rules.found import Found, listed
from rlsguard.lint.state import State
from rlsguard.lint.tree import function_path, is_true, only_counts, option, strings, walk
from rlsguard.names import QualifiedName


def views(tree: Any, state: State) -> Iterator[Found]:
    """CREATE VIEW without security_invoker, and taking that away."""
    match tree:
        case ast.ViewStmt():
            name = state.name(tree.view)
            tables = state.sources(tree.query)
            invoker = is_true(option(tree.options, "security_invoker"))
            if name.schema in SCHEMAS:
                return  # of the guard's own, which has to see all rows
            if tables and not invoker and not _held(state, state.role) and not only_counts(tree.query):
                yield _view(name, tables, "it is no security_invoker view, so it reads as its owner")
        case ast.AlterTableStmt():
            name = state.name(tree.relation)
            for command in tree.cmds:
                kind = command.subtype.name
                there = any(one.defname == "security_invoker" for one in _options(command))
                on = kind == "AT_SetRelOptions" and is_true(option(command.def_, "security_invoker"))
                if kind in ("AT_SetRelOptions", "AT_ResetRelOptions") and there and not on:
                    relation = state.relations.get(name)
                    if relation is not None or not state.made(name):
                        tables = relation.tables if relation is not None else frozenset()
                        yield _view(name, tables, "it is a security_invoker view no longer, and reads as its owner")


def _options(command: Any) -> tuple[Any, ...]:
    return command.def_ if isinstance(command.def_, tuple) else ()


def _view(name: QualifiedName, tables: frozenset[QualifiedName], what: str) -> Found:
    why = f"{what}: if that is somebody whom no policy holds, such as a superuser, it shows every row"
    why += f" of {listed(tables)}." if tables else "."
    mend = f"ALTER VIEW {name} SET (security_invoker = true);  -- readers then need rights to read"
    return Found(kinds.OWNERS_VIEW, f"view {name}", why, mend, tuple(sorted(tables)), ending=("view", name))


def _held(state: State, role: str | None) -> bool:
    """Tell whether *role* is one that policies hold by what the map says."""
    return role is not None and state.known(role) and not state.exempt(role) and role not in state.unheld


def copies(tree: Any, state: State) -> Iterator[Found]:
    """Materialised views, CREATE TABLE AS, SELECT INTO, INSERT and the like from protected tables, COPY TO."""
    match tree:
        case ast.CreateTableAsStmt():
            name, tables = state.name(tree.into.rel), state.sources(tree.query)
            if tables and tree.objtype.name == "OBJECT_MATVIEW" and not only_counts(tree.query):
                why = f"it keeps rows of {listed(tables)} as they were, and an opt-out does not reach them."
                mend = f"CREATE VIEW {name} WITH (security_invoker = true) AS ...;"
                yield Found(
                    kinds.KEPT, f"materialised view {name}", why, mend, tuple(sorted(tables)), ending=("view", name)
                )
            elif tables and not only_counts(tree.query):
                yield from _copied(state, name, tables)
        case ast.CopyStmt() if not tree.is_from:
            tables = state.sources(tree.query if tree.query is not None else tree.relation)
            if tables and not only_counts(tree.query):
                where = "a program" if tree.is_program else "a file" if tree.filename else "whoever runs this"
                why = f"rows of {listed(tables)} go to {where}: an opt-out does not reach them there."
                mend = "Leave it out; an export for somebody is read as the role that it is for."
                yield Found(kinds.COPY, f"export of {listed(tables)}", why, mend, tuple(sorted(tables)))
    for node in walk(tree):
        if isinstance(node, ast.InsertStmt | ast.UpdateStmt | ast.MergeStmt):
            if not only_counts(getattr(node, "selectStmt", None)):
                yield from _copied(state, state.name(node.relation), state.sources(node))
        elif isinstance(node, ast.SelectStmt) and node.intoClause is not None and not only_counts(node):
            yield from _copied(state, state.name(node.intoClause.rel), state.sources(node))


def _copied(state: State, name: QualifiedName, tables: frozenset[QualifiedName]) -> Iterator[Found]:
    if not tables or state.protected(name) is not None or name.schema == "pg_temp":
        return
    entry = state.mapped(name)
    what = "the map says that it is about nobody" if entry is not None else "the map does not mention it"
    why = f"rows of {listed(tables)} get there, and no policy is: {what}."
    mend = f"Say in the map what {name} holds and how its rows lead to people; or leave it out."
    yield Found(kinds.COPY, f"table {name}", why, mend, tuple(sorted(tables)), ending=("copy", name))


def definers(tree: Any, state: State) -> Iterator[Found]:
    """SECURITY DEFINER functions that read protected tables."""
    match tree:
        case ast.CreateFunctionStmt() if is_true(option(tree.options, "security")):
            name = state.object(tree.funcname)
            if name is None or _held(state, state.role) or _is_trigger(tree):
                return
            with state.within(function_path(tree)):
                tables = _read_by(state)
            if tables:
                yield _definer(name, tables)
        case ast.AlterFunctionStmt() if is_true(option(tree.actions, "security")):
            name = state.object(tree.func)
            if name is not None and (read := state.functions.get(name)):
                yield _definer(name, read)


def _definer(name: QualifiedName, tables: frozenset[QualifiedName]) -> Found:
    why = f"it reads {listed(tables)} as its owner: if no policy holds that one, it shows every row to its callers."
    mend = f"ALTER FUNCTION {name} SECURITY INVOKER;  -- or let it belong to a role that the map names"
    return Found(kinds.OWNERS_FUNCTION, f"function {name}", why, mend, tuple(sorted(tables)), ending=("function", name))


def _is_trigger(tree: Any) -> bool:
    """Tell whether nobody calls it: what it reads it hands to nobody, by itself."""
    return tree.returnType is not None and strings(tree.returnType)[-1:] == ("trigger",)


def _read_by(state: State) -> frozenset[QualifiedName]:
    """Return the protected tables that the function which is being made reads."""
    return frozenset(table for one in state.body if not only_counts(one) for table in state.sources(one))

"""What shows, sends or touches protected rows beside their policies: partitions, publications, rules, functions."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pglast import ast

from rlsguard.check import kinds
from rlsguard.lint.rules.found import Found, listed
from rlsguard.lint.state import State, every_child
from rlsguard.lint.tree import is_true, option, strings
from rlsguard.names import QualifiedName, quote

_APPLY = "Run rlsguard apply MAP in the same deployment; or say guard: {event_trigger: true} in the map."


def partitions(tree: Any, state: State) -> Iterator[Found]:
    """PARTITION OF, ATTACH, DETACH, INHERITS, of protected tables."""
    if state.datamap is None:
        return
    for child, parent in every_child(state, tree):
        if state.protected(parent) is not None and state.mapped(child) is None:
            if not state.datamap.event_trigger and not state.young(parent):
                why = f"it has no policy until the next apply: read by its own name, it shows all rows of {parent}."
                table = state.protected(parent)
                assert table is not None
                yield Found(kinds.UNGUARDED, f"table {child}", why, _APPLY, (table,), ending=("child", child))
        elif (table := state.protected(child)) is not None and state.protected(parent) is None:
            why = f"rows of {child} can be read by way of it, and there it has no guard."
            mend = f"Put {parent} into the map in this change."
            yield Found(kinds.UNGUARDED, f"table {parent}", why, mend, (table,))
    if isinstance(tree, ast.AlterTableStmt):
        for command in tree.cmds:
            if command.subtype.name == "AT_DetachPartition":
                yield from _apart(state, state.name(command.def_.name), state.name(tree.relation))
            elif command.subtype.name == "AT_DropInherit":
                yield from _apart(state, state.name(tree.relation), state.name(command.def_))


def _apart(state: State, child: QualifiedName, parent: QualifiedName) -> Iterator[Found]:
    table = state.protected(parent)
    if table is not None and state.mapped(child) is None:
        why = f"it is a part of {parent} no longer, so the map does not mention it; its policies stay until a prune."
        mend = f"Put {child} into the map in this change; or drop it."
        yield Found(kinds.NAMED, f"table {child}", why, mend, (table,), ending=("table", child))


def publications(tree: Any, state: State) -> Iterator[Found]:
    """CREATE and ALTER PUBLICATION with protected tables."""
    if not isinstance(tree, ast.CreatePublicationStmt | ast.AlterPublicationStmt) or state.datamap is None:
        return
    if isinstance(tree, ast.AlterPublicationStmt) and tree.action.name == "AP_DropObjects":
        return
    tables: set[QualifiedName] = set()
    if tree.for_all_tables:
        tables |= {entry.table for entry in state.datamap.tables.values() if entry.paths}
    for one in tree.pubobjects or ():
        if one.pubtable is not None:
            name = state.name(one.pubtable.relation)
            tables |= {name} if state.protected(name) is not None else set()
        elif one.name is not None:
            tables |= set(state.in_schema(one.name))
    if tables:
        why = f"it sends every row of {listed(tables)} to its subscribers, whatever opt-outs say."
        mend = "Publish the other tables only, one by one: FOR TABLE ..."
        yield Found(kinds.SENT, f"publication {quote(tree.pubname)}", why, mend, tuple(sorted(tables)))


def rules(tree: Any, state: State) -> Iterator[Found]:
    """CREATE RULE on protected tables, or that reads them."""
    if isinstance(tree, ast.RuleStmt):
        tables = state.sources(tree.actions or ())
        on = state.protected(state.name(tree.relation))
        tables |= {on} if on is not None else frozenset()
        if tables:
            about = f"rule {quote(tree.rulename)} on {state.name(tree.relation)}"
            why = "what it does it does with its table's owner's rights, and it can copy rows elsewhere."
            mend = "Use a trigger, whose function runs as whoever writes."
            yield Found(kinds.NEW_RULE, about, why, mend, tuple(sorted(tables)))


def foreign_tables(tree: Any, state: State) -> Iterator[Found]:
    """Foreign tables that look like loops back to a protected table."""
    match tree:
        case ast.CreateForeignTableStmt():
            name = state.name(tree.base.relation)
            there = {one.defname: str(one.arg.sval) for one in tree.options or ()}
            remote = QualifiedName(there.get("schema_name", name.schema), there.get("table_name", name.name))
            table = state.protected(remote)
            tables, about = [table] if table is not None else [], f"foreign table {name}"
        case ast.ImportForeignSchemaStmt():
            about = f"foreign tables of schema {quote(tree.local_schema)}"
            limit = {one.relname for one in tree.table_list or ()}
            kind = tree.list_type.name
            tables = state.in_schema(tree.remote_schema)
            if not kind.endswith("ALL"):
                tables = [one for one in tables if (one.name in limit) == kind.endswith("LIMIT_TO")]
        case _:
            return
    if tables:
        why = f"if its server is this one, it reads {listed(tables)} as whoever it maps to, and can have no policy."
        mend = "Leave it out, if it leads back here; if it leads elsewhere, the guard there is asked."
        yield Found(kinds.LOOP, about, why, mend, tuple(sorted(tables)))


def leakproof(tree: Any, state: State) -> Iterator[Found]:
    """Functions marked LEAKPROOF."""
    match tree:
        case ast.CreateFunctionStmt() if is_true(option(tree.options, "leakproof")):
            name = state.object(tree.funcname)
        case ast.AlterFunctionStmt() if is_true(option(tree.actions, "leakproof")):
            name = state.object(tree.func)
        case _:
            return
    why = "it may be run on rows before policies hide them, and tell."
    yield Found(kinds.MARKED_LEAKPROOF, f"function {name}", why, "Leave LEAKPROOF out.")


_NATIVE = {"text", "varchar", "bpchar", "unknown"}


def casts(tree: Any, state: State) -> Iterator[Found]:
    """CREATE CAST from text, by which keys of opt-outs are read."""
    if isinstance(tree, ast.CreateCastStmt) and strings(tree.sourcetype)[-1] in _NATIVE:
        about = f"cast (text AS {'.'.join(map(quote, strings(tree.targettype)))})"
        why = "if keys are of this type, opt-outs are read by it, and it can record them for somebody else."
        yield Found(kinds.NEW_CAST, about, why, "Leave it out; or make sure that no key is of this type.")

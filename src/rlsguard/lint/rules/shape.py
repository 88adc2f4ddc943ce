"""What the map names: tables, columns and roles that go or change, and rows that come to lead elsewhere."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from pglast import ast

from rlsguard.check import kinds
from rlsguard.lint.rules.by_hand import SCHEMAS
from rlsguard.lint.rules.found import Found, listed
from rlsguard.lint.state import Ending, State
from rlsguard.lint.tree import role_names, strings, walk
from rlsguard.names import QualifiedName, quote

# Extensions whose types are keys now and then; with them go the columns.
_TYPES = {"citext", "cube", "hstore", "isn", "ltree", "seg", "uint", "pguint", "postgis"}
_SAME_CHANGE = "Change the map in the same pull request, and run rlsguard apply MAP with the migration."


def named(tree: Any, state: State) -> Iterator[Found]:
    """DROP and RENAME of tables, columns, schemas and roles that the map names."""
    match tree:
        case ast.DropStmt():
            yield from _dropped(state, tree)
        case ast.DropRoleStmt():
            for role in role_names(tree.roles):
                if state.known(role):
                    yield Found(kinds.NAMED, f"role {quote(role)}", "the map names it, and it goes.", _SAME_CHANGE)
        case ast.RenameStmt():
            yield from _renamed(state, tree)
        case ast.AlterObjectSchemaStmt() if tree.relation is not None:
            name = state.name(tree.relation)
            if _in_map(state, name) and not state.young(name):
                why = f"the map names it, and it goes to the schema {quote(tree.newschema)}."
                yield Found(kinds.NAMED, f"table {name}", why, _SAME_CHANGE, _tables(state, name))
        case ast.AlterTableStmt():
            name = state.name(tree.relation)
            for command in tree.cmds if not state.young(name) else ():
                if command.subtype.name == "AT_DropColumn":
                    yield from _column(state, name, command)


def _dropped(state: State, tree: Any) -> Iterator[Found]:
    kind, cascade = tree.removeType.name, tree.behavior.name == "DROP_CASCADE"
    for one in tree.objects:
        parts = strings(one)
        if kind == "OBJECT_TABLE":
            name = state.named(parts[-2] if len(parts) > 1 else None, parts[-1])
            if not _in_map(state, name) or state.young(name):
                continue
            if cascade:
                yield _cascade(state, f"table {name}", name)
            else:
                yield Found(
                    kinds.NAMED, f"table {name}", "the map names it, and it goes.", _SAME_CHANGE, _tables(state, name)
                )
        elif kind == "OBJECT_SCHEMA" and cascade and parts[0] not in SCHEMAS:
            tables = state.in_schema(parts[0])
            if tables:
                why = f"it takes {listed(tables)} along, and what policies of other tables ask."
                yield Found(kinds.CASCADE, f"schema {quote(parts[0])}", why, _SAME_CHANGE, tuple(tables))
        elif cascade and _has_columns(state, kind, one):
            why = "columns of the type go with it: where policies ask them, the tables show nothing from then on."
            mend = "Leave CASCADE out: PostgreSQL then names what depends on it."
            about = f"{kind.removeprefix('OBJECT_').lower()} {'.'.join(map(quote, parts))}"
            yield Found(kinds.CASCADE, about, why, mend)


def _has_columns(state: State, kind: str, one: Any) -> bool:
    """Tell whether columns can be of a type that goes: unless these migrations made it."""
    if kind == "OBJECT_EXTENSION":
        return strings(one)[0] in _TYPES
    return kind in ("OBJECT_TYPE", "OBJECT_DOMAIN") and not state.made_type(one)


def _renamed(state: State, tree: Any) -> Iterator[Found]:
    kind = tree.renameType.name
    if kind == "OBJECT_TABLE":
        name = state.name(tree.relation)
        if _in_map(state, name) and not state.young(name):
            why = f"the map names it, and it is to be called {quote(tree.newname)}."
            yield Found(kinds.NAMED, f"table {name}", why, _SAME_CHANGE, _tables(state, name))
    elif kind == "OBJECT_COLUMN" and tree.relation is not None:
        name = state.name(tree.relation)
        if not state.young(name) and _names_column(state, name, tree.subname):
            why = f"the map names it, and it is to be called {quote(tree.newname)}."
            yield Found(kinds.NAMED, f"column {name}.{quote(tree.subname)}", why, _SAME_CHANGE, _tables(state, name))
    elif kind == "OBJECT_SCHEMA" and tree.subname not in SCHEMAS:
        if tables := state.in_schema(tree.subname):
            why = f"the map names {listed(tables)}, and the schema is to be called {quote(tree.newname)}."
            yield Found(kinds.NAMED, f"schema {quote(tree.subname)}", why, _SAME_CHANGE, tuple(tables))
    elif kind == "OBJECT_ROLE" and state.known(tree.subname):
        why = f"the map names it, and it is to be called {quote(tree.newname)}."
        yield Found(kinds.NAMED, f"role {quote(tree.subname)}", why, _SAME_CHANGE)


def _column(state: State, name: QualifiedName, command: Any) -> Iterator[Found]:
    if not _names_column(state, name, command.name):
        return
    about = f"column {name}.{quote(command.name)}"
    if command.behavior.name == "DROP_CASCADE" and state.goes_by(name, command.name) is not None:
        yield _cascade(state, about, name)
    else:
        yield Found(kinds.NAMED, about, "the map names it, and it goes.", _SAME_CHANGE, _tables(state, name))


def _cascade(state: State, about: str, name: QualifiedName) -> Found:
    table = state.of_paths(name)
    others = state.followed.crossed.get(table, frozenset()) if table is not None else frozenset()
    why = "policies ask it, and CASCADE takes them along: "
    why += f"{listed(others)} show nothing from then on." if others else "its own, and whatever else depends on it."
    return Found(kinds.CASCADE, about, why, f"Leave CASCADE out. {_SAME_CHANGE}", _tables(state, name))


def _in_map(state: State, name: QualifiedName) -> bool:
    return state.mapped(name) is not None or state.of_paths(name) is not None


def _names_column(state: State, name: QualifiedName, column: str) -> bool:
    """Tell whether the map says anything of a column: a path, a category, what the audit leaves out."""
    if state.goes_by(name, column) is not None:
        return True
    entry = state.mapped(name)
    if entry is None:
        return False
    audit = (*entry.audit.redact, *entry.audit.hash) if entry.audit is not None else ()
    return state.column(entry.table, column) in (*entry.columns, *audit)


def astray(tree: Any, state: State) -> Iterator[Found]:
    """What lets rows lead to other people or to nobody: of the columns and tables that paths go by."""
    match tree:
        case ast.AlterTableStmt():
            name = state.name(tree.relation)
            for command in tree.cmds if not state.young(name) else ():
                yield from _altered(state, name, command)
        case ast.CreateStmt():
            name = state.name(tree.relation)
            for part in (*(tree.tableElts or ()), *(tree.constraints or ())):
                yield from _actions(state, name, part)
        case ast.TruncateStmt():
            for relation in tree.relations:
                yield from _emptied(state, state.name(relation))
    for node in walk(tree):
        if (changed := _changed(node)) and not state.young(state.name(node.relation)):
            name = state.name(node.relation)
            columns = [column for column in changed if state.goes_by(name, column) is not None]
            if columns:
                why = f"paths go by {', '.join(map(quote, columns))}: what leads over its rows becomes others'."
                mend = "Make sure that each row leads to the same people as before; then waive this finding."
                yield _astray(state, f"rows of {name}", why, mend, name)
        elif isinstance(node, ast.DeleteStmt) and not state.young(state.name(node.relation)):
            name = state.name(node.relation)
            table = state.of_paths(name)
            if table is not None and (behind := state.behind(table)):
                why = f"paths of {listed(behind)} cross it: rows there that lead to nobody any more show to everybody."
                mend = f"Delete what leads over them first; or say when_unknown: hide for {listed(behind)}."
                yield _astray(state, f"rows of {name}", why, mend, name)


def _changed(node: Any) -> list[str]:
    """Return the columns that an UPDATE changes, or what another statement does instead or besides."""
    match node:
        case ast.UpdateStmt():
            targets = node.targetList
        case ast.InsertStmt() if node.onConflictClause is not None:
            targets = node.onConflictClause.targetList
        case ast.MergeStmt():
            whens = [w for w in node.mergeWhenClauses if w.commandType.name == "CMD_UPDATE"]
            targets = [target for when in whens for target in when.targetList or ()]
        case _:
            return []
    return [target.name for target in targets or ()]


def _altered(state: State, name: QualifiedName, command: Any) -> Iterator[Found]:
    table = state.of_paths(name)
    if table is None:
        return
    match command.subtype.name:
        case "AT_AlterColumnType" if state.goes_by(name, command.name) is not None:
            why = "paths go by it: PostgreSQL refuses while policies ask it, and both sides must be of one type."
            mend = "Let one migration take the guard off, change the type of all that is compared, and put it on again."
            # With USING, values could come to be others.
            ending = ("type", table) if command.def_.raw_default is None else None
            yield _astray(state, f"column {name}.{quote(command.name)}", why, mend, name, ending)
        case "AT_DropNotNull" if state.goes_by(name, command.name) is not None:
            entry = state.mapped(name)
            if entry is None or entry.when_unknown is None:
                why = "paths go by it: a row that has none leads to nobody."
                mend = f"Say in the map what becomes of such rows: when_unknown, under {name}."
                yield _astray(state, f"column {name}.{quote(command.name)}", why, mend, name)
        case "AT_SetUnLogged" if state.behind(table):
            behind = state.behind(table)
            why = f"a crash empties it, and without its rows those of {listed(behind)} lead to nobody: all show."
            yield _astray(state, f"table {name}", why, "Leave it LOGGED.", name)
        case "AT_DropConstraint":
            if command.behavior.name == "DROP_CASCADE" or _is_key(state, table, command.name):
                why = "paths may go by it: without the foreign key, rows can come to lead to nobody, and show."
                mend = "Leave it; or say in the map what becomes of such rows: when_unknown."
                yield _astray(state, f"constraint {quote(command.name)} of {name}", why, mend, name)
        case "AT_AddConstraint" | "AT_AddColumn":
            yield from _actions(state, name, command.def_)


def _is_key(state: State, table: QualifiedName, constraint: str) -> bool:
    """Tell whether a constraint looks like a foreign key of a column that a path goes by; only its name is known."""
    words = re.split(r"[^a-z0-9]+", constraint.lower())
    if not {"fkey", "fk", "foreign"} & set(words):
        return False
    match = re.fullmatch(rf"{re.escape(table.name)}_(\w+)_fkey\d*", constraint)
    return match is None or any(match[1] == c or c in match[1] for c in state.followed.columns[table])


_ACTIONS = {"c": "CASCADE", "n": "SET NULL", "d": "SET DEFAULT"}


def _actions(state: State, name: QualifiedName, part: Any) -> Iterator[Found]:
    """Yield foreign keys whose actions change a column that paths go by: no policy is asked for these."""
    for one in part.constraints or () if isinstance(part, ast.ColumnDef) else (part,):
        if not isinstance(one, ast.Constraint) or one.contype.name != "CONSTR_FOREIGN":
            continue
        columns = [part.colname] if isinstance(part, ast.ColumnDef) else list(strings(one.fk_attrs))
        if not any(state.goes_by(name, column) is not None for column in columns):
            continue
        entry = state.mapped(name)
        hidden = entry is not None and entry.when_unknown == "hide"
        update, delete = one.fk_upd_action or "a", one.fk_del_action or "a"
        told = []
        if update in ("c", "d") or (update == "n" and not hidden):
            told.append(f"ON UPDATE {_ACTIONS[update]}")
        if delete == "d" or (delete == "n" and not hidden):
            told.append(f"ON DELETE {_ACTIONS[delete]}")
        if told:
            why = f"it says {' and '.join(told)}: rows come to be somebody else's or nobody's, and no policy is asked."
            mend = "Leave the action out: PostgreSQL then refuses while rows lead there."
            yield _astray(state, f"foreign key of {name}.{', '.join(map(quote, columns))}", why, mend, name)


def _emptied(state: State, name: QualifiedName) -> Iterator[Found]:
    if state.young(name):
        return
    table = state.of_paths(name)
    behind = state.behind(table) if table is not None else []
    if behind:
        why = f"TRUNCATE asks no policy, and without its rows those of {listed(behind)} lead to nobody: all show."
        mend = f"Leave it out; or say when_unknown: hide for {listed(behind)} first."
        yield _astray(state, f"table {name}", why, mend, name)
    elif state.protected(name) is not None:
        why = "TRUNCATE asks no policy: rows of people who opted out go as well."
        yield Found(kinds.EMPTIED, f"table {name}", why, "DELETE, as a role whom policies hold.", _tables(state, name))


def _astray(state: State, about: str, why: str, mend: str, name: QualifiedName, ending: Ending | None = None) -> Found:
    return Found(kinds.ASTRAY, about, why, mend, _tables(state, name), ending=ending)


def _tables(state: State, name: QualifiedName) -> tuple[QualifiedName, ...]:
    table = state.protected(name)
    return (table,) if table is not None else ()

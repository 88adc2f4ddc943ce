"""What takes the guard off a table: row security, policies, triggers, owners."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from pglast import ast

from rlsguard.check import kinds
from rlsguard.lint.model import UNKNOWN
from rlsguard.lint.rules.found import Found
from rlsguard.lint.state import State
from rlsguard.lint.tree import role_name, role_names, strings, walk
from rlsguard.names import QualifiedName, quote

_MAP_FIRST = "Change the map and run rlsguard apply MAP, which makes the guard as it must be."
# The guard's own sorts first; more exclamation marks where a table has such a policy itself.
_POLICY = re.compile(r"!*rlsguard.*", re.DOTALL)
_FIRST = "!rlsguard"
_OFF = {
    "AT_DisableRowSecurity": "row security is switched off: policies hold nobody, and every row shows.",
    "AT_NoForceRowSecurity": "row security is no longer forced: its owner sees every row.",
}


def row_security(tree: Any, state: State) -> Iterator[Found]:
    """ALTER TABLE ... DISABLE ROW LEVEL SECURITY, NO FORCE ROW LEVEL SECURITY."""
    if not isinstance(tree, ast.AlterTableStmt):
        return
    name = state.name(tree.relation)
    for command in tree.cmds:
        if command.subtype.name in _OFF and state.may_be_protected(name) and not state.young(name):
            mend = "Leave it out. Whoever has to see all rows for a while is a role that the map exempts."
            why = _OFF[command.subtype.name]
            yield Found(kinds.ROW_SECURITY_OFF, f"table {_shown(name)}", why, mend, _tables(state, name))


def policies(tree: Any, state: State) -> Iterator[Found]:
    """CREATE, ALTER, DROP POLICY, and renaming one."""
    match tree:
        case ast.DropStmt() if tree.removeType.name == "OBJECT_POLICY":
            for one in tree.objects:
                *table, policy = strings(one)
                if ours(policy) or policy == UNKNOWN:
                    name = state.named(table[-2] if len(table) > 1 else None, table[-1])
                    # The others of the guard's are of some tables only.
                    yield _policy(state, name, policy, "goes", goes=policy.lstrip("!") == "rlsguard")
        case ast.AlterPolicyStmt() if ours(tree.policy_name):
            yield _policy(state, state.name(tree.table), tree.policy_name, "is changed")
        case ast.RenameStmt() if tree.renameType.name == "OBJECT_POLICY":
            name = state.name(tree.relation)
            if ours(tree.subname):
                yield _policy(state, name, tree.subname, "is called otherwise, and no longer found")
            elif ours(tree.newname) or _sorts_first(tree.newname):
                yield _asked_before(state, name, tree.newname)
        case ast.CreatePolicyStmt():
            name, policy = state.name(tree.table), tree.policy_name
            if ours(policy):
                yield _policy(state, name, policy, "is made by hand")
            elif state.protected(name) is None or state.young(name):
                return
            elif tree.permissive:
                why = (
                    "it widens nothing while the guard's policy is there. Should that be dropped along with something"
                    " else (CASCADE), nothing would show; with this one beside it, its rows would."
                )
                mend = "Make it AS RESTRICTIVE; or run rlsguard apply MAP afterwards, which tells what is needed."
                yield Found(kinds.PERMISSIVE, f"policy {quote(policy)} on {name}", why, mend, _tables(state, name))
            elif _sorts_first(policy):
                yield _asked_before(state, name, policy)


def ours(policy: str) -> bool:
    """Tell whether a policy is called as the guard's are."""
    return _POLICY.fullmatch(policy) is not None


def _sorts_first(policy: str) -> bool:
    return policy.encode() < _FIRST.encode()


def _policy(state: State, name: QualifiedName, policy: str, what: str, *, goes: bool = False) -> Found:
    about = f"policy {_word(policy)} on {_shown(name)}"
    why = f"a policy of the guard's {what}."
    return Found(kinds.POLICY, about, why, _MAP_FIRST, _tables(state, name), own=ours(policy), goes=goes)


def _asked_before(state: State, name: QualifiedName, policy: str) -> Found:
    why = "it sorts before the guard's: a restrictive policy's functions would then be shown hidden rows."
    mend = "Give it a name that begins with a letter."
    return Found(kinds.POLICY, f"policy {quote(policy)} on {name}", why, mend, _tables(state, name))


_SWITCHED = {
    "AT_DisableTrig": "is off",
    "AT_EnableTrig": "is silent where session_replication_role is replica",
    "AT_EnableReplicaTrig": "is silent but where session_replication_role is replica",
}


def triggers(tree: Any, state: State) -> Iterator[Found]:
    """DISABLE TRIGGER, DROP TRIGGER and the like, where it is the guard's or that of a foreign key."""
    match tree:
        case ast.AlterTableStmt():
            name = state.name(tree.relation)
            for command in tree.cmds if not state.young(name) else ():
                yield from _switched(state, name, command)
        case ast.DropStmt() if tree.removeType.name == "OBJECT_TRIGGER":
            for one in tree.objects:
                *table, trigger = strings(one)
                if _our_trigger(trigger):
                    name = state.named(table[-2] if len(table) > 1 else None, table[-1])
                    yield _trigger(state, name, trigger, "goes: changes are no longer recorded", goes=True)
        case ast.RenameStmt() if tree.renameType.name == "OBJECT_TRIGGER" and _our_trigger(tree.subname):
            yield _trigger(state, state.name(tree.relation), tree.subname, "is called otherwise, and runs out of turn")
        case ast.CreateTrigStmt() if _our_trigger(tree.trigname):
            yield _trigger(state, state.name(tree.relation), tree.trigname, "is made by hand")


def _switched(state: State, name: QualifiedName, command: Any) -> Iterator[Found]:
    kind = command.subtype.name
    entry = state.mapped(state.children.get(name, name))
    audited = entry is not None and entry.audit is not None
    if kind in _SWITCHED and command.name is not None:
        if _our_trigger(command.name):
            yield _trigger(state, name, command.name, _SWITCHED[kind])
        return
    unsure = state.datamap is None or UNKNOWN in name.name + name.schema
    keys = state.of_paths(name) is not None or unsure
    if kind == "AT_DisableTrigAll" and (keys or audited):
        why = "foreign keys are not checked while its triggers are off: rows could come to lead to nobody, and show"
        yield _all(state, name, "ALL", why + ("; and changes are not recorded." if audited else "."))
    elif kind == "AT_DisableTrigUser" and audited:
        yield _all(state, name, "USER", "the guard's triggers are among them: changes are not recorded.")
    elif kind in ("AT_EnableTrigAll", "AT_EnableTrigUser") and audited:
        why = "the guard's triggers are among them, and are then no longer ENABLE ALWAYS: they can be silenced."
        yield _all(state, name, "ALL" if kind == "AT_EnableTrigAll" else "USER", why)


def _all(state: State, name: QualifiedName, which: str, why: str) -> Found:
    mend = "Name the triggers that are meant, one by one; rlsguard apply MAP puts the guard's right."
    return Found(kinds.TRIGGER, f"triggers {which} of {_shown(name)}", why, mend, _tables(state, name))


def _our_trigger(name: str) -> bool:
    return name.startswith("rlsguard")


def _trigger(state: State, name: QualifiedName, trigger: str, what: str, *, goes: bool = False) -> Found:
    about = f"trigger {quote(trigger)} on {_shown(name)}"
    why = f"a trigger of the guard's {what}."
    return Found(kinds.TRIGGER, about, why, _MAP_FIRST, _tables(state, name), own=True, goes=goes)


def replica(tree: Any, state: State) -> Iterator[Found]:
    """What is written while ordinary triggers are silent: those of foreign keys are ordinary."""
    if not state.replica:
        return
    for node in walk(tree):
        if isinstance(node, ast.InsertStmt | ast.UpdateStmt | ast.DeleteStmt | ast.MergeStmt) or (
            isinstance(node, ast.CopyStmt) and node.is_from
        ):
            name = state.name(node.relation)
            if state.of_paths(name) is not None:
                why = "session_replication_role is replica, so foreign keys are not checked: rows could lead to nobody."
                mend = "RESET session_replication_role;  -- before this statement"
                yield Found(kinds.TRIGGER, f"rows of {name}", why, mend, _tables(state, name))


def owners(tree: Any, state: State) -> Iterator[Found]:
    """OWNER TO of protected tables and their schemas, REASSIGN OWNED, DROP OWNED."""
    match tree:
        case ast.AlterTableStmt() if tree.objtype.name in ("OBJECT_TABLE", "OBJECT_FOREIGN_TABLE"):
            name = state.name(tree.relation)
            known = state.datamap is not None and state.may_be_protected(name) and not state.young(name)
            for command in tree.cmds if known else ():
                if command.subtype.name == "AT_ChangeOwner":
                    yield from _given(state, f"table {_shown(name)}", command.newowner, _tables(state, name))
        case ast.AlterOwnerStmt() if tree.objectType.name == "OBJECT_SCHEMA":
            (schema,) = strings(tree.object)
            if tables := state.in_schema(schema):
                yield from _given(state, f"schema {quote(schema)}", tree.newowner, tuple(tables))
        case ast.ReassignOwnedStmt():
            for role in role_names(tree.roles):
                yield from _given(state, f"what {quote(role)} owns", tree.newrole, ())
        case ast.DropOwnedStmt():
            for role in role_names(tree.roles):
                why = "it drops whatever the role owns, and takes its rights; what that is cannot be told here."
                mend = f"Name what is to go: DROP ..., REVOKE ... FROM {quote(role)};"
                if role not in state.nologin | state.unheld:
                    yield Found(kinds.OWNER, f"what {quote(role)} owns", why, mend)


def _given(state: State, about: str, owner: ast.RoleSpec, tables: tuple[QualifiedName, ...]) -> Iterator[Found]:
    role = role_name(owner)
    if role is not None and role in state.nologin and not state.known(role):
        return  # the remedy: an owner that nobody is
    whom = quote(role) if role is not None else "whoever runs this"
    why = f"{whom} becomes the owner, and can switch row security off and drop policies."
    mend = "Let protected tables belong to a role that is NOLOGIN, made in the same migration, and has no members."
    yield Found(kinds.OWNER, about, why, mend, tables, (role,) if role is not None else ())


def _tables(state: State, name: QualifiedName) -> tuple[QualifiedName, ...]:
    table = state.protected(name)
    return (table,) if table is not None else ()


def _shown(name: QualifiedName) -> str:
    """Return a name; for one that only its run tells, that."""
    return "?" if UNKNOWN in name.name else f"?.{quote(name.name)}" if UNKNOWN in name.schema else str(name)


def _word(name: str) -> str:
    return "?" if UNKNOWN in name else quote(name)

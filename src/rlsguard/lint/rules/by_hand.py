"""What is the guard's own: its schemas, its roles, its event triggers."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from pglast import ast

from rlsguard.check import kinds
from rlsguard.lint.rules.found import Found
from rlsguard.lint.state import State
from rlsguard.lint.tree import role_names, strings, walk
from rlsguard.names import QualifiedName, quote

SCHEMAS = ("rlsguard", "rlsguard_views", "rlsguard_events")
_MEND = "Leave it out: the guard is changed by its map and rlsguard apply MAP, taken off by rlsguard uninstall."
# What leaves everything as it is, or is the way to read the guard.
_HARMLESS = (ast.SelectStmt, ast.CommentStmt, ast.LockStmt, ast.VacuumStmt, ast.ExplainStmt, ast.CallStmt)


def by_hand(tree: Any, state: State) -> Iterator[Found]:
    """Whatever makes, changes, drops or grants something of the guard's, or acts as it."""
    dropped = isinstance(tree, ast.DropStmt) and tree.removeType.name != "OBJECT_POLICY"
    goes = dropped or isinstance(tree, ast.DropRoleStmt | ast.DropOwnedStmt)
    for about in dict.fromkeys(_touched(tree, state)):
        why = "it is the guard's, and would no longer be as it was applied."
        yield Found(kinds.BY_HAND, about, why, _MEND, own=True, goes=goes)


# Where row security, policies, triggers, rights and memberships stand.
_CATALOGS = re.compile(r"pg_(class|policy|trigger|attribute|auth\w*|rewrite|proc|namespace|db_role_setting)")


def catalogs(tree: Any, state: State) -> Iterator[Found]:
    """Whatever writes the server's own catalogs."""
    for node in walk(tree):
        if isinstance(node, ast.InsertStmt | ast.UpdateStmt | ast.DeleteStmt | ast.MergeStmt):
            schema, name = node.relation.schemaname, node.relation.relname
            if schema in (None, "pg_catalog") and _CATALOGS.fullmatch(name):
                why = "row security, policies, triggers and rights stand there, and nothing checks what is written."
                yield Found(kinds.CATALOG, f"catalog {name}", why, "Say it by a statement, which can be read.")


def _touched(tree: Any, state: State) -> Iterator[str]:
    for name in _targets(tree, state):
        if name.schema in SCHEMAS:
            yield f"object {name}"
    for schema in _schemas(tree):
        if schema in SCHEMAS:
            yield f"schema {schema}"
    for role in _roles(tree):
        if role.startswith("rlsguard_"):
            yield f"role {role}"
    match tree:
        case ast.CreateEventTrigStmt() | ast.AlterEventTrigStmt() if tree.trigname.startswith("rlsguard"):
            yield f"event trigger {quote(tree.trigname)}"
        case ast.RenameStmt() if tree.renameType.name == "OBJECT_EVENT_TRIGGER":
            if strings(tree.object)[-1].startswith("rlsguard"):
                yield f"event trigger {quote(strings(tree.object)[-1])}"
        case ast.DropStmt() if tree.removeType.name == "OBJECT_EVENT_TRIGGER":
            for one in tree.objects:
                if strings(one)[-1].startswith("rlsguard"):
                    yield f"event trigger {quote(strings(one)[-1])}"


def _targets(tree: Any, state: State) -> Iterator[QualifiedName]:
    """Yield what *tree* makes, changes, drops or grants."""
    if isinstance(tree, _HARMLESS):
        # All but what a WITH, or EXPLAIN ANALYZE, writes.
        for node in walk(tree):
            if isinstance(node, ast.InsertStmt | ast.UpdateStmt | ast.DeleteStmt | ast.MergeStmt):
                yield state.name(node.relation)
        if isinstance(tree, ast.SelectStmt) and tree.intoClause is not None:
            yield state.name(tree.intoClause.rel)
        return
    if isinstance(tree, ast.CopyStmt) and not tree.is_from:
        return
    relation = getattr(tree, "relation", None) or getattr(tree, "view", None) or getattr(tree, "table", None)
    if isinstance(tree, ast.CreateTableAsStmt):
        relation = tree.into.rel
    if isinstance(relation, ast.RangeVar):
        yield state.name(relation)
    for relation in getattr(tree, "relations", None) or ():
        if isinstance(relation, ast.RangeVar):
            yield state.name(relation)
    if isinstance(tree, ast.DropStmt) and tree.removeType.name in ("OBJECT_POLICY", "OBJECT_TRIGGER", "OBJECT_RULE"):
        for one in tree.objects:
            parts = strings(one)[:-1]
            yield state.named(parts[-2] if len(parts) > 1 else None, parts[-1])
        return
    names = [getattr(tree, field, None) for field in ("funcname", "defnames", "domainname", "typeName", "func")]
    if not isinstance(tree, ast.RenameStmt | ast.AlterOwnerStmt | ast.AlterObjectSchemaStmt) or _qualified(tree):
        names.append(getattr(tree, "object", None))
    if isinstance(tree, ast.DropStmt) and tree.removeType.name not in ("OBJECT_SCHEMA", "OBJECT_EVENT_TRIGGER"):
        names += tree.objects
    if isinstance(tree, ast.GrantStmt) and tree.targtype.name == "ACL_TARGET_OBJECT":
        for one in tree.objects or ():
            if isinstance(one, ast.RangeVar):
                yield state.name(one)
            elif isinstance(one, ast.ObjectWithArgs):
                names.append(one)
    for one in names:
        name = state.object(one) if one is not None else None
        if name is not None:
            yield name


def _qualified(tree: Any) -> bool:
    """Tell whether what *tree* names has a schema: schemas, databases and the like have none."""
    kind = getattr(tree, "renameType", None) or getattr(tree, "objectType", None)
    return kind is not None and kind.name not in ("OBJECT_SCHEMA", "OBJECT_DATABASE", "OBJECT_EVENT_TRIGGER")


def _schemas(tree: Any) -> Iterator[str]:
    match tree:
        case ast.CreateSchemaStmt() if tree.schemaname is not None:
            yield tree.schemaname
        case ast.DropStmt() if tree.removeType.name == "OBJECT_SCHEMA":
            for one in tree.objects:
                yield from strings(one)
        case ast.RenameStmt() if tree.renameType.name == "OBJECT_SCHEMA":
            yield from (tree.subname, tree.newname)
        case ast.AlterOwnerStmt() if tree.objectType.name == "OBJECT_SCHEMA":
            yield from strings(tree.object)
        case ast.AlterObjectSchemaStmt():
            yield tree.newschema
        case ast.GrantStmt() if tree.objtype.name == "OBJECT_SCHEMA" or tree.targtype.name.endswith("ALL_IN_SCHEMA"):
            for one in tree.objects or ():
                yield from strings(one)
        case ast.AlterDefaultPrivilegesStmt():
            for one in tree.options or ():
                if one.defname == "schemas":
                    for schema in one.arg:
                        yield from strings(schema)


def _roles(tree: Any) -> Iterator[str]:
    """Yield the roles that *tree* changes, or acts as."""
    match tree:
        case ast.CreateRoleStmt():
            yield tree.role
        case ast.AlterRoleStmt():
            yield from role_names((tree.role,))
        case ast.AlterRoleSetStmt() if tree.role is not None:
            yield from role_names((tree.role,))
        case ast.DropRoleStmt() | ast.DropOwnedStmt():
            yield from role_names(tree.roles)
        case ast.ReassignOwnedStmt():
            yield from role_names((*tree.roles, tree.newrole))
        case ast.RenameStmt() if tree.renameType.name == "OBJECT_ROLE":
            yield tree.subname
        case ast.AlterOwnerStmt():
            yield from role_names((tree.newowner,))
        case ast.GrantRoleStmt():
            yield from role_names(tree.grantee_roles)
        case ast.VariableSetStmt() if tree.name in ("role", "session_authorization"):
            for one in tree.args or ():
                value = getattr(one, "val", None)
                if isinstance(value, ast.String):
                    yield str(value.sval)
        case ast.AlterDefaultPrivilegesStmt():
            for one in tree.options or ():
                if one.defname == "roles":
                    yield from role_names(one.arg)

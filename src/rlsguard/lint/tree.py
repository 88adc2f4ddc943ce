"""Questions to ask of a statement's tree."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pglast import ast


def walk(node: Any) -> Iterator[Any]:
    """Yield *node* and every node below it, however deep, in the order of their writing."""
    stack = [node]
    while stack:
        one = stack.pop()
        if isinstance(one, ast.Node):
            yield one
            stack.extend(getattr(one, name) for name in reversed(tuple(one)))
        elif isinstance(one, tuple):
            stack.extend(reversed(one))


# What writes: its target is no table that it reads.
_WRITES = (ast.InsertStmt, ast.UpdateStmt, ast.DeleteStmt, ast.MergeStmt)


def reads(node: Any) -> Iterator[ast.RangeVar]:
    """Yield the tables that *node* reads: not those that it writes, nor what WITH has named."""
    stack: list[tuple[Any, frozenset[str]]] = [(node, frozenset())]
    while stack:
        one, named = stack.pop()
        if isinstance(one, tuple):
            stack.extend((item, named) for item in reversed(one))
        elif isinstance(one, ast.IntoClause):
            continue
        elif isinstance(one, ast.RangeVar):
            if one.schemaname is not None or one.relname not in named:
                yield one
        elif isinstance(one, ast.Node):
            names = set(one)
            if isinstance(one, _WRITES):
                names.discard("relation")
            with_clause = getattr(one, "withClause", None) if "withClause" in names else None
            if with_clause is not None:
                names.discard("withClause")
                every = frozenset(cte.ctename for cte in with_clause.ctes)
                so_far = named
                for cte in with_clause.ctes:
                    # Unless it is RECURSIVE, one sees only those before it: its own name is still the table's.
                    stack.append((cte.ctequery, named | every if with_clause.recursive else so_far))
                    so_far |= {cte.ctename}
                named |= every
            stack.extend((getattr(one, name), named) for name in names)


def strings(names: Any) -> tuple[str, ...]:
    """Return a dotted name as its parts."""
    if isinstance(names, ast.String):
        return (str(names.sval),)
    if isinstance(names, ast.TypeName):
        return strings(names.names)
    if isinstance(names, ast.ObjectWithArgs):
        return strings(names.objname)
    return tuple(str(part.sval) for part in names or () if isinstance(part, ast.String))


def option(options: Any, name: str) -> Any:
    """Return the argument of the option *name*, or None; True for one that is just there."""
    for one in options or ():
        if isinstance(one, ast.DefElem) and one.defname == name:
            return True if one.arg is None else one.arg
    return None


def is_true(value: Any) -> bool:
    """Tell whether an option's argument says yes, in whichever way PostgreSQL takes it."""
    match value:
        case None:
            return False
        case bool():
            return value
        case ast.Boolean():
            return bool(value.boolval)
        case ast.Integer():
            return value.ival == 1
        case ast.String():
            text = str(value.sval).lower()
        case ast.TypeName():  # a bare word: security_invoker = yes
            text = "".join(strings(value)[-1:]).lower()
        case _:
            return False
    return text != "" and text != "o" and any(word.startswith(text) for word in ("true", "yes", "on", "1"))


def function_path(tree: Any) -> tuple[str, ...] | None:
    """Return the search_path that *tree*, if it makes a function, sets for that."""
    for one in tree.options or () if isinstance(tree, ast.CreateFunctionStmt) else ():
        if one.defname == "set" and one.arg.name == "search_path":
            return tuple(str(value.val.sval) for value in one.arg.args or () if isinstance(value.val, ast.String))
    return None


def role_name(role: ast.RoleSpec) -> str | None:
    """Return the name of a role; None for CURRENT_USER and the like; "PUBLIC" for everybody."""
    kind = role.roletype.name
    if kind == "ROLESPEC_PUBLIC":
        return "PUBLIC"
    return str(role.rolename) if kind == "ROLESPEC_CSTRING" else None


def role_names(roles: Any) -> list[str]:
    """Return the names of *roles*, as far as they have any."""
    return [name for role in roles or () if (name := role_name(role)) is not None]


_COUNTS = {"count", "sum", "avg"}


def only_counts(query: Any) -> bool:
    """Tell whether *query* is about all rows together: only aggregates, of no group and of nobody in particular."""
    if not isinstance(query, ast.SelectStmt) or query.op.name != "SETOP_NONE" or not query.targetList:
        return False
    if query.groupClause or query.whereClause or query.distinctClause or query.windowClause or query.withClause:
        return False
    return all(_counts(target.val) for target in query.targetList)


def _counts(node: Any) -> bool:
    match node:
        case ast.FuncCall():
            return strings(node.funcname)[-1] in _COUNTS and node.over is None
        case ast.A_Const():
            return True
        case ast.TypeCast():
            return _counts(node.arg)
    return False

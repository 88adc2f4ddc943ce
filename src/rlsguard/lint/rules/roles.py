"""Roles that no policy holds, who may become whom, and rights that policies do not govern."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from pglast import ast

from rlsguard.check import kinds
from rlsguard.lint.model import UNKNOWN
from rlsguard.lint.rules.found import Found, listed
from rlsguard.lint.state import State
from rlsguard.lint.tree import is_true, option, role_name, role_names, strings
from rlsguard.names import QualifiedName, quote
from rlsguard.prove.around.roles import PREDEFINED

_ATTRIBUTES = {
    "superuser": ("SUPERUSER", "no policy holds a superuser"),
    "bypassrls": ("BYPASSRLS", "no policy holds a role with BYPASSRLS"),
    "isreplication": ("REPLICATION", "it can copy the whole server, and policies have no say in that"),
}


def attributes(tree: Any, state: State) -> Iterator[Found]:
    """CREATE and ALTER ROLE with SUPERUSER, BYPASSRLS, REPLICATION."""
    if not isinstance(tree, ast.CreateRoleStmt | ast.AlterRoleStmt):
        return
    name = tree.role if isinstance(tree.role, str) else role_name(tree.role)
    if name is None or name.startswith("rlsguard_") or state.exempt(name):
        return
    given = [_ATTRIBUTES[one] for one in _ATTRIBUTES if is_true(option(tree.options, one))]
    if given:
        words = " ".join(word for word, _ in given)
        mend = f"Leave {words} out; or say under exempt: in the map why, and until when, opt-outs do not hold it."
        yield Found(kinds.ATTRIBUTE, f"role {quote(name)}", f"{given[0][1]}.", mend, roles=(name,))


# Who runs the migrations is not known by name.
_WHOEVER = "CURRENT_USER"
_GUARD = ("rlsguard_owner", "rlsguard_nobody")


def memberships(tree: Any, state: State) -> Iterator[Found]:
    """GRANT role TO role, and the other ways to say it."""
    for granted, member in _members(tree, state):
        if member.startswith("rlsguard_"):
            continue
        if state.known(member):
            state.end(("role", granted))
        who = member if member == _WHOEVER else quote(member)
        about = f"membership of {who} in {quote(granted)}"
        mend = f"Leave it out; where it was run: REVOKE {quote(granted)} FROM {who};"
        if granted in ("rlsguard_recorder", "rlsguard_sealer"):
            what = "records what people said" if granted == "rlsguard_recorder" else "seals the ledger"
            why = f"{who} {what} from then on, no more, no less: is it to be trusted with that?"
            yield Found(kinds.RECORDER, about, why, "Nothing, if it is.", roles=(member,))
        elif (how := _freed(state, granted, member)) is not None:
            # For the time of a transaction, whoever runs it.
            own = granted in _GUARD and (member == _WHOEVER or UNKNOWN in member)
            yield Found(kinds.MEMBERSHIP, about, how, mend, roles=(member,), own=own)


def _members(tree: Any, state: State) -> Iterator[tuple[str, str]]:
    """Yield which role would get which member."""
    match tree:
        case ast.GrantRoleStmt() if tree.is_grant:
            if all(option(tree.opt, o) is not None and not is_true(option(tree.opt, o)) for o in ("set", "inherit")):
                return  # neither reads as it nor can become it
            for granted in tree.granted_roles:
                for member in tree.grantee_roles:
                    yield granted.priv_name, role_name(member) or state.role or _WHOEVER
        case ast.CreateRoleStmt():
            for granted in role_names(option(tree.options, "addroleto")):
                yield granted, tree.role
            for how in ("rolemembers", "adminmembers"):
                for member in role_names(option(tree.options, how)):
                    yield tree.role, member
        case ast.AlterRoleStmt() if tree.action > 0:  # ALTER GROUP ... ADD USER
            for member in tree.options or ():
                for name in role_names(member.arg if member.defname == "rolemembers" else ()):
                    yield role_name(tree.role) or _WHOEVER, name


def _freed(state: State, granted: str, member: str) -> str | None:
    """Return how membership of *granted* would free *member*, if it would."""
    who = quote(granted)
    if granted in _GUARD:
        return f"{who} is the guard: whoever can become it can switch everything off."
    if state.exempt(member):
        return None
    if granted in PREDEFINED:
        return f"{who} {PREDEFINED[granted]}."
    if granted == "rlsguard_auditor":
        return "it reads rlsguard.change_event, in which everybody's rows are, those of people who opted out too."
    if granted in state.unheld:
        return f"no policy holds {who}, and {quote(member)} can become it."
    if granted in state.owners:
        return f"{who} owns protected tables: as it, {quote(member)} can drop their policies."
    if state.exempt(granted):
        return f"the map exempts {who}, and not {quote(member)}, who can become it."
    less = state.held_to(member) - state.held_to(granted)
    if state.known(granted) and less:
        return f"as {who} it is not held to opt-outs of {', '.join(sorted(less))}."
    return None


_UNGOVERNED = {
    "truncate": "TRUNCATE empties it without a policy being asked",
    "trigger": "TRIGGER attaches code that sees every row that anybody writes",
    "references": "REFERENCES makes foreign keys that tell which keys exist",
}


def privileges(tree: Any, state: State) -> Iterator[Found]:
    """GRANT on protected tables."""
    if not isinstance(tree, ast.GrantStmt) or not tree.is_grant or tree.objtype.name != "OBJECT_TABLE":
        return
    tables = _granted(tree, state)
    if not tables:
        return
    given = [p.priv_name for p in tree.privileges or ()] or list(_UNGOVERNED)
    ungoverned = [one for one in given if one in _UNGOVERNED]
    named = tuple(sorted({table for name in tables if (table := state.protected(name)) is not None}))
    for role in role_names(tree.grantees):
        if state.exempt(role) or role.startswith("rlsguard_"):
            continue
        who = role if role == "PUBLIC" else quote(role)
        about = f"rights of {who} on {listed(tables)}"
        if ungoverned:
            why = "; ".join(_UNGOVERNED[one] for one in ungoverned) + "."
            mend = f"GRANT SELECT, INSERT, UPDATE, DELETE ON {listed(tables)} TO {who};  -- what of it is needed"
            yield Found(kinds.GRANTED, about, why, mend, named, (role,))
        elif not state.known(role):
            why = "the map does not say what it reads for: it is held to every opt-out, and nobody has decided that."
            mend = f"Say under roles: in the map what {who} reads for; or grant it to such roles only."
            yield Found(kinds.NEW_READER, about, why, mend, named, (role,), ending=("role", role))


def _granted(tree: Any, state: State) -> list[QualifiedName]:
    """Return the protected tables that a GRANT is about."""
    if tree.targtype.name == "ACL_TARGET_ALL_IN_SCHEMA":
        return [name for one in tree.objects for name in state.in_schema(strings(one)[0])]
    if tree.targtype.name != "ACL_TARGET_OBJECT":
        return []
    names = [state.name(one) for one in tree.objects]
    return [name for name in names if state.protected(name) is not None]


# As the search of a live database has them.
_OF_LOGINS = re.compile(r"session_replication_role|(session|local)_preload_libraries|pgaudit\..*")
_OF_RIGHTS = re.compile(
    r"session_replication_role|pgaudit\..*|lo_compat_privileges|.*(preload_libraries|_library|_path|_command|_file)"
)
_NOT_CODE = {"search_path"}


def settings(tree: Any, state: State) -> Iterator[Found]:
    """ALTER ROLE, DATABASE and SYSTEM ... SET, GRANT SET ON PARAMETER, and SET of the audit's own."""
    match tree:
        case ast.AlterRoleSetStmt() | ast.AlterDatabaseSetStmt() | ast.AlterSystemStmt():
            yield from _set(state, tree)
        case ast.VariableSetStmt() if (tree.name or "").startswith("pgaudit."):
            why = "reads may go unaudited from here on."
            yield Found(kinds.SETTING, f"setting {tree.name}", why, "Leave it out.")
        case ast.GrantStmt() if tree.is_grant and tree.objtype.name == "OBJECT_PARAMETER_ACL":
            for one in tree.objects:
                (name,) = strings(one)
                if _OF_RIGHTS.fullmatch(name) and name not in _NOT_CODE:
                    why = "whoever may set it can switch triggers or the audit off, or load code."
                    yield Found(kinds.SETTING, f"parameter {name}", why, "Leave it out.")


def _set(state: State, tree: Any) -> Iterator[Found]:
    setting = tree.setstmt
    if setting.kind.name not in ("VAR_SET_VALUE", "VAR_SET_CURRENT") or setting.name is None:
        return
    match tree:
        case ast.AlterRoleSetStmt():
            login = role_name(tree.role) if tree.role is not None else None
            whose = f"role {quote(login)}" if login is not None else "all roles"
        case ast.AlterDatabaseSetStmt():
            login, whose = None, f"database {quote(tree.dbname)}"
        case _:
            login, whose = None, "the server"
    values = [one.val.sval for one in setting.args or () if isinstance(getattr(one, "val", None), ast.String)]
    about = f"setting {setting.name} of {whose}"
    if setting.name == "role" and values:
        (become,) = values
        why = _freed(state, become, login or "")
        if why is not None and login != become:
            yield Found(kinds.SETTING, about, f"sessions begin as {quote(become)}: {why}", "Leave it out.")
    elif _OF_LOGINS.fullmatch(setting.name) and values != ["origin"]:
        why = "sessions begin with triggers or the audit silenced, or with code of others."
        yield Found(kinds.SETTING, about, why, "Leave it out.")

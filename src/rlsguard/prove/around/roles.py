"""Roles and rights that reach past policies, or can take them away."""

from __future__ import annotations

from collections.abc import Iterator

from rlsguard.names import QualifiedName, quote
from rlsguard.prove.around.revoking import leave, listed, revoke
from rlsguard.prove.model import Assumption, WayAround
from rlsguard.prove.scene import Scene

# Predefined roles that read what policies do not govern: files, programs, TOAST tables, statistics.
# https://www.postgresql.org/docs/current/predefined-roles.html
PREDEFINED = {
    "pg_read_all_data": "reads TOAST tables and statistics, which policies do not govern",
    "pg_read_server_files": "reads the server's files, its tables and logs among them",
    "pg_write_server_files": "writes the server's files",
    "pg_execute_server_program": "runs programs as the server",
    "pg_maintain": "refreshes materialised views as their owners",
}


def of_the_map(scene: Scene) -> Iterator[WayAround]:
    """Name roles of the map that opt-outs are to hold, and that no policy holds."""
    for name in scene.datamap.roles:
        role = scene.catalog.roles.get(name)
        if role is None or not scene.held(name).purposes:
            continue
        has = {"SUPERUSER": role.superuser, "BYPASSRLS": role.bypass_rls, "REPLICATION": role.replication}
        mend = f"ALTER ROLE {quote(name)} {' '.join(f'NO{attribute}' for attribute, given in has.items() if given)};"
        about = f"role {quote(name)}"
        if scene.above(name):
            what = "a superuser" if role.superuser else "a role with BYPASSRLS"
            yield WayAround("role", about, (), (name,), f"it is {what}: no policy holds it.", mend)
        elif role.replication:
            why = "it has REPLICATION: it can copy the whole server, and policies have no say in that."
            yield WayAround("role", about, (), (name,), why, mend)


def exempt_members(scene: Scene) -> Iterator[WayAround]:
    """Name roles that are exempt only because they are members of a role that the map exempts."""
    for name, role in sorted(scene.catalog.roles.items()):
        exempt = scene.held(name).exempt
        if role.can_login and not scene.above(name) and exempt not in (None, name):
            why = f"it is exempt as a member of {quote(exempt or '')}; the map does not name it."
            mend = leave(scene, exempt or "", name) + "  -- or name it under exempt: in the map"
            yield WayAround("exempt-member", f"role {quote(name)}", (), (name,), why, mend)


def become(scene: Scene) -> Iterator[WayAround | Assumption]:
    """Name logins that can become a role that no policy holds, that owns protected tables, or that sees around them."""
    owners: dict[str, int] = {}
    for protection in scene.protected.values():
        owner = scene.catalog.tables[protection.name].owner
        owners[owner] = owners.get(owner, 0) + 1
    named = scene.datamap.roles.keys() | scene.datamap.exempt.keys()
    for login, role in scene.session.file("around/become"):
        if scene.above(login):
            continue
        about = f"role {quote(login)}"
        if scene.above(role) or role in ("rlsguard_owner", "rlsguard_nobody"):
            why = f"it is a member of {quote(role)}, whom no policy holds, and can become it."
            yield WayAround("member", about, (), (login,), why, leave(scene, role, login))
        elif scene.catalog.roles[role].replication and not scene.catalog.roles[login].replication:
            why = f"it is a member of {quote(role)}, who has REPLICATION, and can copy the whole server as it."
            yield WayAround("member", about, (), (login,), why, leave(scene, role, login))
        elif role in PREDEFINED:
            yield WayAround(
                "predefined-role", about, (), (login,), f"{quote(role)} {PREDEFINED[role]}.", leave(scene, role, login)
            )
        elif role == "rlsguard_auditor" and scene.held(login).purposes:
            why = "it reads rlsguard.change_event, in which everybody's rows are, those of people who opted out too."
            yield WayAround("auditor", about, (), (login,), why, leave(scene, role, login))
        elif role in owners:
            text = f"it can drop the policies of {owners[role]} tables of {quote(role)}, and is taken not to."
            yield Assumption(about, text)
        elif role in named and scene.held(login).purposes - scene.held(role).purposes:
            text = f"it can SET ROLE {quote(role)}, who is held to less, and is taken to do so for its purpose only."
            yield Assumption(about, text)
    for owner, tables in sorted(owners.items()):
        if scene.catalog.roles[owner].can_login and not scene.above(owner):
            text = f"as their owner it can drop the policies of {tables} tables, and is taken not to."
            yield Assumption(f"role {quote(owner)}", text)


def attributes(scene: Scene) -> Iterator[Assumption]:
    """Name logins with an attribute that no policy can do anything about."""
    for name, superuser, bypass, replication, createrole in scene.session.file("around/attributes"):
        about = f"role {quote(name)}"
        if superuser:
            text = "it is a superuser: it sees every row, and can change everything, what this proof compares with too."
            yield Assumption(about, text)
            continue
        if bypass:
            yield Assumption(about, "it has BYPASSRLS: it sees every row.")
        if replication:
            yield Assumption(about, "it has REPLICATION: it can copy the whole server.")
        if createrole and scene.catalog.major < 16:
            yield Assumption(about, "it has CREATEROLE: before PostgreSQL 16 it can join the owner of any table.")
    yield from _ALWAYS


_ALWAYS = (
    Assumption(
        "raw SQL",
        "who writes it can infer hidden values, by EXPLAIN ANALYZE, timing and errors of unique constraints.",
    ),
    Assumption("backups, WAL and logs", "they hold rows in clear, for whoever reads them."),
    Assumption("open cursors and older snapshots", "they keep what they saw before an opt-out."),
)


def privileges(scene: Scene) -> Iterator[WayAround | Assumption]:
    """Name rights to protected tables that policies do not govern."""
    triggers: dict[tuple[str, ...], list[QualifiedName]] = {}
    passers: dict[tuple[str, ...], set[str]] = {}
    for oid, privilege, grantees in scene.session.file("around/privileges", [[*scene.protected]]):
        name, who = scene.protected[oid].name, tuple(sorted(grantees))
        if privilege == "TRIGGER":
            triggers.setdefault(who, []).append(name)
            passers.setdefault(who, set()).update(scene.passed_on.get((oid, privilege), ()))
        elif privilege == "REFERENCES":
            text = f"{listed(who)} may make foreign keys to it, and find out which keys exist."
            yield Assumption(f"table {name}", text)
    for who, tables in triggers.items():
        why = "TRIGGER lets it attach code that sees every row that anybody writes."
        mend = revoke("TRIGGER", ", ".join(map(str, sorted(tables))), who, sorted(passers[who]))
        yield WayAround("privilege", f"TRIGGER of {listed(who)}", tuple(sorted(tables)), who, why, mend)


def toast(scene: Scene) -> Iterator[WayAround]:
    """Name rights to read the TOAST tables of protected tables, which hold long values and can have no policy."""
    for oid, toast_oid, table, grantees in scene.session.file("around/toast", [[*scene.protected]]):
        roles = scene.held_among(grantees)
        if roles:
            why = "it holds long values of every row, and can have no policy."
            mend = revoke("SELECT", table, grantees, scene.passed_on.get((toast_oid, "SELECT"), ()))
            yield WayAround(
                "privilege", f"SELECT of {listed(grantees)} on {table}", scene.names([oid]), roles, why, mend
            )


def settings(scene: Scene) -> Iterator[WayAround | Assumption]:
    """Name settings of logins and databases that make them somebody else, or silence triggers or the audit."""
    become = scene.session.file("around/become")
    for role, database, name, value in scene.session.file("around/role_settings"):
        whose = f"role {quote(role)}" if role else f"database {quote(database)}" if database else "all roles"
        where = f" IN DATABASE {quote(database)}" if role and database else ""
        about, roles = f"setting {name} of {whose}", (role,) if role else ()
        whom = f"ROLE {quote(role)}" if role else f"DATABASE {quote(database)}" if database else "ROLE ALL"
        mend = f"ALTER {whom}{where} RESET {name};"
        if name == "role" and value in scene.catalog.roles:
            freed = [role] if role else [login for login, other in become if other == value]
            less = tuple(
                one
                for one in freed
                if not scene.above(one)
                and (scene.above(value) or scene.held(one).purposes - scene.held(value).purposes)
            )
            if less:
                whose = "its sessions" if role else f"sessions of {', '.join(map(quote, less))}"
                why = f"{whose} begin as {quote(value)}, who is held to less."
                yield WayAround("role-setting", about, (), less, why, mend)
        elif name == "session_replication_role" and value != "origin":
            yield WayAround("role-setting", about, (), roles, "it silences ordinary triggers.", mend)
        elif name.startswith("pgaudit."):
            why = f"it sets {name} to {value!r}: reads may go unaudited."
            yield WayAround("role-setting", about, (), roles, why, mend)
        elif name.endswith("preload_libraries"):
            yield Assumption(about, f"it loads {value!r} into every session.")

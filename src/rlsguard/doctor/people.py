"""Who stands above the policies, who can take them away, and whom they keep from loading."""

from __future__ import annotations

from collections.abc import Iterator

from rlsguard.doctor.model import Finding, named
from rlsguard.doctor.scene import OWNER, Scene
from rlsguard.names import quote

_EXEMPT = "Let nobody read personal data as one of them; an exemption in the map has a reason and an end."


def above(scene: Scene) -> Iterator[Finding]:
    """Name the logins that no policy holds, and those that can lift the policies."""
    logins: dict[str, set[str]] = {"superuser": set(), "bypassrls": set()}
    for row in scene.rows("above_policies"):
        logins[row.attribute].add(row.login)
    supers, bypassers = logins["superuser"], logins["bypassrls"] - logins["superuser"]
    if supers:
        message = f"superusers, and logins that can become one, see every row: {named(supers)}."
        yield Finding("superusers", "note", "", message, _EXEMPT)
    if bypassers:
        message = f"logins with BYPASSRLS, or that can become a role with it, see every row: {named(bypassers)}."
        yield Finding("bypassrls", "note", "", message, f"{_EXEMPT} ALTER ROLE name NOBYPASSRLS;")
    else:
        yield Finding("bypassrls", "ok", "", "no login has BYPASSRLS without being a superuser.", "")
    if scene.catalog.major < 16:
        makers = {r.name for r in scene.catalog.roles.values() if r.create_role and r.can_login and not r.superuser}
        if makers:
            message = f"before PostgreSQL 16, CREATEROLE is enough to join any role, {OWNER} too: {named(makers)}."
            yield Finding("createrole", "note", "", message, "ALTER ROLE name NOCREATEROLE; or upgrade.")


def owners(scene: Scene) -> Iterator[Finding]:
    """Name the logins that own protected tables: policies hold them, but they can drop those."""
    rows = scene.rows("owners", [[table.oid for table in scene.tables]])
    for row in rows:
        message = f"who owns a table can take its policies away; as owner of protected ones: {named(row.logins)}."
        advice = "Give the tables to a role without login, and log in as another than the one that migrates."
        yield Finding("table-owners", "note", row.owner, message, advice)
    if not rows:
        yield Finding("table-owners", "ok", "", "no ordinary login owns a protected table.", "")


def auditors(scene: Scene) -> Iterator[Finding]:
    """Name roles that opt-outs are meant for and that read the row changes, in which everybody's old values are."""
    if scene.datamap is None:
        return
    held = [r.name for r in scene.datamap.roles.values() if any(scene.datamap.purposes[p].opt_out for p in r.purposes)]
    found = [row.role for row in scene.rows("auditors", [held])]
    for role in found:
        message = (
            f"{quote(role)} may read rlsguard.change_event: the row changes of audited tables, opted-out people's too."
        )
        yield Finding("auditors", "warning", role, message, f"REVOKE rlsguard_auditor FROM {quote(role)};")
    if not found:
        yield Finding("auditors", "ok", "", "no role that opt-outs are meant for reads the row changes.", "")


def loaders(scene: Scene) -> Iterator[Finding]:
    """Name who may insert: PostgreSQL refuses COPY FROM to every role that policies hold."""
    names = {table.oid: str(table.name) for table in scene.tables}
    found = {names[row.oid]: row.roles for row in scene.rows("loaders", [list(names)]) if row.roles}
    advice = "Load with INSERT, or COPY into a table of your own and INSERT ... SELECT from there."
    for name, roles in sorted(found.items()):
        yield Finding("copy-from", "note", name, f"COPY {name} FROM is refused to {named(roles)}.", advice)
    if not found:
        yield Finding("copy-from", "ok", "", "no role that policies hold may insert into a protected table.", "")


def emptiers(scene: Scene) -> Iterator[Finding]:
    """Name who may TRUNCATE: row security does not reach it."""
    held = [table for table in scene.tables if table.truncate_grantees]
    for table in held:
        who = named(table.truncate_grantees)
        message = f"TRUNCATE ignores row security; on {table.name} it is held by {who}."
        yield Finding("truncate", "warning", str(table.name), message, f"REVOKE TRUNCATE ON {table.name} FROM {who};")
    if not held:
        yield Finding("truncate", "ok", "", "none but the owners may TRUNCATE a protected table.", "")

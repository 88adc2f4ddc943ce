"""Taking rlsguard out of a database: everything it made, nothing of the user's, what it recorded only if told."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import psycopg
from psycopg import sql

from rlsguard.apply import enter_owner, leave_owner, refusal
from rlsguard.catalog.installed import load_installed
from rlsguard.names import Name, QualifiedName
from rlsguard.plan.build import before_ours
from rlsguard.problems import RlsguardError
from rlsguard.sqlfiles import read
from rlsguard.undo import remove_audit, remove_event_triggers, remove_protection

# What was recorded, and what it needs to stay what it is: append-only, and the salt by which hashes can be told to be
# equal. All roles stay with it, so that auditors can read it and a later apply finds everybody who may record.
_LOG = ("log_epoch", "log_seal", "log_leaf", "log_node", "log_checkpoint")
_RECORDED = (
    *("opt_out_event", "erasure", *_LOG, "change_entry", "change_event", "retention", "secret"),
    *("refuse_change", "erase_only", "erase_content_only", "retired_only"),
)
_ROLES = ("rlsguard_recorder", "rlsguard_auditor", "rlsguard_sealer", "rlsguard_nobody", "rlsguard_owner")


@dataclass(frozen=True, slots=True)
class Removal:
    """What an uninstall does.

    Attributes:
        statements: what is run, in order.
        ledger_entries: how many entries the ledger holds.
        row_changes: whether row changes of audited tables are recorded.
        keeps_ledger: whether both stay.
        kept_roles: roles that stay: all of them with the ledger, else such as are still used elsewhere on the server.
        memberships: who records or audits and loses that, because the role goes: role and member.
        shut: where the guard was already gone, tables that nobody sees a row of.
    """

    statements: tuple[str, ...]
    ledger_entries: int
    row_changes: bool
    keeps_ledger: bool
    kept_roles: tuple[str, ...]
    memberships: tuple[tuple[str, str], ...]
    shut: tuple[str, ...] = ()

    @property
    def only_ledger(self) -> bool:
        """Whether there is nothing to remove, because an earlier uninstall left nothing but the ledger."""
        return self.keeps_ledger and not self.statements


def uninstall(
    conn: psycopg.Connection[Any],
    *,
    drop_ledger: bool = False,
    dry_run: bool = False,
    lock_timeout: float = 5.0,
    announce: Callable[[Removal], None] = lambda removal: None,
) -> Removal:
    """Remove all that rlsguard made in the database of *conn*, which must be idle; all or nothing.

    The ledger and the recorded row changes stay unless *drop_ledger*, or unless both are empty.

    Args:
        lock_timeout: seconds to wait for each lock.
        announce: told what will be removed before it is.

    Raises:
        RlsguardError: rlsguard is not there, something of the user's depends on it, or the database refused.
    """
    try:
        with conn.transaction(force_rollback=dry_run):
            conn.execute("SELECT pg_catalog.set_config('lock_timeout', %s, true)", [f"{int(lock_timeout * 1000)}ms"])
            enter_owner(conn)
            removal = _plan(conn, drop_ledger)
            announce(removal)
            if dry_run:
                return removal
            for statement in removal.statements:
                conn.execute(statement)
            leave_owner(conn)
            return _drop_roles(conn, removal)
    except psycopg.Error as error:
        detail = f": {error.diag.message_detail}" if error.diag.message_detail else ""
        raise RlsguardError(f"nothing was removed: {refusal(error)}{detail}") from error


def _plan(conn: psycopg.Connection[Any], drop_ledger: bool) -> Removal:
    if not _fetch(conn, "SELECT FROM pg_namespace WHERE nspname = 'rlsguard'"):
        return _left_over(conn)
    entries = _ask(conn, "opt_out_event", "SELECT count(*) FROM rlsguard.opt_out_event")
    there = "SELECT EXISTS (SELECT FROM rlsguard.change_entry)"
    # Also where all of them went: that is on record.
    retired = "SELECT EXISTS (SELECT FROM rlsguard.retention)"
    row_changes = bool(_ask(conn, "change_entry", there) or _ask(conn, "retention", retired))
    keeps = (entries > 0 or row_changes) and not drop_ledger
    statements = (
        *_event_triggers(conn),
        *_user_tables(conn),
        *_grants(conn),
        *_guard(conn, _RECORDED if keeps else ()),
    )
    kept, memberships = _roles(conn, keeps)
    return Removal(tuple(s.as_string(conn) for s in statements), entries, row_changes, keeps, kept, memberships)


def _roles(conn: psycopg.Connection[Any], keeps: bool) -> tuple[tuple[str, ...], tuple[tuple[str, str], ...]]:
    """Return the roles that stay, and the memberships that go with the others."""
    kept = _ROLES if keeps else tuple(role for (role,) in _fetch(conn, read("uninstall/used_elsewhere.sql")))
    return kept, tuple(conn.execute(read("uninstall/members.sql"), [list(kept)]).fetchall())


def _ask(conn: psycopg.Connection[Any], table: str, query: str) -> int:
    """Return the one value of *query*, or 0 where the guard's *table* is not there."""
    there = conn.execute("SELECT to_regclass(%s)", [f"rlsguard.{table}"]).fetchone()
    return int(_fetch(conn, query)[0][0]) if there and there[0] else 0


def _left_over(conn: psycopg.Connection[Any]) -> Removal:
    """Return what takes away the rest of a guard whose schema was dropped by hand."""
    shut = tuple(str(QualifiedName(*row)) for row in _fetch(conn, read("uninstall/shut.sql")))
    statements = (*_event_triggers(conn), *_user_tables(conn), *_grants(conn), *_views_schema(conn))
    if statements:
        return Removal(tuple(s.as_string(conn) for s in statements), 0, False, False, *_roles(conn, False), shut)
    about = f". {told_of(shut)}" if shut else ""
    raise RlsguardError(f"rlsguard is not installed in this database{about}")


def told_of(shut: tuple[str, ...]) -> str:
    """Return what to do about tables that are *shut*: not ours to open, for they may have been shut on purpose."""
    off = "; ".join(f"ALTER TABLE {name} DISABLE ROW LEVEL SECURITY, NO FORCE ROW LEVEL SECURITY" for name in shut)
    return (
        f"Row security is on and forced, without a policy, so that nobody sees a row of {', '.join(shut)}."
        f" If that is left over from a guard whose schema was dropped: {off}"
    )


def _event_triggers(conn: psycopg.Connection[Any]) -> Iterator[sql.Composed]:
    if _fetch(conn, "SELECT FROM pg_namespace WHERE nspname = 'rlsguard_events'"):
        yield from remove_event_triggers()


def _user_tables(conn: psycopg.Connection[Any]) -> Iterator[sql.Composed]:
    """Yield what un-guards every table, under the name that it has now."""
    names = {oid: (schema, name) for oid, schema, name in _fetch(conn, read("uninstall/tables.sql"))}
    done: set[tuple[str, str]] = set()
    audited: set[tuple[str, str]] = set()
    for entry in load_installed(conn).manifest.values():
        place = names.get(entry.detail.get("oid", 0))
        if place is None:
            continue
        detail = {**entry.detail, "schema": place[0], "table": place[1]}
        if detail["kind"] == "protect":
            done.add(place)
            yield from remove_protection(detail)
        elif detail["kind"] == "audit":
            audited.add(place)
            yield from remove_audit(detail)
    # Tables that were renamed, and another guarded under their name, are no longer in the manifest.
    for schema, name, triggers in _fetch(conn, read("uninstall/audits.sql")):
        if (schema, name) not in audited:
            yield from remove_audit({"schema": schema, "table": name, "triggers": triggers})
    # Hop policies, and whatever is ours on tables that the manifest does not know.
    for schema, name, policies in _fetch(conn, read("uninstall/policies.sql")):
        if (schema, name) not in done and any(policy.endswith("!rlsguard") for policy in policies):
            before = before_ours(policies)
            yield from remove_protection(
                {
                    "schema": schema,
                    "table": name,
                    "policies": policies,
                    "row_security_before": before.row_security,
                    "force_before": before.force,
                }
            )
        else:
            for policy in policies:
                yield sql.SQL("DROP POLICY IF EXISTS {} ON {}").format(Name(policy), Name(schema, name))


def _grants(conn: psycopg.Connection[Any]) -> Iterator[sql.Composed]:
    for schema, name, columns in _fetch(conn, read("uninstall/columns.sql")):
        yield sql.SQL("REVOKE SELECT ({}) ON {} FROM rlsguard_owner").format(
            sql.SQL(", ").join(Name(column) for column in columns), Name(schema, name)
        )
    for (schema,) in _fetch(conn, read("uninstall/schemas.sql")):
        yield sql.SQL("REVOKE USAGE ON SCHEMA {} FROM rlsguard_owner, rlsguard_nobody").format(Name(schema))


def _guard(conn: psycopg.Connection[Any], keep: tuple[str, ...]) -> Iterator[sql.Composed]:
    """Yield the drops of the guard's own objects; RESTRICT, so that what the user built on them stops it."""
    relations = [row for row in _fetch(conn, read("uninstall/relations.sql")) if row[1] not in keep]
    views = [Name(schema, name) for schema, name, kind in relations if kind == "v" and schema != "rlsguard"]
    # Functions stand on these, and the views of policies on the functions.
    base_views = [Name(schema, name) for schema, name, kind in relations if kind == "v" and schema == "rlsguard"]
    tables = [Name(schema, name) for schema, name, kind in relations if kind == "r"]
    functions = [
        sql.SQL(signature) for name, signature in _fetch(conn, read("uninstall/functions.sql")) if name not in keep
    ]
    triggers = [table for table in _fetch(conn, read("uninstall/triggers.sql")) if table[0] not in keep]
    for table, trigger in triggers:
        yield sql.SQL("DROP TRIGGER {} ON {}").format(Name(trigger), Name("rlsguard", table))
    for kind, names in (("VIEW", views), ("ROUTINE", functions), ("VIEW", base_views), ("TABLE", tables)):
        if names:
            yield sql.SQL("DROP {} {}").format(sql.SQL(kind), sql.SQL(", ").join(names))
    yield from _views_schema(conn)
    if not keep:
        yield sql.SQL("DROP SCHEMA rlsguard").format()


def _views_schema(conn: psycopg.Connection[Any]) -> Iterator[sql.Composed]:
    if _fetch(conn, "SELECT FROM pg_namespace WHERE nspname = 'rlsguard_views'"):
        yield sql.SQL("DROP SCHEMA rlsguard_views").format()


def _drop_roles(conn: psycopg.Connection[Any], removal: Removal) -> Removal:
    kept = list(removal.kept_roles)
    for role in _ROLES:
        if role in kept:
            continue
        try:
            with conn.transaction():
                conn.execute(sql.SQL("DROP ROLE IF EXISTS {}").format(Name(role)))
        except psycopg.errors.DependentObjectsStillExist:
            kept.append(role)
    memberships = tuple(m for m in removal.memberships if m[0] not in kept)
    return replace(removal, kept_roles=tuple(kept), memberships=memberships)


def _fetch(conn: psycopg.Connection[Any], query: str) -> list[tuple[Any, ...]]:
    return conn.execute(query).fetchall()

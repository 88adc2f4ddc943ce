"""The guard: is it there, can nobody become it, and does it see past the policies of the tables that paths cross?"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import psycopg
from psycopg import sql

from rlsguard.connection import explain
from rlsguard.doctor.model import Finding, named
from rlsguard.doctor.scene import OWNER, Scene
from rlsguard.names import QualifiedName, quote

_REAPPLY = "Run rlsguard apply MAP."
_SAMPLED_PAGES = 2000


def check(scene: Scene) -> Iterator[Finding]:
    """Look at the guard's owner, at how it gets past hop tables' policies, and try whether it does."""
    if not scene.here.installed:
        message = "rlsguard is not installed in this database" + (
            "; its ledger is still here, from before an uninstall." if scene.here.only_ledger else "."
        )
        yield Finding("guard", "note", "", message, _REAPPLY)
        return
    (guard,) = scene.rows("guard")
    wrong = list(_owner(guard))
    yield from wrong or (Finding("guard", "ok", OWNER, "the guard has its owner, and nobody can become it.", ""),)
    hops = [hop for hop in scene.rows("hops") if hop.row_security]
    wrong = list(_mode(guard, hops))
    yield from wrong or (Finding("guard-mode", "ok", _name_of_mode(guard, hops), _how(guard, hops), ""),)
    if hops:
        yield from _probe(scene, guard, hops)


def _owner(guard: Any) -> Iterator[Finding]:
    if guard.schema_owner != OWNER:
        who = quote(guard.schema_owner)
        message = f"schema rlsguard belongs to {who}, who can change all that is in it; was it restored without owners?"
        advice = f"As {who} run rlsguard apply MAP: it gives the guard back."
        yield Finding("guard", "error", "rlsguard", message, advice)
    if guard.can_login is None:
        yield Finding("guard", "error", OWNER, f"the role {OWNER} is not there.", _REAPPLY)
        return
    if guard.can_login:
        message = f"{OWNER} can log in: whoever does can switch the guard off."
        yield Finding("guard", "error", OWNER, message, f"ALTER ROLE {OWNER} NOLOGIN;")
    if guard.members:
        advice = f"REVOKE {OWNER} FROM {', '.join(map(quote, guard.members))};"
        message = f"{named(guard.members)} can become {OWNER}, and so switch the guard off."
        yield Finding("guard", "error", OWNER, message, advice)
    if guard.administrators:
        who = ", ".join(map(quote, guard.administrators))
        advice = f"Leave it to who applies; from others: REVOKE {OWNER}, rlsguard_nobody FROM {who};"
        message = f"{named(guard.administrators)} can let anybody become {OWNER} (ADMIN OPTION)."
        yield Finding("guard", "note", OWNER, message, advice)


def _mode(guard: Any, hops: list[Any]) -> Iterator[Finding]:
    if guard.bypass:
        return
    if not guard.marker:
        message = f"{OWNER} has no BYPASSRLS any more: every query of a guarded table is refused."
        yield Finding("guard-mode", "error", OWNER, message, f"ALTER ROLE {OWNER} BYPASSRLS; or: {_REAPPLY}")
        return
    for hop in hops:
        if not hop.marked:
            name = str(QualifiedName(hop.schema, hop.name))
            message = f"the guard does not see past the policies of {name}: opt-outs that lead over it do not hold."
            yield Finding("guard-mode", "error", name, message, f"ALTER ROLE {OWNER} BYPASSRLS; or: {_REAPPLY}")
    broken = _broken_marker(guard)
    if hops and broken:
        message = f"the guard knows itself by rlsguard.guard_only, and that {broken}: opt-outs over hops do not hold."
        yield Finding("guard-mode", "error", "rlsguard.guard_only", message, _REAPPLY)


def _broken_marker(guard: Any) -> str:
    """Return what is wrong with the table that its owner alone may see into, if anything."""
    if not guard.has_row:
        return "is gone"
    if not guard.row_owned:
        return f"does not belong to {OWNER}"
    if not guard.row_security:
        return "has no row security, so that everybody passes for the guard"
    if guard.row_forced:
        return "has forced row security, so that the guard does not see its row"
    if guard.row_policies:
        return f"has policies ({named(guard.row_policies)}), so that others may pass for the guard"
    return ""


def _name_of_mode(guard: Any, hops: list[Any]) -> str:
    return "attribute" if guard.bypass else "marker" if hops else ""


def _how(guard: Any, hops: list[Any]) -> str:
    if guard.bypass:
        return f"{OWNER} has BYPASSRLS and sees the tables that paths cross whole."
    if hops:
        return "the policies of the tables that paths cross let the guard through by its marker."
    return "no path crosses a table with row security; the guard needs no way past it."


def _probe(scene: Scene, guard: Any, hops: list[Any]) -> Iterator[Finding]:
    """Become the guard's owner and see whether it finds as many rows as a role that no policy holds."""
    role = scene.catalog.roles[scene.catalog.user]
    if not (role.superuser or role.bypass_rls):
        yield _could_not("only a superuser or a role with BYPASSRLS has something to compare with")
        return
    for hop in hops:
        name = QualifiedName(hop.schema, hop.name)
        try:
            mine, its = _seen(scene, name, hop.pages, None), _seen(scene, name, hop.pages, OWNER)
        except psycopg.errors.InsufficientPrivilege as error:
            yield _could_not(explain(error))
            continue
        except psycopg.errors.ObjectNotInPrerequisiteState as error:
            message = f"the guard cannot read {name}: {explain(error)}"
            yield Finding("guard-probe", "error", str(name), message, _REAPPLY)
            continue
        if its < mine:
            message = f"in a sample of {mine} rows of {name} the guard sees {its}: opt-outs over the rest do not hold."
            yield Finding("guard-probe", "error", str(name), message, _REAPPLY)
        else:
            yield Finding("guard-probe", "ok", str(name), f"the guard sees {its} of {mine} sampled rows of {name}.", "")


def _seen(scene: Scene, table: QualifiedName, pages: int, role: str | None) -> int:
    """Count the rows on some pages of *table* as *role*; the same pages each time."""
    percent = min(100.0, 100.0 * _SAMPLED_PAGES / max(pages, 1))
    count = sql.SQL("SELECT count(*) FROM {} TABLESAMPLE SYSTEM ({}) REPEATABLE (1)")
    with scene.conn.transaction(force_rollback=True):
        if role is not None:
            scene.conn.execute(sql.SQL("SET LOCAL ROLE {}").format(sql.Identifier(role)))
        row = scene.conn.execute(count.format(table.sql, sql.Literal(percent))).fetchone()
    return int(row[0]) if row else 0


def _could_not(why: str) -> Finding:
    message = f"could not probe whether the guard sees past the policies of the tables that paths cross: {why}."
    return Finding("guard-probe", "note", "", message, "Ask again as a superuser.")

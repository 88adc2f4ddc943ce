"""Bring a database to its plan: one transaction, only what differs, all or nothing."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection
from dataclasses import replace
from typing import Any

import psycopg

from rlsguard import catalog, plan, render
from rlsguard.catalog.installed import load_installed
from rlsguard.catalog.model import Catalog
from rlsguard.connection import explain
from rlsguard.datamap.model import DataMap
from rlsguard.delta import Delta, find_delta
from rlsguard.names import QualifiedName
from rlsguard.pieces import pieces
from rlsguard.plan.event_triggers import EventTriggers
from rlsguard.plan.guard import GUARD_FILES
from rlsguard.plan.model import Grants, MapRows
from rlsguard.problems import RlsguardError, did_you_mean
from rlsguard.rights import missing_rights
from rlsguard.sqlfiles import read

ASK_DOCTOR = "rlsguard doctor MAP says what to do about missing rights"


def apply(
    conn: psycopg.Connection[Any],
    datamap: DataMap,
    *,
    prune: Collection[QualifiedName] = (),
    release: Collection[str] = (),
    dry_run: bool = False,
    lock_timeout: float = 5.0,
    retries: int = 10,
    announce: Callable[[Delta], None] = lambda delta: None,
) -> Delta:
    """Apply *datamap* to the database of *conn*, which must be idle.

    Args:
        prune: tables to un-guard, none of which may be in the map.
        release: purposes, or kinds of person, that the map no longer has, though opt-outs of them are in force.
        dry_run: change nothing, lock nothing.
        lock_timeout: seconds to wait for each lock before everything is rolled back and tried again.
        retries: how often to try again, with growing pauses.
        announce: told what will be done before it is done; again at every try.

    Raises:
        MapError: the map does not fit the database.
        RlsguardError: the database refused, or a lock could not be had; nothing was changed.
    """
    for attempt in range(retries + 1):
        try:
            with conn.transaction(force_rollback=dry_run):
                delta = look(conn, datamap, prune=prune, release=release, lock_timeout=lock_timeout)
                announce(delta)
                if not dry_run and delta.changes:
                    execute(conn, delta)
                leave_owner(conn)
            return delta
        except (psycopg.errors.LockNotAvailable, psycopg.errors.DeadlockDetected) as error:
            if attempt == retries:
                raise RlsguardError(
                    f"no lock within {lock_timeout:g} s, {retries + 1} times in a row; nothing was changed: {error}"
                ) from error
            time.sleep(min(0.2 * 2**attempt, 10.0))
        except psycopg.Error as error:
            raise RlsguardError(f"nothing was changed: {refusal(error)}") from error
    raise AssertionError("unreachable")


def look(
    conn: psycopg.Connection[Any],
    datamap: DataMap,
    *,
    prune: Collection[QualifiedName] = (),
    release: Collection[str] = (),
    lock_timeout: float = 5.0,
) -> Delta:
    """Return what *datamap* asks for that the database does not have; to be followed by `leave_owner`.

    It acts as the guard's owner in the caller's transaction, with the session's settings changed until its end.

    Raises:
        MapError: the map does not fit the database.
        RlsguardError: the connected role lacks a right, or a name of *prune* or *release* is nothing's.
        psycopg.Error: the database refused.
    """
    _enter(conn, lock_timeout)
    live = catalog.load(conn)
    delta = find_delta(datamap, live, load_installed(conn), prune)
    _require_rights(conn, live, delta)
    _refuse_unknown(conn, delta, release)
    conn.execute("SELECT set_config('rlsguard.release', %s::text[]::text, true)", [list(release)])
    return replace(delta, ending=_ending(conn, delta))


def generate(conn: psycopg.Connection[Any], datamap: DataMap) -> dict[str, str]:
    """Return the whole plan of *datamap* as SQL files, name to text; the database is only read.

    Raises:
        MapError: the map does not fit the database.
        RlsguardError: the database refused.
    """
    try:
        with conn.transaction(force_rollback=True):
            _enter(conn, lock_timeout=5.0)
            return dict(render.files(plan.build(datamap, catalog.load(conn), load_installed(conn))))
    except psycopg.Error as error:
        raise RlsguardError(refusal(error)) from error


def refusal(error: psycopg.Error) -> str:
    """Return a server's error as one line, and where to ask if a right is missing."""
    lacks = isinstance(error, psycopg.errors.InsufficientPrivilege)
    return f"{explain(error)}; {ASK_DOCTOR}" if lacks else explain(error)


def enter_owner(conn: psycopg.Connection[Any]) -> None:
    """Let a role that is no superuser act as the guard's owner until the end of the transaction."""
    conn.execute(read("each/session.sql"))
    conn.execute(read("each/become_owner.sql"))


def leave_owner(conn: psycopg.Connection[Any]) -> None:
    """Take back what `enter_owner` gave."""
    conn.execute(read("each/leave_owner.sql"))


def _enter(conn: psycopg.Connection[Any], lock_timeout: float) -> None:
    conn.execute("SELECT pg_catalog.set_config('lock_timeout', %s, true)", [f"{int(lock_timeout * 1000)}ms"])
    # Two applies at once would undo each other's halves.
    conn.execute("SELECT pg_catalog.pg_advisory_xact_lock(pg_catalog.hashtextextended('rlsguard apply', 0))")
    enter_owner(conn)


def _require_rights(conn: psycopg.Connection[Any], live: Catalog, delta: Delta) -> None:
    """Raise an error that names all that the connected role lacks; a dry run would not find out otherwise."""
    locked = {change.table for change in delta.changes}
    tables = [table for name, table in live.tables.items() if name in locked]
    schemas = {schema for unit in delta.make if isinstance(unit, Grants) for schema in unit.schemas}
    events = delta.kept_by_events or any(isinstance(unit, EventTriggers) for unit in delta.make)
    if delta.changes and (missing := list(missing_rights(conn, live, tables, schemas, event_triggers=events))):
        raise RlsguardError("\n".join((f"nothing was changed; {ASK_DOCTOR}:", *(right.message for right in missing))))


def _refuse_unknown(conn: psycopg.Connection[Any], delta: Delta, release: Collection[str]) -> None:
    """Raise an error for names to release that are nothing's: who mistyped one would think that it was released."""
    tables = {f"relation rlsguard.{name}" for name in ("opt_out_event", "purpose", "subject")}
    if not release or not tables <= delta.installed.objects.keys():
        return
    known = {name for (name,) in conn.execute(read("released.sql")).fetchall()}
    for name in sorted(set(release) - known):
        raise RlsguardError(
            f"cannot release {name}: there is no such purpose or kind of person{did_you_mean(name, known)}"
        )


def _ending(conn: psycopg.Connection[Any], delta: Delta) -> tuple[tuple[str, str, int], ...]:
    """Return the opt-outs in force that end by the map, and were released.

    Raises:
        psycopg.Error: some were not, or opt-outs have become other people's since the last apply.
    """
    if not any(name.startswith("function rlsguard.ending(") for name in delta.installed.objects):
        return ()
    (rows,) = (unit for unit in delta.plan.units if isinstance(unit, MapRows))
    if "relation rlsguard.manifest" not in delta.installed.objects:
        conn.execute(next(render.statements(unit) for unit in GUARD_FILES if unit.file == "090_manifest.sql"))
    conn.execute(render.expect_kept(rows))
    return tuple(row[:3] for row in conn.execute(render.ending(rows)).fetchall())


def execute(conn: psycopg.Connection[Any], delta: Delta) -> None:
    """Make *delta*, in the transaction of `look`.

    Raises:
        RlsguardError: a table of the guard was altered by hand.
        psycopg.Error: the database refused.
    """
    if delta.kept_by_events:
        conn.execute(render.pause_event_triggers())
    for piece in pieces(delta):
        if piece.up:
            conn.execute(piece.up)
        if piece.change.unit == "roles":
            enter_owner(conn)
    if delta.make:
        conn.execute(render.note(delta.make))
        _refuse_what_stays(conn, delta)
    gone = [entry.unit for entry in (*delta.remove, *delta.forget)]
    conn.execute("DELETE FROM rlsguard.manifest WHERE unit = ANY (%s)", [gone])
    if delta.kept_by_events:
        conn.execute(render.resume_event_triggers())


def _refuse_what_stays(conn: psycopg.Connection[Any], delta: Delta) -> None:
    """Raise an error for tables of the guard that the same statements no longer make what they made before.

    What somebody has done to them, such as a column more or a constraint less, must not be noted as the guard's own.
    """
    made = dict(conn.execute("SELECT unit, objects FROM rlsguard.manifest").fetchall())
    wrong: list[str] = []
    for unit in delta.make:
        before = delta.installed.manifest.get(unit.unit)
        if before is not None and before.made_here and before.statements_hash == render.statements_hash(unit):
            tables = (name for name in unit.objects if name.startswith("relation rlsguard.") and name in before.objects)
            wrong += [name for name in tables if made[unit.unit].get(name) != before.objects[name]]
    if wrong:
        named = ", ".join(name.removeprefix("relation ") for name in wrong)
        raise RlsguardError(
            f"nothing was changed: {named} is not what it was made, and no apply can undo that;"
            " rlsguard check MAP shows what was done to it, and the SQL that undoes it"
        )

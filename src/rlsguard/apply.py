"""Bring a database to its plan: one transaction, only what differs, all or nothing."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

import psycopg
from psycopg import sql

from rlsguard import catalog, plan, render
from rlsguard.catalog.installed import Installed, ManifestEntry, load_installed
from rlsguard.catalog.model import Catalog
from rlsguard.connection import explain
from rlsguard.datamap.model import DataMap
from rlsguard.names import QualifiedName
from rlsguard.plan.event_triggers import EventTriggers
from rlsguard.plan.model import Grants, MapRows, Notice, Unit
from rlsguard.problems import RlsguardError, did_you_mean
from rlsguard.rights import missing_rights
from rlsguard.sqlfiles import read
from rlsguard.undo import (
    drop_stale,
    remove_audit,
    remove_event_triggers,
    remove_protection,
    remove_state,
    remove_view,
    stop_adding,
)

ASK_DOCTOR = "rlsguard doctor MAP says what to do about missing rights"

LEDGER_GONE = "the ledger, rlsguard.opt_out_event, is gone; bring it back first: docs/restore.md, If the ledger is gone"

Action = Literal["create", "replace", "remove", "forget"]


@dataclass(frozen=True, slots=True)
class Change:
    """One thing that an apply does. `table` is the user's table that it locks, if any."""

    action: Action
    unit: str
    table: QualifiedName | None = None

    def __str__(self) -> str:
        return f"{self.action} {self.unit}"


@dataclass(frozen=True, slots=True)
class Delta:
    """The way from a database as it is to its plan.

    Attributes:
        kept: guarded tables that are no longer in the map and were not named for pruning.
        ending: opt-outs in force that end, because what they are of was named for release: kind, purpose, how many.
    """

    plan: plan.Plan
    make: tuple[Unit, ...]
    remove: tuple[ManifestEntry, ...]
    forget: tuple[ManifestEntry, ...]
    kept: tuple[QualifiedName, ...]
    installed: Installed
    ending: tuple[tuple[str, str, int], ...] = ()

    @property
    def changes(self) -> tuple[Change, ...]:
        """What will be done, in order."""
        made = (
            Change("replace" if unit.unit in self.installed.manifest else "create", unit.unit, unit.table)
            for unit in self.make
        )
        removed = (Change("remove", entry.unit, _table_of(entry)) for entry in self.remove)
        forgotten = (Change("forget", entry.unit) for entry in self.forget)
        return (*made, *removed, *forgotten)

    @property
    def kept_by_events(self) -> bool:
        """Whether event triggers are there, which refuse to change the guard."""
        return any(name.startswith("event trigger ") for name in self.installed.objects)

    @property
    def adders_no_more(self) -> frozenset[str]:
        """Owners of partitioned tables that were audited, and no longer are or no longer theirs."""
        before = {entry.unit: entry.detail for entry in self.installed.manifest.values()}
        gone = {entry.unit for entry in (*self.remove, *self.forget)}
        after = {unit: detail for unit, detail in before.items() if unit not in gone}
        after |= {unit.unit: unit.detail for unit in self.make}
        return _adders(before) - _adders(after)

    @property
    def notices(self) -> tuple[Notice, ...]:
        """What the DBA should know."""
        kept = (
            Notice(str(name), f"is guarded but no longer in the map; un-guard it with --prune {name}")
            for name in self.kept
        )
        ending = (
            Notice(purpose, f"opt-outs of kind {kind} that end: {number:,}; they stay in the ledger.")
            for kind, purpose, number in self.ending
        )
        return (*self.plan.notices, *kept, *ending)


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
                _enter(conn, lock_timeout)
                live = catalog.load(conn)
                delta = _delta(conn, live, datamap, prune)
                _require_rights(conn, live, delta)
                _refuse_unknown(conn, delta, release)
                conn.execute("SELECT set_config('rlsguard.release', %s::text[]::text, true)", [list(release)])
                delta = replace(delta, ending=_ending(conn, delta))
                announce(delta)
                if not dry_run and delta.changes:
                    _execute(conn, delta)
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


def _delta(conn: psycopg.Connection[Any], live: Catalog, datamap: DataMap, prune: Collection[QualifiedName]) -> Delta:
    installed = load_installed(conn)
    if ledger_gone(installed):
        raise RlsguardError(f"nothing was changed: {LEDGER_GONE}")
    wanted = plan.build(datamap, live, installed)
    units = {unit.unit for unit in wanted.units}
    oids = {table.oid: name for name, table in live.tables.items()}
    planned_oids = {unit.detail.get("oid") for unit in wanted.units}

    remove: list[ManifestEntry] = []
    forget: list[ManifestEntry] = []
    kept: dict[QualifiedName, None] = {}
    views_in_use: set[str] = set()
    unknown_prune = set(prune)
    for entry in installed.manifest.values():
        if entry.unit in units or entry.detail.get("kind") not in ("protect", "audit"):
            continue
        oid = entry.detail["oid"]
        if oid not in oids or (oid in planned_oids and f"{entry.detail['kind']} {oids[oid]}" in units):
            forget.append(entry)
        elif not live.lineage(live.tables[oids[oid]]).isdisjoint((*prune, *datamap.tables)):
            # It, or what it is a partition of, is named for pruning; or is still in the map, and only this part of its
            # guard is gone from it.
            unknown_prune.discard(oids[oid])
            # By the name that it has now.
            its = {"schema": oids[oid].schema, "table": oids[oid].name}
            remove.append(replace(entry, detail={**entry.detail, **its}))
        else:
            kept[oids[oid]] = None
            views_in_use.update(entry.detail.get("views", ()))
    for name in sorted(unknown_prune):
        guarded = (str(oids[e.detail["oid"]]) for e in installed.manifest.values() if e.detail.get("oid") in oids)
        where = "still in the map" if name in datamap.tables else f"not guarded{did_you_mean(str(name), guarded)}"
        raise RlsguardError(f"cannot prune {name}: it is {where}")
    for entry in installed.manifest.values():
        kind = entry.detail.get("kind")
        if entry.unit in units or kind in ("protect", "audit"):
            continue
        # Views that kept tables ask stay, and what those may read.
        unused = kind == "event triggers" or (kind == "view" and entry.detail["view"] not in views_in_use)
        if unused or (entry.unit.startswith("state ") and not views_in_use):
            remove.append(entry)
        elif kind != "view" and not entry.unit.startswith("state "):
            forget.append(entry)
    make = tuple(unit for unit in wanted.units if not _is_right(unit, installed))
    # Policies use views, and these states.
    order = {"view": 1, None: 2}
    remove.sort(key=lambda entry: order.get(entry.detail.get("kind"), 0))
    return Delta(wanted, make, tuple(remove), tuple(forget), tuple(kept), installed)


def ledger_gone(installed: Installed) -> bool:
    """Tell whether the guard is there without its ledger: an empty one would pass for the truth."""
    return bool(installed.manifest) and "relation rlsguard.opt_out_event" not in installed.objects


def _require_rights(conn: psycopg.Connection[Any], live: Catalog, delta: Delta) -> None:
    """Raise an error that names all that the connected role lacks; a dry run would not find out otherwise."""
    locked = {change.table for change in delta.changes}
    tables = [table for name, table in live.tables.items() if name in locked]
    schemas = {schema for unit in delta.make if isinstance(unit, Grants) for schema in unit.schemas}
    events = delta.kept_by_events or any(isinstance(unit, EventTriggers) for unit in delta.make)
    if delta.changes and (missing := list(missing_rights(conn, live, tables, schemas, event_triggers=events))):
        raise RlsguardError("\n".join((f"nothing was changed; {ASK_DOCTOR}:", *(right.message for right in missing))))


def _is_right(unit: Unit, installed: Installed) -> bool:
    """Tell whether *unit* was applied as it is wanted, and the catalog still shows it as it did then."""
    entry = installed.manifest.get(unit.unit)
    if entry is None or not entry.made_here:
        return False
    if entry.statements_hash != render.statements_hash(unit) or entry.detail != unit.detail:
        return False
    return all(name in entry.objects and installed.objects.get(name) == entry.objects[name] for name in unit.objects)


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
        conn.execute(read("guard/090_manifest.sql"))
    conn.execute(render.expect_kept(rows))
    return tuple(row[:3] for row in conn.execute(render.ending(rows)).fetchall())


def _execute(conn: psycopg.Connection[Any], delta: Delta) -> None:
    if delta.kept_by_events:
        conn.execute(render.pause_event_triggers())
    # Event triggers last: they would refuse the removals.
    events = [unit for unit in delta.make if isinstance(unit, EventTriggers)]
    for unit in (unit for unit in delta.make if unit not in events):
        conn.execute(render.statements(unit))
        if unit.unit == "roles":
            enter_owner(conn)
        before = delta.installed.manifest.get(unit.unit)
        if before is not None:
            for drop in drop_stale(before.detail, unit.detail):
                conn.execute(drop)
    for statement in _removals(delta.remove):
        conn.execute(statement)
    for unit in events:
        conn.execute(render.statements(unit))
    adders = "SELECT rolname FROM pg_catalog.pg_roles WHERE rolname = ANY (%s) ORDER BY 1"
    for (adder,) in conn.execute(adders, [list(delta.adders_no_more)]).fetchall():
        conn.execute(stop_adding(adder))
    if delta.make:
        conn.execute(render.manifest_statements(delta.make))
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


def _removals(entries: tuple[ManifestEntry, ...]) -> Iterator[sql.Composed]:
    for entry in entries:
        match entry.detail.get("kind"):
            case "protect":
                yield from remove_protection(entry.detail)
            case "audit":
                yield from remove_audit(entry.detail)
            case "view":
                yield remove_view(entry.detail)
            case "event triggers":
                yield from remove_event_triggers()
            case None:
                yield remove_state(entry.unit.removeprefix("state "))


def _adders(details: Mapping[str, Mapping[str, Any]]) -> frozenset[str]:
    return frozenset(detail["adder"] for detail in details.values() if detail.get("adder") is not None)


def _table_of(entry: ManifestEntry) -> QualifiedName | None:
    if "table" not in entry.detail:
        return None
    return QualifiedName(entry.detail["schema"], entry.detail["table"])

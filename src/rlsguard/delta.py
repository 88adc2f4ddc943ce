"""What differs between a plan and a database. Pure: no I/O."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

from rlsguard import plan, render
from rlsguard.catalog.installed import Installed, ManifestEntry
from rlsguard.catalog.model import Catalog
from rlsguard.datamap.model import DataMap
from rlsguard.names import QualifiedName
from rlsguard.plan.granted import NOTHING_GRANTED, Granted, granted_for
from rlsguard.plan.kept import renamed_since
from rlsguard.plan.model import Notice, Unit, View
from rlsguard.plan.recorded import unit_of
from rlsguard.problems import RlsguardError, did_you_mean

LEDGER_GONE = "the ledger, rlsguard.opt_out_event, is gone; bring it back first: docs/restore.md, If the ledger is gone"

Action = Literal["create", "replace", "remove", "forget", "revoke", "let in", "let out"]


@dataclass(frozen=True, slots=True)
class Change:
    """One thing that is done to a database. `table` is the user's table that it locks, if any."""

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
        live: the database.
    """

    plan: plan.Plan
    make: tuple[Unit, ...]
    remove: tuple[ManifestEntry, ...]
    forget: tuple[ManifestEntry, ...]
    kept: tuple[QualifiedName, ...]
    installed: Installed
    live: Catalog
    ending: tuple[tuple[str, str, int], ...] = ()

    @property
    def changes(self) -> tuple[Change, ...]:
        """What will be done, in order."""
        made = (
            Change("replace" if unit.unit in self.installed.manifest else "create", unit.unit, unit.table)
            for unit in self.make
        )
        removed = (Change("remove", entry.unit, table_of(entry)) for entry in self.remove)
        forgotten = (Change("forget", entry.unit) for entry in self.forget)
        revoked = (Change("revoke", "rights that no path needs any more"),) if self.surplus else ()
        return (*made, *removed, *forgotten, *revoked)

    @property
    def kept_by_events(self) -> bool:
        """Whether event triggers are there, which refuse to change the guard."""
        return any(name.startswith("event trigger ") for name in self.installed.objects)

    @property
    def adders_no_more(self) -> tuple[str, ...]:
        """Owners of partitioned tables that were audited, and no longer are or no longer theirs."""
        before = {entry.unit: entry.detail for entry in self.installed.manifest.values()}
        gone = {entry.unit for entry in (*self.remove, *self.forget)}
        after = {unit: detail for unit, detail in before.items() if unit not in gone}
        after |= {unit.unit: unit.detail for unit in self.make}
        return tuple(sorted((_adders(before) - _adders(after)) & self.live.roles.keys()))

    @property
    def renamed(self) -> Mapping[QualifiedName, QualifiedName]:
        """Tables that have another name than the manifest notes, and that name."""
        return renamed_since(self.live, self.installed)

    @property
    def surplus(self) -> Granted:
        """What the guard may read of users' tables for paths that are no more."""
        manifest = self.installed.manifest.values()
        renamed = self.renamed
        before = [unit_of(entry, renamed) for entry in manifest if entry.detail.get("kind") in ("grants", "view")]
        if None in before:  # from before these were noted
            return NOTHING_GRANTED
        gone = {entry.unit for entry in (*self.remove, *self.forget)}
        # Tables that stay guarded though the map has them no more ask the views of then.
        views = [unit for unit in before if isinstance(unit, View) and unit.unit not in gone]
        needed = granted_for([*views, *self.plan.units])
        return granted_for(before).beyond(needed).found(self.installed.objects)

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


def find_delta(datamap: DataMap, live: Catalog, installed: Installed, prune: Collection[QualifiedName] = ()) -> Delta:
    """Return what it takes that *datamap* is enforced in the database *live*, which has *installed*.

    Args:
        prune: tables to un-guard, none of which may be in the map.

    Raises:
        MapError: the map does not fit the database.
        RlsguardError: a table of *prune* is in the map or not guarded, or the ledger is gone.
    """
    if ledger_gone(installed):
        raise RlsguardError(f"nothing was changed: {LEDGER_GONE}")
    wanted = plan.build(datamap, live, installed, prune)
    units = {unit.unit for unit in wanted.units}
    oids = {table.oid: name for name, table in live.tables.items()}
    planned_oids = {unit.detail.get("oid") for unit in wanted.units}

    remove: list[ManifestEntry] = []
    forget: list[ManifestEntry] = []
    kept: dict[QualifiedName, None] = {}
    views_in_use: set[str] = set()
    unknown_prune = set(prune)
    for entry in installed.manifest.values():
        if entry.detail.get("kind") not in ("protect", "audit"):
            continue
        oid = entry.detail["oid"]
        if entry.unit in units:
            # Another table has its name by now, and its own may be in the map without this part of its guard.
            name = oids.get(oid)
            unit = f"{entry.detail['kind']} {name}"
            if name is not None and name in datamap.tables and unit not in units:
                remove.append(_named(replace(entry, unit=unit), name))
            continue
        if oid not in oids or (oid in planned_oids and f"{entry.detail['kind']} {oids[oid]}" in units):
            forget.append(entry)
        elif not live.lineage(live.tables[oids[oid]]).isdisjoint((*prune, *datamap.tables)):
            # It, or what it is a partition of, is named for pruning; or is still in the map, and only this part of its
            # guard is gone from it.
            unknown_prune.discard(oids[oid])
            remove.append(_named(entry, oids[oid]))
        else:
            kept[oids[oid]] = None
            views_in_use.update(entry.detail.get("views", ()))
    for name in sorted(unknown_prune):
        guarded = (str(oids[e.detail["oid"]]) for e in installed.manifest.values() if e.detail.get("oid") in oids)
        where = "still in the map" if name in datamap.tables else f"not guarded{did_you_mean(str(name), guarded)}"
        raise RlsguardError(f"cannot prune {name}: it is {where}")
    asked = [unit_of(entry) for entry in installed.manifest.values() if entry.detail.get("view") in views_in_use]
    states_in_use = {f"state {view.route.kind}" for view in asked if isinstance(view, View)}
    for entry in installed.manifest.values():
        kind = entry.detail.get("kind")
        if entry.unit in units or kind in ("protect", "audit"):
            continue
        # Views that kept tables ask stay, and what those may read.
        if kind == "view":
            unused = entry.detail["view"] not in views_in_use
        elif entry.unit.startswith("state "):
            unused = entry.unit not in states_in_use and None not in asked
        else:
            unused = kind == "event triggers"
        if unused:
            remove.append(entry)
        elif kind != "view" and not entry.unit.startswith("state "):
            forget.append(entry)
    make = tuple(unit for unit in wanted.units if not _is_right(unit, installed))
    # Policies use views, and these states.
    order = {"view": 1, None: 2}
    remove.sort(key=lambda entry: order.get(entry.detail.get("kind"), 0))
    return Delta(wanted, make, tuple(remove), tuple(forget), tuple(kept), installed, live)


def ledger_gone(installed: Installed) -> bool:
    """Tell whether the guard is there without its ledger: an empty one would pass for the truth."""
    return bool(installed.manifest) and "relation rlsguard.opt_out_event" not in installed.objects


def table_of(entry: ManifestEntry) -> QualifiedName | None:
    """Return the user's table that *entry* is about, if any."""
    if "table" not in entry.detail:
        return None
    return QualifiedName(entry.detail["schema"], entry.detail["table"])


def _named(entry: ManifestEntry, name: QualifiedName) -> ManifestEntry:
    """Return *entry* with the name that its table has now."""
    return replace(entry, detail={**entry.detail, "schema": name.schema, "table": name.name})


def _is_right(unit: Unit, installed: Installed) -> bool:
    """Tell whether *unit* was applied as it is wanted, and the catalog still shows it as it did then."""
    entry = installed.manifest.get(unit.unit)
    if entry is None or not entry.made_here:
        return False
    if entry.statements_hash != render.statements_hash(unit) or entry.detail != unit.detail:
        return False
    return all(name in entry.objects and installed.objects.get(name) == entry.objects[name] for name in unit.objects)


def _adders(details: Mapping[str, Mapping[str, Any]]) -> frozenset[str]:
    return frozenset(detail["adder"] for detail in details.values() if detail.get("adder") is not None)

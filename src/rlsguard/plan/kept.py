"""Tables that stay guarded though the map has them no more: their policies still have to find everybody."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from rlsguard.catalog.installed import Installed
from rlsguard.catalog.model import Catalog
from rlsguard.datamap.model import DataMap
from rlsguard.names import QualifiedName
from rlsguard.plan.model import Route, View
from rlsguard.plan.recorded import unit_of


@dataclass(frozen=True, slots=True)
class Kept:
    """What stays guarded beyond the map.

    Attributes:
        routes: that its policies follow.
        told: all of these are known; a version that did not note them may have made some.
    """

    tables: frozenset[QualifiedName] = frozenset()
    routes: tuple[Route, ...] = ()
    told: bool = True


def find_kept(datamap: DataMap, catalog: Catalog, installed: Installed, prune: Collection[QualifiedName]) -> Kept:
    """Return what *installed* has that stays guarded beyond *datamap*: it is not to be pruned, nor under what is."""
    names = {table.oid: name for name, table in catalog.tables.items()}
    tables, views = set[QualifiedName](), set[str]()
    for entry in installed.manifest.values():
        name = names.get(entry.detail.get("oid", 0))
        if entry.detail.get("kind") != "protect" or name is None:
            continue
        if catalog.lineage(catalog.tables[name]).isdisjoint((*prune, *datamap.tables)):
            tables.add(name)
            views.update(entry.detail.get("views", ()))
    renamed = renamed_since(catalog, installed)
    units = [unit_of(e, renamed) for e in installed.manifest.values() if e.detail.get("view") in views]
    routes = (unit.route for unit in units if isinstance(unit, View))
    return Kept(frozenset(tables), tuple(r for r in routes if _is_there(r, catalog)), None not in units)


def renamed_since(catalog: Catalog, installed: Installed) -> Mapping[QualifiedName, QualifiedName]:
    """Return tables that have another name than the manifest notes, and that name."""
    names = {table.oid: name for name, table in catalog.tables.items()}
    noted = (entry.detail for entry in installed.manifest.values() if "table" in entry.detail)
    its = ((QualifiedName(d["schema"], d["table"]), names.get(d.get("oid", 0))) for d in noted)
    return {before: now for before, now in its if now is not None and before != now}


def _is_there(route: Route, catalog: Catalog) -> bool:
    """Tell whether what a route reads was not dropped since, and the view with it."""
    return all(
        step.table in catalog.tables and catalog.tables[step.table].columns.keys() >= set(columns)
        for step, columns in route.columns_along
    )

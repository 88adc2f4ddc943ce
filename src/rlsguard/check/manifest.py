"""Rows of the manifest beyond the map's: of tables that stay guarded, and of what nobody asks for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from rlsguard.catalog.installed import ManifestEntry
from rlsguard.check import kinds
from rlsguard.check.model import Finding
from rlsguard.check.scene import Scene
from rlsguard.names import QualifiedName
from rlsguard.plan.model import state_objects

APPLY = "rlsguard apply MAP"


def check(scene: Scene) -> Iterator[Finding]:
    """Name tables that stay guarded though the map has them no more, and every other row that nobody asks for."""
    kept = kept_tables(scene)
    guarded: dict[str, str] = {}
    for entry, name in _of_kept(scene, kept):
        guarded.setdefault(f"table {name}", "guarded" if entry.detail["kind"] == "protect" else "audited")
    for about, what in guarded.items():
        why = f"it is {what}, and the map no longer has it."
        yield scene.finding(kinds.NOT_IN_MAP, about, why, f"{APPLY} --prune {about.removeprefix('table ')}")
    # Views that kept tables ask, and what those read, go with the last of these.
    prune = "".join(f" --prune {name}" for name in kept.values())
    for entry in _unasked(scene, kept):
        why = "it is in the manifest, and neither the map nor a table that stays guarded asks for it."
        yield scene.finding(kinds.MANIFEST_ROW, f"manifest {entry.unit}", why, f"{APPLY}{prune}")


def kept_tables(scene: Scene) -> Mapping[int, QualifiedName]:
    """Return the tables that are guarded or audited, and no longer in the map, by OID."""
    names = {table.oid: name for name, table in scene.catalog.tables.items()}
    oids = (e.detail["oid"] for e in scene.installed.manifest.values() if _has_table(e) and e.detail["oid"] in names)
    return {oid: names[oid] for oid in oids if not _mapped(scene, names[oid])}


def vouched(scene: Scene) -> Iterator[str]:
    """Yield the objects that the manifest's rows of kept tables answer for, as these are called now."""
    kept = kept_tables(scene)
    for entry, name in _of_kept(scene, kept):
        yield from (f"policy {name.schema}.{name.name} {p}" for p in entry.detail.get("policies", ()))
        yield from (f"trigger {name.schema}.{name.name} {t}" for t in entry.detail.get("triggers", ()))
        yield from (f"relation rlsguard_views.{view}" for view in entry.detail.get("views", ()))
    # What an apply takes away along with its row is named by that, once.
    for entry in _unasked(scene, kept):
        if entry.detail.get("kind") == "view":
            yield f"relation rlsguard_views.{entry.detail.get('view')}"
        elif entry.unit.startswith("state "):
            yield from state_objects(entry.unit.removeprefix("state "))


def _unasked(scene: Scene, kept: Mapping[int, QualifiedName]) -> Iterator[ManifestEntry]:
    asked = {entry.unit for entry in scene.applied.values()}
    tables = {table.oid for table in scene.catalog.tables.values()}
    views = [view for entry, _ in _of_kept(scene, kept) for view in entry.detail.get("views", ())]
    for entry in scene.installed.manifest.values():
        if entry.unit in asked:
            continue
        if _has_table(entry) and (entry.detail["oid"] in kept or entry.detail["oid"] not in tables):
            continue  # a table that is gone took along what it had
        view = entry.detail.get("view")
        if entry.detail.get("kind") == "view" and (
            view in views or f"relation rlsguard_views.{view}" not in scene.found
        ):
            continue  # a view that has another name now is known by that
        yield entry


def _of_kept(scene: Scene, kept: Mapping[int, QualifiedName]) -> Iterator[tuple[ManifestEntry, QualifiedName]]:
    for entry in scene.installed.manifest.values():
        if _has_table(entry) and entry.detail["oid"] in kept:
            yield entry, kept[entry.detail["oid"]]


def _has_table(entry: ManifestEntry) -> bool:
    return entry.detail.get("kind") in ("protect", "audit") and "oid" in entry.detail


def _mapped(scene: Scene, name: QualifiedName) -> bool:
    return any(above in scene.datamap.tables for above in scene.catalog.lineage(scene.catalog.tables[name]))

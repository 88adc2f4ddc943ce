"""The guard's objects, held against what they should be."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from hashlib import sha256

from psycopg import sql

from rlsguard.catalog.installed import ManifestEntry
from rlsguard.check import kinds
from rlsguard.check.manifest import APPLY, vouched
from rlsguard.check.mends import mend
from rlsguard.check.model import Finding, Kind
from rlsguard.check.scene import Scene
from rlsguard.names import QualifiedName, quote
from rlsguard.plan.model import MapRows, Unit
from rlsguard.prove.around.revoking import listed
from rlsguard.render.manifest import statements_hash

# By how an object's name begins: the kinds of finding for one that is gone and one that was changed.
_KINDS: tuple[tuple[str, Kind, Kind], ...] = (
    ("row security ", kinds.ROW_SECURITY, kinds.ROW_SECURITY),
    ("policy ", kinds.POLICY_MISSING, kinds.POLICY_CHANGED),
    ("relation rlsguard_views.", kinds.VIEW_MISSING, kinds.VIEW_CHANGED),
    ("relation rlsguard.own_rows", kinds.VIEW_MISSING, kinds.VIEW_CHANGED),
    ("relation rlsguard.current_purpose", kinds.VIEW_MISSING, kinds.VIEW_CHANGED),
    ("relation ", kinds.TABLE_MISSING, kinds.TABLE_CHANGED),
    ("sequence ", kinds.TABLE_MISSING, kinds.TABLE_CHANGED),
    ("function ", kinds.FUNCTION_MISSING, kinds.FUNCTION_CHANGED),
    ("event trigger ", kinds.TRIGGER_MISSING, kinds.TRIGGER_CHANGED),
    ("trigger ", kinds.TRIGGER_MISSING, kinds.TRIGGER_CHANGED),
    ("role ", kinds.ROLE_CHANGED, kinds.ROLE_CHANGED),
    ("schema ", kinds.SCHEMA_CHANGED, kinds.SCHEMA_CHANGED),
    ("", kinds.RIGHT_MISSING, kinds.RIGHT_MISSING),
)


def check(scene: Scene) -> Iterator[Finding]:
    """Hold every object that the plan makes against the database, and name what nobody asked for."""
    known: set[str] = set()
    for unit in scene.wanted.units:
        known.update(unit.objects)
        if not isinstance(unit, MapRows):
            yield from _unit(scene, unit)
    # Such as the ledger's sequence: made along with what the plan names.
    for name in sorted(scene.expected.definitions.keys() - known):
        if scene.found.get(name) != scene.expected.definitions[name]:
            yield _wrong(scene, name, None)
    yield from _strangers(scene, known)
    yield from _born_with(scene)


def _unit(scene: Scene, unit: Unit) -> Iterator[Finding]:
    entry = scene.applied.get(unit.unit)
    unknown = [name for name in unit.objects if name not in scene.expected.definitions]
    wrong = [name for name in unit.objects if _is_wrong(scene, name)]
    if not wrong and not unknown:
        return  # whatever the manifest says
    if entry is None:
        yield scene.finding(kinds.UNAPPLIED, unit.unit, "the map asks for it, and it was never applied.", APPLY, unit)
        return
    if unit.table is not None and (
        entry.table_gone or (entry.made_here and entry.detail.get("oid") != unit.detail["oid"])
    ):
        yield scene.finding(kinds.REPLACED_TABLE, unit.unit, _REPLACED, APPLY, unit)
        return
    as_applied = all(_hash(scene.found.get(name)) == entry.objects.get(name) for name in wrong)
    if as_applied and entry.statements_hash != statements_hash(unit):
        name = wrong[0] if len(wrong) == 1 else ""
        expected, found = scene.expected.definitions.get(name), scene.found.get(name)
        yield scene.finding(kinds.OUTDATED, unit.unit, _OUTDATED, APPLY, unit, expected=expected, found=found)
        return
    # Where nothing else tells how an object should look, what the manifest has noted does: unless it was elsewhere.
    wrong += [
        name for name in unknown if name not in scene.found or (entry.made_here and _is_other(scene, name, entry))
    ]
    yield from (_wrong(scene, name, unit) for name in wrong)


def _is_other(scene: Scene, name: str, entry: ManifestEntry) -> bool:
    return _hash(scene.found[name]) != entry.objects.get(name)


def _is_wrong(scene: Scene, name: str) -> bool:
    expected = scene.expected.definitions.get(name)
    return expected is not None and scene.found.get(name) != expected


_OUTDATED = "the map, or rlsguard itself, asks for something else than was applied."
_REPLACED = "it was applied to another table that had this name: what is there now was made later, without a guard."


def _wrong(scene: Scene, name: str, unit: Unit | None) -> Finding:
    entry = scene.applied.get(unit.unit) if unit is not None else None
    expected, found = scene.expected.definitions.get(name), scene.found.get(name)
    gone, changed = next((gone, changed) for prefix, gone, changed in _KINDS if name.startswith(prefix))
    kind, why, ends = changed, "it is not defined as it should be.", mend(scene, name, unit, expected, found or "")
    if found is None:
        kind, why, ends = gone, "the guard needs it, and it is gone.", APPLY
    elif entry is not None and expected is not None and entry.objects.get(name) == _hash(found):
        kind, why = kinds.MANIFEST, "it is not as it should be, and the manifest says that it is: both were changed."
        forget = sql.SQL("DELETE FROM rlsguard.manifest WHERE unit = {};").format(sql.Literal(entry.unit))
        ends = f"{forget.as_string()}  -- then {APPLY}"
    elif kind is kinds.ROW_SECURITY:
        why = "row security is off, or not forced: then policies hold nobody, or all but its owner."
        if found.endswith("WITHOUT CHILDREN"):
            why = "its partitions or children are not read along with it, nor where a path crosses it."
    return scene.finding(kind, name, why, ends, unit, expected=expected, found=found)


def _strangers(scene: Scene, known: set[str]) -> Iterator[Finding]:
    """Name what is the guard's by its place or its name, and that nobody asked for."""
    tables = {f"{name.schema}.{name.name}": name for name in scene.catalog.tables}
    known = known | scene.expected.definitions.keys() | set(vouched(scene))
    for name in sorted(scene.found.keys() - known):
        kind, rest = name.split(" ", 1)
        drop = _drop(kind, rest, scene.found[name], tables)
        if kind == "sequence" and scene.expected.server is None:
            continue  # those that come with a table only the scratch server names
        if drop is not None:  # rights that the guard does not need any more do no harm
            why = "it is the guard's by its place or its name, and neither the map nor the guard asks for it."
            yield scene.finding(kinds.STRANGER, name, why, drop, found=scene.found[name])


def _born_with(scene: Scene) -> Iterator[Finding]:
    """Name rights that somebody gave to whatever the guard makes from then on."""
    for role, schema, what, grantees in scene.rows("check/default_rights"):
        where = f" IN SCHEMA {quote(schema)}" if schema else ""
        mend = f"ALTER DEFAULT PRIVILEGES FOR ROLE {role}{where} REVOKE ALL ON {what} FROM {listed(grantees)};"
        why = f"others have rights to {what.lower()} of the guard from the moment that it makes them."
        yield scene.finding(kinds.STRANGER, f"default privileges of {role}", why, mend)


def _drop(kind: str, rest: str, definition: str, tables: Mapping[str, QualifiedName]) -> str | None:
    schema, _, name = rest.partition(".")
    match kind:
        case "relation":
            what = "VIEW" if definition.startswith("VIEW") else "TABLE"
            return f"DROP {what} {QualifiedName(schema, name)};"
        case "sequence":
            return f"DROP SEQUENCE {QualifiedName(schema, name)};"
        case "function":
            function, _, arguments = name.partition("(")
            return f"DROP ROUTINE {QualifiedName(schema, function)}({arguments};"
        case "event":
            return f"DROP EVENT TRIGGER {quote(rest.removeprefix('trigger '))};"
        case "policy" | "trigger":
            # Names of tables, policies and triggers can have spaces in them.
            begins = (rest[:place] for place, letter in enumerate(rest) if letter == " ")
            on = max((spelled for spelled in begins if spelled in tables), key=len, default=None)
            if on is not None and schema != "rlsguard":
                return f"DROP {kind.upper()} {quote(rest[len(on) + 1 :])} ON {tables[on]};"
    return None


def _hash(definition: str | None) -> str | None:
    return None if definition is None else sha256(definition.encode()).hexdigest()

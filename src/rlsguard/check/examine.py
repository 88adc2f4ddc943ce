"""One look at a database: everything that checks go by is read, then each says what it finds."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from rlsguard import catalog
from rlsguard.check import around, built_in, guard, kinds, ledger, manifest, partitions, reads, rows, state, unmapped
from rlsguard.check.expected import Expected
from rlsguard.check.model import Finding
from rlsguard.check.renamed import as_wanted
from rlsguard.check.scene import Scene
from rlsguard.datamap.model import DataMap
from rlsguard.prove.scene import Scene as Surroundings
from rlsguard.prove.session import Session
from rlsguard.prove.survey import look_around

_CHECKS: tuple[Callable[[Scene], Iterator[Finding]], ...] = (
    guard.check,
    manifest.check,
    rows.check,
    ledger.check,
    state.check,
    partitions.check,
    built_in.check,
    around.check,
    unmapped.check,
    reads.check,
)


def examine(
    session: Session, datamap: DataMap, expect: Callable[[Surroundings], Expected]
) -> tuple[Scene, list[Finding]]:
    """Return what was looked at and every finding.

    Args:
        expect: finds out how the definitions of a plan should look.

    Raises:
        MapError: the map does not fit the database.
        RlsguardError: the guard is not there.
        psycopg.Error: the login may not read the guard, or the connection broke.
    """
    surroundings = look_around(session, datamap, catalog.load(session.conn))
    should = expect(surroundings)
    definitions = {**dict(_row_security(surroundings)), **surroundings.installed.definitions}
    found = as_wanted(definitions, should.definitions)
    scene = Scene(surroundings, found, should)
    return scene, [*_not_compared(scene), *(found for look in _CHECKS for found in look(scene))]


def _row_security(place: Surroundings) -> Iterator[tuple[str, str]]:
    """Say it of every protected table: by itself it is told only of those that still have the policy."""
    for protection in place.protected.values():
        table = place.catalog.tables[protection.name]
        enabled = "ENABLE" if table.row_security else "DISABLE"
        forced = "FORCE" if table.force_row_security else "NO FORCE"
        name = f"row security {protection.name.schema}.{protection.name.name}"
        yield name, f"{enabled} ROW LEVEL SECURITY, {forced} ROW LEVEL SECURITY"


def _not_compared(scene: Scene) -> Iterator[Finding]:
    left_out = scene.expected.left_out
    if scene.expected.server is None:
        why = f"{next(iter(left_out.values()))}: they were compared with the manifest alone."
        mend = "Name one by --scratch, or install it where rlsguard runs."
        yield scene.finding(kinds.NOT_COMPARED, "definitions", why, mend)
        return
    for unit in scene.wanted.units:
        if unit.unit in left_out:
            why = f"{left_out[unit.unit]}: it was compared with the manifest alone."
            mend = "Name a server that has it by --scratch."
            yield scene.finding(kinds.NOT_COMPARED, unit.unit, why, mend, unit)

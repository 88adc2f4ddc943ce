"""What every check may look at: what there is, what there should be, and where the map speaks of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from rlsguard.catalog.installed import Installed, ManifestEntry
from rlsguard.catalog.model import Catalog
from rlsguard.check.expected import Expected, read_rows
from rlsguard.check.model import Finding, Kind
from rlsguard.datamap.model import DataMap
from rlsguard.names import QualifiedName
from rlsguard.plan.model import Plan, Protection, Unit
from rlsguard.problems import Location, Position
from rlsguard.prove.scene import Scene as Surroundings


@dataclass(frozen=True)
class Scene:
    """One guarded database at one moment.

    Attributes:
        surroundings: what the search for ways around looks at.
        found: every object of the guard that is there, with its definition as the server spells it.
        expected: the same as it should be.
    """

    surroundings: Surroundings
    found: Mapping[str, str]
    expected: Expected

    @property
    def catalog(self) -> Catalog:
        """The database."""
        return self.surroundings.catalog

    @property
    def datamap(self) -> DataMap:
        """The map."""
        return self.surroundings.datamap

    @property
    def wanted(self) -> Plan:
        """What the map asks for here."""
        return self.surroundings.wanted

    @property
    def installed(self) -> Installed:
        """What was applied."""
        return self.surroundings.installed

    @property
    def protected(self) -> Mapping[int, Protection]:
        """The protected tables, partitions too, by OID."""
        return self.surroundings.protected

    @cached_property
    def applied(self) -> Mapping[str, ManifestEntry]:
        """What the manifest says of each unit of the plan; of a table that was renamed, by its OID."""
        manifest = self.installed.manifest
        by_table = {(entry.detail.get("kind"), entry.detail.get("oid")): entry for entry in manifest.values()}
        found: dict[str, ManifestEntry] = {}
        for unit in self.wanted.units:
            entry = manifest.get(unit.unit)
            if entry is None and "oid" in unit.detail:
                entry = by_table.get((unit.detail["kind"], unit.detail["oid"]))
            if entry is not None:
                found[unit.unit] = entry
        return found

    def rows(self, name: str, params: Sequence[Any] | Mapping[str, Any] | None = None) -> list[tuple[Any, ...]]:
        """Run `sql/<name>.sql` on the database and return its rows."""
        return read_rows(self.surroundings.session.conn, name, params)

    def finding(
        self,
        kind: Kind,
        about: str,
        why: str,
        mend: str,
        unit: Unit | None = None,
        *,
        expected: str | None = None,
        found: str | None = None,
    ) -> Finding:
        """Return a finding about *unit*, with what is known of it."""
        table = unit.table if unit is not None else None
        entry = self.applied.get(unit.unit) if unit is not None else None
        return Finding(
            kind,
            about,
            why,
            mend,
            tables=(table,) if table is not None else (),
            expected=expected,
            found=found,
            since=entry.applied_at if entry is not None else None,
            position=self.position(table),
        )

    def position(self, table: QualifiedName | None = None) -> Position:
        """Return where the map speaks of *table*, or of what that is a partition of; or else where it begins."""
        location: Location = ()
        if table is not None and table in self.catalog.tables:
            names = [table, *sorted(self.catalog.lineage(self.catalog.tables[table]))]
            entry = next((self.datamap.tables[name] for name in names if name in self.datamap.tables), None)
            location = entry.location if entry is not None else ()
        return self.datamap.position(location)

"""What the search for ways around looks at."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cached_property

from rlsguard.catalog.installed import Installed
from rlsguard.catalog.model import Catalog
from rlsguard.datamap.model import DataMap
from rlsguard.names import QualifiedName
from rlsguard.people import Held, Memberships, held
from rlsguard.plan.model import Plan, Protection
from rlsguard.prove.model import in_order
from rlsguard.prove.roles import Prober, above
from rlsguard.prove.routines import Routine
from rlsguard.prove.session import Session
from rlsguard.prove.windows import Window


@dataclass(frozen=True)
class Scene:
    """One guarded database at one moment.

    Attributes:
        wanted: what the map asks for.
        installed: what was applied, and how it is now.
        windows: views over protected tables.
        routines: SECURITY DEFINER functions and procedures.
        today: in UTC.
    """

    session: Session
    catalog: Catalog
    datamap: DataMap
    wanted: Plan
    installed: Installed
    memberships: Memberships
    probers: tuple[Prober, ...]
    windows: tuple[Window, ...]
    routines: tuple[Routine, ...]
    today: date

    @cached_property
    def purposes(self) -> frozenset[str]:
        """The purposes that people can opt out of."""
        return frozenset(name for name, purpose in self.datamap.purposes.items() if purpose.opt_out)

    @cached_property
    def protected(self) -> Mapping[int, Protection]:
        """The protected tables, partitions too, by OID."""
        return {unit.oid: unit for unit in self.wanted.units if isinstance(unit, Protection)}

    def names(self, oids: Collection[int]) -> tuple[QualifiedName, ...]:
        """Return the protected tables among *oids*."""
        return in_order(self.protected[oid].name for oid in oids if oid in self.protected)

    def held(self, role: str) -> Held:
        """Return what *role* is held to by the map's rules."""
        return held(self.datamap, self.memberships, role, self.today)

    def above(self, role: str) -> bool:
        """Tell whether no policy holds *role*."""
        return above(self.catalog, role)

    @cached_property
    def views_over(self) -> Mapping[int, Sequence[Window]]:
        """The views, copies not among them, that read each relation, by its OID."""
        found: dict[int, list[Window]] = {}
        for window in self.windows:
            for oid in window.reads if not window.copies else ():
                found.setdefault(oid, []).append(window)
        return found

    @cached_property
    def passed_on(self) -> Mapping[tuple[int, str], Sequence[str]]:
        """Who passed a right on without being the owner, by relation and right."""
        return {(oid, right): grantors for oid, right, grantors in self.session.file("around/passed_on")}

    @cached_property
    def held_names(self) -> tuple[str, ...]:
        """The probed roles that are held to anything."""
        return tuple(prober.name for prober in self.probers if prober.held.purposes)

    def held_among(self, readers: Collection[str]) -> tuple[str, ...]:
        """Return the roles, held to anything, that read as one of *readers*: of those that PUBLIC is, the probed."""
        if "PUBLIC" in readers:
            return self.held_names
        return tuple(name for name, counts in self._reading.items() if not counts.isdisjoint(readers))

    @cached_property
    def _reading(self) -> Mapping[str, frozenset[str]]:
        """As whom every login reads that is held to anything, and every probed role, while it is held to anything."""
        probed = {prober.name for prober in self.probers}
        names = [name for name, role in sorted(self.catalog.roles.items()) if role.can_login or name in probed]
        return {name: self._reads_as(name) for name in names if self._is_held(name)}

    def _reads_as(self, role: str) -> frozenset[str]:
        becomes = [other for other in self.memberships.may_become(role) if self._is_held(other)]
        return frozenset().union(*map(self.memberships.privileges_of, [role, *becomes]))

    def _is_held(self, role: str) -> bool:
        return not self.above(role) and bool(self.held(role).purposes)

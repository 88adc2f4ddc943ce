"""Whom a proof looks as: the roles of the map, and some of every class of other logins."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import date

from rlsguard.catalog.model import Catalog
from rlsguard.datamap.model import DataMap
from rlsguard.people import Held, Memberships, held
from rlsguard.prove.session import Session

# Of each class of logins that the map does not name.
_MOST_OF_A_CLASS = 2


@dataclass(frozen=True, slots=True)
class Rights:
    """What a role may do with a table; without USAGE of its schema, nothing. Column names are as in the catalog."""

    schema: bool = False
    whole: bool = False
    delete: bool = False
    select: frozenset[str] = frozenset()
    insert: frozenset[str] = frozenset()
    update: frozenset[str] = frozenset()

    @property
    def reads(self) -> bool:
        """Whether it may read any column."""
        return self.schema and bool(self.select)


@dataclass(frozen=True, slots=True)
class Prober:
    """A role to look as.

    Attributes:
        kind: how it comes to be looked at, such as "of the map" or "not in the map".
        held: by the map's rules.
        rights: by the table's OID.
    """

    name: str
    kind: str
    held: Held
    rights: Mapping[int, Rights]

    def right(self, oid: int) -> Rights:
        """Return what it may do with the table *oid*."""
        return self.rights.get(oid, Rights())


def probers(
    session: Session, catalog: Catalog, datamap: DataMap, memberships: Memberships, tables: Collection[int], today: date
) -> tuple[Prober, ...]:
    """Return the roles to look as: those that no policy holds are left out, see `above`.

    Args:
        tables: OIDs of the relations that matter.
    """
    chosen = {name: "of the map" for name in (*datamap.roles, *datamap.exempt) if name in catalog.roles}
    for name, kind in _others(session, catalog, datamap, memberships, tables):
        chosen.setdefault(name, kind)
    names = [name for name in chosen if not above(catalog, name)]
    rights: dict[str, dict[int, Rights]] = {name: {} for name in names}
    for name, oid, schema, whole, delete, *columns in session.file("rights", [names, list(tables)]):
        rights[name][oid] = Rights(schema, whole, delete, *map(frozenset, columns))
    return tuple(Prober(name, chosen[name], held(datamap, memberships, name, today), rights[name]) for name in names)


def above(catalog: Catalog, role: str) -> bool:
    """Tell whether no policy holds *role*."""
    return catalog.roles[role].superuser or catalog.roles[role].bypass_rls


def _others(
    session: Session, catalog: Catalog, datamap: DataMap, memberships: Memberships, tables: Collection[int]
) -> Iterator[tuple[str, str]]:
    """Yield some logins of each class, those first that may read the most tables."""
    named = datamap.roles.keys() | datamap.exempt.keys()
    owners = {table.owner for table in catalog.tables.values() if table.oid in tables}
    taken: dict[str, int] = {}
    for name, superuser, bypass, readable in session.file("others", [list(tables)]):
        if superuser or bypass or name in named:
            continue
        kind = _kind(datamap, memberships, owners, name, readable)
        if kind is not None and taken.setdefault(kind, 0) < _MOST_OF_A_CLASS:
            taken[kind] += 1
            yield name, kind


def _kind(datamap: DataMap, memberships: Memberships, owners: Collection[str], name: str, readable: int) -> str | None:
    if name in owners:
        return "owns tables"
    if not readable:
        return None
    counts = memberships.privileges_of(name)
    if counts & datamap.roles.keys():
        return "member of a role of the map"
    if counts & datamap.exempt.keys():
        return "exempt by membership"
    if memberships.may_become(name) & (datamap.roles.keys() | datamap.exempt.keys()):
        return "may set a role of the map"
    return "not in the map"

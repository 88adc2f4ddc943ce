"""What a plan is built from where a database is to be held against it rather than brought to it."""

from __future__ import annotations

from dataclasses import replace

from rlsguard.catalog.installed import Installed
from rlsguard.catalog.model import Catalog, Table
from rlsguard.datamap.model import DataMap
from rlsguard.plan.model import Roles
from rlsguard.render.manifest import statements_hash


def as_applied(catalog: Catalog, datamap: DataMap, installed: Installed) -> tuple[Catalog, DataMap]:
    """Return both without what a plan refuses, and what is to be shown by what comes of it.

    That is roles of the map that no policy holds, and policies that others added to tables that had no row security.
    How the guard sees past the policies of hop tables is what the last apply settled, whoever looks now.
    """
    roles = {
        name: replace(role, superuser=False, bypass_rls=False, replication=False) if name in datamap.roles else role
        for name, role in catalog.roles.items()
    }
    tables = {name: _without_additions(table, datamap, installed) for name, table in catalog.tables.items()}
    entry = installed.manifest.get("roles")
    settled = entry is not None and datamap.bypass is None
    if settled:
        bypass = entry is not None and entry.statements_hash == statements_hash(Roles(bypass=True))
        datamap = replace(datamap, bypass="attribute" if bypass else "marker")
    # As whom it was applied does not matter any more.
    roles[catalog.user] = replace(roles[catalog.user], superuser=True)
    return replace(catalog, roles=roles, tables=tables), datamap


def _without_additions(table: Table, datamap: DataMap, installed: Installed) -> Table:
    detail = installed.details_of("protect", table.oid)
    entry = datamap.tables.get(table.name)
    decided = entry is not None and entry.existing_policies is not None
    if detail is None or detail["row_security_before"] or decided:
        return table
    return replace(table, policies=tuple(p for p in table.policies if p.name in detail["policies"]))

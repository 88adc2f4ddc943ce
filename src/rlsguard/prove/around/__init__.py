"""The search for ways around the policies: objects, rights and roles that lead past them."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from rlsguard.prove.around import code, copies, guard, keys, relations, roles, server
from rlsguard.prove.model import Assumption, WayAround
from rlsguard.prove.scene import Scene

Found = WayAround | Assumption

SEARCHES: tuple[Callable[[Scene], Iterator[Found]], ...] = (
    guard.changed,
    guard.strangers,
    guard.owners,
    guard.state,
    relations.views,
    relations.materialised_views,
    relations.partitions,
    relations.first_policies,
    relations.foreign_tables,
    relations.publications,
    relations.rules,
    code.definers,
    code.triggers,
    code.leakproof,
    code.of_others,
    code.casts,
    copies.unmapped,
    copies.to_come,
    copies.large_objects,
    keys.truncated,
    keys.actions,
    keys.others,
    roles.of_the_map,
    roles.exempt_members,
    roles.become,
    roles.attributes,
    roles.privileges,
    roles.settings,
    roles.toast,
    server.functions,
    server.languages,
    server.statistics,
    server.links,
    server.parameters,
    server.event_triggers,
    server.subscriptions,
    server.prepared,
)


def search(scene: Scene) -> Iterator[Found]:
    """Yield every way around that the catalog shows, and what has to be assumed because it cannot show it."""
    for find in SEARCHES:
        yield from find(scene)

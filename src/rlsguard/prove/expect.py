"""What a role should see: the rules of the data map on what the rows say, without the database's help."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from rlsguard.people import Person
from rlsguard.plan.model import Lookup

# Who has opted out of what.
OptOuts = Mapping[Person, Collection[str]]


def hidden(
    lookups: Sequence[Lookup], people: Sequence[frozenset[Person]], held: frozenset[str], opt_outs: OptOuts
) -> bool:
    """Tell whether a row is to be hidden from whoever is held to the purposes *held*.

    Args:
        people: whom the row leads to by each of *lookups*.
    """
    return bool(held) and any(
        _hidden(look, reached, held, opt_outs) for look, reached in zip(lookups, people, strict=True)
    )


def _hidden(look: Lookup, people: frozenset[Person], held: frozenset[str], opt_outs: OptOuts) -> bool:
    if not people:
        return look.hide_unknown
    gone = [not held.isdisjoint(opt_outs.get(person, ())) for person in people]
    return all(gone) if look.route.joint == "all" else any(gone)

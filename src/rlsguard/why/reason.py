"""What the data map and the ledger say of one row and one role. Pure: no I/O."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date

from rlsguard.catalog.model import DatabaseRole
from rlsguard.datamap.model import DataMap
from rlsguard.names import QualifiedName, quote
from rlsguard.people import Held, Memberships, OptOut, Person, held
from rlsguard.plan.model import JoinColumns, Lookup, Route, Step
from rlsguard.prove.expect import hidden
from rlsguard.why.model import Expected, Found, HeldTo, Path, Reasoning

_MOST_NAMED = 10


@dataclass(frozen=True, slots=True)
class Case:
    """A role, and a row with whom it is about.

    Attributes:
        lookups: of the table's policy, as the map asks for it; none where the table has no subject.
        people: whom the row leads to by each of them.
        opt_outs: in force, by the ledger.
        today: in UTC.
    """

    datamap: DataMap
    memberships: Memberships
    role: DatabaseRole
    table: QualifiedName
    lookups: tuple[Lookup, ...]
    people: tuple[frozenset[Person], ...]
    opt_outs: Mapping[Person, Mapping[str, OptOut]]
    today: date


def reason(case: Case) -> Reasoning:
    """Return whether the row is to be hidden from the role, and why."""
    is_held = held(case.datamap, case.memberships, case.role.name, case.today)
    paths = tuple(
        _path(look, people, is_held.purposes, case) for look, people in zip(case.lookups, case.people, strict=True)
    )
    hides = any(path.hides for path in paths)
    because = tuple(_hidden(case, is_held, paths) if hides else _visible(case, is_held, paths))
    above = _above(case.role)
    if above:
        held_back = "; by the map it would be hidden" if hides else ""
        because = (f"{above}: no policy holds it{held_back}", *because)
    expected: Expected = "hidden" if hides and not above else "visible"
    return Reasoning(expected, _held_to(case, is_held), paths, because)


def spelled(route: Route) -> str:
    """Return a subject path as the data map writes it, with arrows."""
    return " -> ".join((*map(_step, route.steps), quote(route.key)))


def _step(step: Step) -> str:
    def join(columns: JoinColumns) -> str:
        return f"{quote(columns.here)} = {step.table}.{quote(columns.there)}"

    return " and ".join(map(join, step.joins))


def _path(look: Lookup, people: frozenset[Person], purposes: frozenset[str], case: Case) -> Path:
    found = tuple(
        Found(person, tuple(opt_out for _, opt_out in sorted(case.opt_outs.get(person, {}).items())))
        for person in sorted(people, key=_in_order)
    )
    hides = hidden([look], [people], purposes, case.opt_outs)
    return Path(look.route.kind, spelled(look.route), look.route.joint, found, hides)


def _in_order(person: Person) -> tuple[str, int, str]:
    """Sort numbers by their size, as far as they have as many digits as they are large."""
    return person.kind, len(person.key) if person.key.isdecimal() else 0, person.key


def _held_to(case: Case, is_held: Held) -> tuple[HeldTo, ...]:
    def sources(purpose: str) -> tuple[str, ...]:
        named = [one for one in is_held.by if purpose in case.datamap.roles[one].purposes]
        return tuple(sorted(named, key=lambda one: (one != case.role.name, one)))

    return tuple(HeldTo(purpose, sources(purpose)) for purpose in sorted(is_held.purposes))


def _above(role: DatabaseRole) -> str | None:
    if role.superuser:
        return f"{quote(role.name)} is a superuser"
    return f"{quote(role.name)} has BYPASSRLS" if role.bypass_rls else None


def _hidden(case: Case, is_held: Held, paths: Sequence[Path]) -> Iterator[str]:
    if not is_held.by:
        for one in sorted(case.memberships.privileges_of(case.role.name) & case.datamap.exempt.keys()):
            yield f"the exemption of {quote(one)} ended after {case.datamap.exempt[one].until}"
    for path in paths:
        if not path.hides:
            continue
        if not path.people:
            yield f"the row leads to no {path.kind}, and is hidden then (when_unknown: hide)"
        decisive = [
            (found.person, opt_out)
            for found in path.people
            for opt_out in found.opt_outs
            if opt_out.purpose in is_held.purposes
        ]
        for person, opt_out in decisive[:_MOST_NAMED]:
            yield told(person, opt_out)
        if len(decisive) > _MOST_NAMED:
            yield f"... and {len(decisive) - _MOST_NAMED} more opt-outs"
        if path.joint == "all" and len(path.people) > 1:
            yield f"nobody of the {len(path.people)} is left who has not opted out (joint: all)"


def told(person: Person, opt_out: OptOut) -> str:
    """Return an opt-out with its ledger entry, for people."""
    when = opt_out.recorded_at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    return (
        f"{_name(person)} opted out of {opt_out.purpose} at {when} (ledger entry {opt_out.entry},"
        f" version {opt_out.version}, asked by {opt_out.actor}, recorded by {opt_out.recorded_by})"
    )


def _visible(case: Case, is_held: Held, paths: Sequence[Path]) -> Iterator[str]:
    role = quote(case.role.name)
    if not case.lookups:
        reviewed = case.table in case.datamap.tables
        yield (
            f"{case.table} is in the map as a table that leads to nobody"
            if reviewed
            else f"{case.table} is not in the map, so no opt-out hides rows of it"
        )
    elif is_held.exempt is not None:
        yield _exempt(case, is_held.exempt)
    elif not is_held.purposes:
        yield from _held_to_nothing(case, is_held)
    else:
        purposes = " or ".join(sorted(is_held.purposes))
        for path in paths:
            yield _path_shows(path, is_held.purposes, purposes)
            yield from _of_no_concern(role, path, is_held.purposes)


def _exempt(case: Case, exemption: str) -> str:
    entry = case.datamap.exempt[exemption]
    who = quote(case.role.name)
    through = "" if exemption == case.role.name else f" as a member of {quote(exemption)}"
    until = "without end" if entry.until is None else f"until {entry.until}"
    return f"{who} is exempt{through}, {until} ({entry.reason})"


def _held_to_nothing(case: Case, is_held: Held) -> Iterator[str]:
    if not is_held.by:
        yield "the map has no purpose that anybody may opt out of"
    for one in is_held.by:
        through = "" if one == case.role.name else f" as a member of {quote(one)}"
        purposes = ", ".join(case.datamap.roles[one].purposes)
        yield f"{quote(case.role.name)} reads for {purposes}{through}: nobody may opt out of that (opt_out: false)"


def _path_shows(path: Path, held_to: frozenset[str], purposes: str) -> str:
    if not path.people:
        return f"the row leads to no {path.kind}, and is shown then (the map does not say when_unknown: hide)"
    stays = [found.person for found in path.people if held_to.isdisjoint(o.purpose for o in found.opt_outs)]
    if len(stays) < len(path.people):
        stay = f"{named(stays)} has not opted out of {purposes}"
        return f"{stay}, and every {path.kind} of the row would have to (joint: all)"
    if len(stays) == 1:
        return f"{named(stays)} has not opted out of {purposes}"
    return f"none of {named(stays)} has opted out of {purposes}"


def _of_no_concern(role: str, path: Path, held_to: frozenset[str]) -> Iterator[str]:
    """Say what people opted out of that the role does not read for: it is the first thing to be asked next."""
    for found in path.people[:_MOST_NAMED]:
        others = ", ".join(o.purpose for o in found.opt_outs if o.purpose not in held_to)
        if others:
            yield f"{_name(found.person)} opted out of {others}, which {role} is not held to"


def named(people: Sequence[Person]) -> str:
    """Return some of *people*, for people."""
    more = f" and {len(people) - _MOST_NAMED} more" if len(people) > _MOST_NAMED else ""
    return ", ".join(map(_name, people[:_MOST_NAMED])) + more


def _name(person: Person) -> str:
    return f"{person.kind} {person.key}"

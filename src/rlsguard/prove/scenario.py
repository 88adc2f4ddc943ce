"""Whom to opt out, and doing so for a moment."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import psycopg
from psycopg import sql

from rlsguard.names import Name
from rlsguard.people import Person, RowId
from rlsguard.plan.model import Lookup
from rlsguard.prove.expect import OptOuts, hidden
from rlsguard.prove.session import Session
from rlsguard.prove.target import Target

# Enough to find a row that slips through, few enough that others of the sample stay.
_MOST_ROWS = 3


@dataclass(frozen=True, slots=True)
class Scenario:
    """People who opt out, so that some rows of a table that `look` leads from are to vanish."""

    look: Lookup
    people: tuple[Person, ...]


@dataclass(frozen=True, slots=True)
class Case:
    """A protected table, who has opted out by the ledger, and who is to opt out for the proof.

    Attributes:
        texts: what has been read of whole rows, each as one literal.
    """

    target: Target
    opt_outs: OptOuts
    scenarios: tuple[Scenario, ...]
    texts: dict[RowId, sql.Composable] = field(default_factory=dict)

    @property
    def reached(self) -> frozenset[Person]:
        """Everybody whom the rows lead to."""
        return frozenset(p for found in self.target.people.values() for some in found for p in some)

    @property
    def people(self) -> frozenset[Person]:
        """Everybody who is to opt out."""
        return frozenset(person for scenario in self.scenarios for person in scenario.people)


def scenarios(target: Target, gone: Collection[Person]) -> Iterator[Scenario]:
    """Yield for each path of *target* people whose opting out hides some of its rows, and not all if that can be.

    Args:
        gone: people who have opted out of something already.
    """
    for number, look in enumerate(target.lookups):
        people = _people(target, number, look, gone)
        if people:
            yield Scenario(look, tuple(sorted(people)))


def _people(target: Target, number: int, look: Lookup, gone: Collection[Person]) -> set[Person]:
    chosen: set[Person] = set()
    reached = {row: people[number] for row, people in target.people.items() if people[number]}
    taken = 0
    for row in sorted(reached, key=lambda row: (row not in target.in_sample, row)):
        if not reached[row].isdisjoint(chosen) or not reached[row].isdisjoint(gone):
            continue
        more = reached[row] if look.route.joint == "all" else {min(reached[row])}
        if chosen and all(not people.isdisjoint(chosen | more) for people in reached.values()):
            break  # nobody would be left to show that others stay
        chosen |= more
        taken += 1
        if taken == _MOST_ROWS:
            break
    return chosen


class _InTheWayError(Exception):
    """Somebody else is recording about the same people."""


@contextmanager
def opted_out(session: Session, people: Collection[Person], purposes: Collection[str]) -> Iterator[str | None]:
    """Have *people* opted out of *purposes* in the state, as long as the block lasts; yield why that cannot be, if so.

    Without the ledger: numbers of its sequence are not given back, and a gap in them would have to be explained.
    """
    try:
        with session.savepoint():
            try:
                _change(session, people, purposes)
            except (psycopg.errors.SerializationFailure, psycopg.errors.LockNotAvailable) as error:
                raise _InTheWayError from error
            yield None
            return
    except _InTheWayError:
        pass
    yield "opt-outs of the same people are being recorded at this moment"


def _change(session: Session, people: Collection[Person], purposes: Collection[str]) -> None:
    for kind in sorted({person.kind for person in people}):
        keys = [person.key for person in people if person.kind == kind]
        session.rows(
            sql.SQL(
                "SELECT {}(k.key, p.purpose, true)"
                " FROM unnest({}::text[]) AS k (key), unnest({}::text[]) AS p (purpose)"
            ).format(Name("rlsguard", f"change_{kind}"), sql.Literal(keys), sql.Literal(sorted(purposes)))
        )


def expected(target: Target, held: frozenset[str], opt_outs: OptOuts) -> frozenset[RowId]:
    """Return the rows of the sample that opt-outs leave visible to whoever is held to *held*."""
    return frozenset(row for row, people in target.people.items() if not hidden(target.lookups, people, held, opt_outs))


def also(opt_outs: OptOuts, people: Collection[Person], purposes: Collection[str]) -> OptOuts:
    """Return *opt_outs* with *people* opted out of *purposes* too."""
    return {**opt_outs, **{person: {*opt_outs.get(person, ()), *purposes} for person in people}}

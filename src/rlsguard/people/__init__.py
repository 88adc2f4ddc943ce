"""Whom a row is about, what a role is held to, and who has opted out: worked out without asking the policies."""

from rlsguard.people.held import Held, Memberships, held, load_memberships
from rlsguard.people.ledger import OptOut, in_force
from rlsguard.people.reach import Person, Reached, RowId, along, reach
from rlsguard.people.texts import text_of

__all__ = [
    "Held",
    "Memberships",
    "OptOut",
    "Person",
    "Reached",
    "RowId",
    "along",
    "held",
    "in_force",
    "load_memberships",
    "reach",
    "text_of",
]

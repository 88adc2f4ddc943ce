"""Small verbs for weaknesses: prove, take what the proof names, do what it says.

A small map, so that a proof is quick: clients, and roles for marketing, for servicing, and of no purpose at all.
"""

from __future__ import annotations

from collections.abc import Collection

from catalogue.attacking import guard
from guarding import BANK, apply
from proving import faults, prove_map
from rlsguard.prove import WayAround
from servers import Database

HEAD = """
version: 1
subjects:
  client: {table: bank.client, key: client_id}
purposes:
  marketing: {}
  servicing: {opt_out: false}
roles:
  campaign_app: [marketing]
  teller_app: [servicing]
tables:
"""
MAP = HEAD + "  bank.client: {holds: [personal], subject: {client: client_id}}\n"
"""Clients alone."""
DISP = "  bank.disp: {holds: [personal], subject: {client: client_id}}\n"
TRANS = "  bank.trans: {holds: [financial], subject: {client: [account_id = bank.disp.account_id, client_id]}}\n"

CLIENTS = "SELECT client_id FROM bank.client"
ALL = [1, 2, 3]
LEFT = [2, 3]
"""What is left of the clients once client 1 has opted out."""


def guarded(db: Database, text: str = MAP, *, before: str = "") -> None:
    """Make the bank, with *before* added to it, and guard it by *text*; client 1 has opted out of marketing."""
    db.execute(BANK + before)
    guard(db, text)


def named(db: Database, check: str, about: str, text: str = MAP) -> WayAround:
    """Return the way around that a proof of *text* names so."""
    proof = prove_map(db, text, max_rows=20)
    assert not proof.right
    ways = [way for way in proof.ways_around if (way.check, way.about) == (check, about)]
    assert len(ways) == 1, proof.ways_around
    return ways[0]


def mended(db: Database, *ways: WayAround, text: str = MAP) -> None:
    """Do what the proof says, to the letter, and assert that this ends it."""
    for way in ways:
        if way.mend == "rlsguard apply MAP":
            apply(db, text)
        else:
            db.execute(way.mend)
    proven(db, text)


def proven(db: Database, text: str = MAP) -> None:
    """Assert that a proof finds nothing wrong."""
    proof = prove_map(db, text, max_rows=20)
    assert faults(proof) == []
    assert proof.ways_around == ()


def assumed(db: Database, about: str, text: str = MAP) -> list[str]:
    """Return what a proof of *text*, which finds nothing wrong, takes for granted about *about*."""
    proof = prove_map(db, text, max_rows=20)
    assert faults(proof) == []
    assert proof.ways_around == ()
    return [one.text for one in proof.assumptions if one.about == about]


def named_roles(way: WayAround) -> Collection[str]:
    """Return whom *way* is open to."""
    return set(way.roles)

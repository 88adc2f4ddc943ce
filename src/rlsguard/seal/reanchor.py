"""Going on where the log cannot simply grow: after a restore, an upgrade, a clone, or entries that were lost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import psycopg

from rlsguard.problems import RlsguardError
from rlsguard.seal.log import Head, explained, heads, root
from rlsguard.seal.names import origin
from rlsguard.seal.places import Place
from rlsguard.seal.publish import Published, publish
from rlsguard.tlog import Keys, SignedCheckpoint, SigningKey, TlogError, Witness, verify_checkpoint


@dataclass(frozen=True, slots=True)
class Reanchored:
    """A new tree.

    Attributes:
        incident: what kept the one before from growing; None where the tree had begun already.
        published: its first checkpoint.
    """

    epoch: int
    incident: str | None
    published: Published


def reanchor(
    conn: psycopg.Connection[Any],
    key: SigningKey,
    places: Sequence[Place],
    witnesses: Sequence[Witness] = (),
    *,
    reason: str,
) -> Reanchored:
    """Begin another tree, whose first entry says why and how far the one before was published; and publish it.

    Raises:
        RlsguardError: the log has no need of it, or there is none yet.
    """
    known = heads(conn)
    if not known:
        raise RlsguardError("nothing was sealed yet: rlsguard ledger seal begins the log")
    head = known[-1]
    last = _last(places, Keys(origin(key.name, head.epoch), (key.verifier,)))
    incident = _incident(conn, head, last)
    if incident is not None:
        with explained(conn):
            given = [f"{reason} ({incident})", None if last is None else last.note]
            conn.execute("SELECT rlsguard.open_epoch(%s, %s)", given)
    elif head.epoch == 1 or last is not None:
        raise RlsguardError("the log can simply go on: rlsguard ledger seal")
    published = publish(conn, key, places, witnesses, begin=True)
    return Reanchored(published.head.epoch, incident, published)


def _last(places: Sequence[Place], keys: Keys) -> SignedCheckpoint | None:
    """Return the largest checkpoint that was published."""
    found: list[SignedCheckpoint] = []
    for place in places:
        for data in place.checkpoints(keys.origin):
            try:
                found.append(verify_checkpoint(data, keys))
            except TlogError as error:
                raise RlsguardError(f"{place} has a checkpoint that is not the log's: {error}") from error
    return max(found, key=lambda signed: signed.checkpoint.size, default=None)


def _incident(conn: psycopg.Connection[Any], head: Head, last: SignedCheckpoint | None) -> str | None:
    with explained(conn):
        query = "SELECT e.place, rlsguard.here() FROM rlsguard.log_epoch AS e WHERE e.epoch = %s"
        ((before, here),) = conn.execute(query, [head.epoch]).fetchall()
    told = []
    if before != here:
        told.append(f"the log was kept in database {before}, and this is {here}")
    if last is not None and last.checkpoint.size > head.size:
        told.append(f"{last.checkpoint.size} entries were published, and the database has {head.size}")
    elif last is not None and last.checkpoint.root != root(conn, head.epoch, last.checkpoint.size):
        told.append(f"the first {last.checkpoint.size} entries are not those that were published")
    return "; ".join(told) or None

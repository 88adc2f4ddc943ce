"""Sealing, signing and publishing: what is signed has grown from all that was published, or nothing is signed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg.pq import TransactionStatus

from rlsguard.problems import RlsguardError
from rlsguard.seal.log import Head, explained, heads, nodes, root, seal
from rlsguard.seal.names import origin
from rlsguard.seal.places import Place
from rlsguard.tlog import (
    Checkpoint,
    Keys,
    Note,
    SignedCheckpoint,
    SigningKey,
    TlogError,
    Witness,
    consistency_proof,
    cosign,
    verify_checkpoint,
)


@dataclass(frozen=True, slots=True)
class Published:
    """A signed checkpoint, and what was done for it.

    Attributes:
        fresh: whether it was not published before.
        cosigned: names of the witnesses that cosigned it now.
    """

    head: Head
    note: bytes
    fresh: bool
    cosigned: tuple[str, ...]


def publish(
    conn: psycopg.Connection[Any],
    key: SigningKey,
    places: Sequence[Place],
    witnesses: Sequence[Witness] = (),
    *,
    begin: bool = False,
) -> Published:
    """Seal what was committed, sign the tree and publish that.

    Args:
        begin: whether the first checkpoint of a tree after the first is signed, too. Whoever may write to the database
            can begin a tree, and say that what was published is lost.

    Raises:
        RlsguardError: nothing was signed: the database is a copy, is behind what was published, or says something else.
        WitnessError: a witness did not cosign; nothing was published.
    """
    if conn.info.transaction_status != TransactionStatus.IDLE:
        raise RlsguardError("nothing was sealed: the connection is in a transaction, which may yet be rolled back")
    log = origin(key.name, max((head.epoch for head in heads(conn)), default=1))
    keys = Keys(log, (key.verifier,))
    # Read before sealing: what another sealer publishes meanwhile is no sign of a database that was put back.
    latest = [_latest(place, keys) for place in places]
    head = seal(conn)
    if origin(key.name, head.epoch) != log:
        raise RlsguardError("nothing was signed: another tree of the log has begun meanwhile; seal again")
    for place, known in zip(places, latest, strict=True):
        _check_grown(conn, head, place, known)
    if head.epoch > 1 and not begin and all(known is None for known in latest):
        raise RlsguardError(
            f"nothing was signed: tree {head.epoch} of the log was begun, and nothing of it is published yet."
            " If that was right, rlsguard ledger reanchor publishes it"
        )
    checkpoint = Checkpoint(log, head.size, root(conn, head.epoch, head.size))
    note = Note(str(checkpoint)).sign(key)
    fresh = any(known is None or known.checkpoint.size < head.size for known in latest) or not _kept(conn, head)
    cosigned = []
    if fresh:
        tree = nodes(conn, head)
        old_size = max((known.checkpoint.size for known in latest if known is not None), default=0)
        for witness in witnesses:
            by = cosign(witness, note, lambda size: consistency_proof(size, head.size, tree), old_size=old_size)
            note = note.with_signature(by.signature)
            cosigned.append(witness.key.name)
        for place in places:
            place.publish(log, head.size, note.to_bytes())
        with explained(conn):
            given = [head.epoch, head.size, note.to_bytes()]
            conn.execute("SELECT rlsguard.keep_checkpoint(%s, %s, %s)", given)
    return Published(head, note.to_bytes(), fresh, tuple(cosigned))


def _latest(place: Place, keys: Keys) -> SignedCheckpoint | None:
    """Return the latest checkpoint in *place*, if any; it must be the log's."""
    data = place.latest(keys.origin)
    if data is None:
        return None
    try:
        return verify_checkpoint(data, keys)
    except TlogError as error:
        raise RlsguardError(f"nothing was signed: the last checkpoint in {place} is not the log's: {error}") from error


def _check_grown(conn: psycopg.Connection[Any], head: Head, place: Place, known: SignedCheckpoint | None) -> None:
    """Refuse to sign what has not grown from the latest checkpoint in *place*."""
    if known is None:
        return
    size = known.checkpoint.size
    if size > head.size:
        raise RlsguardError(
            f"nothing was signed: {place} has a checkpoint of {size:,} entries, and the database has {head.size:,}:"
            " it was put back to an earlier state. rlsguard ledger reanchor records that, and goes on"
        )
    if root(conn, head.epoch, size) != known.checkpoint.root:
        raise RlsguardError(
            f"nothing was signed: the first {size:,} entries are not those of the checkpoint in {place}: the log was"
            " rewritten. rlsguard ledger verify says where"
        )


def _kept(conn: psycopg.Connection[Any], head: Head) -> bool:
    with explained(conn):
        query = "SELECT EXISTS (SELECT FROM rlsguard.log_checkpoint WHERE epoch = %s AND size = %s)"
        return bool(conn.execute(query, [head.epoch, head.size]).fetchall()[0][0])

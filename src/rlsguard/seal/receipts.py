"""Receipts: what shows offline that an entry is in the log."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import psycopg
from psycopg.rows import namedtuple_row

from rlsguard.problems import RlsguardError
from rlsguard.seal.entry import field_salt
from rlsguard.seal.log import Head, explained, nodes
from rlsguard.sqlfiles import read
from rlsguard.tlog import Checkpoint, Disclosed, InclusionProof, Note, Receipt, consistency_proof, inclusion_proof


def receipt(conn: psycopg.Connection[Any], entry: int, *, change: bool = False, disclose: bool = True) -> Receipt:
    """Return the receipt of an opt-out or opt-in, by the latest checkpoint that was published.

    Args:
        change: whether it is the receipt of a row change.
        disclose: whether it tells the personal values, or leaves them as hashes.

    Raises:
        RlsguardError: there is no such entry, or no checkpoint has it yet.
    """
    with explained(conn), conn.cursor(row_factory=namedtuple_row) as cursor:
        row: Any = cursor.execute(read("seal/change.sql" if change else "seal/entry.sql"), [entry]).fetchone()
        if row is None:
            raise RlsguardError(f"{'the audit of row changes' if change else 'the ledger'} has no entry {entry}")
        if row.note is None:
            raise RlsguardError(f"no checkpoint has entry {entry} yet: rlsguard ledger seal publishes one")
        size = Checkpoint.parse(Note.parse(row.note).text).size
        proof = inclusion_proof(row.index, size, nodes(conn, Head(row.epoch, size)))
    disclosed = tuple(_changed(row) if change else _disclosed(row)) if disclose else ()
    return Receipt(bytes(row.payload), disclosed, InclusionProof(row.index, proof, row.note))


def consistency(conn: psycopg.Connection[Any], epoch: int, old: int, new: int) -> tuple[bytes, ...]:
    """Return the proof that a tree of *new* entries has grown from one of *old*.

    Raises:
        TlogError: the log has no such trees.
    """
    with explained(conn):
        return consistency_proof(old, new, nodes(conn, Head(epoch, new)))


def _disclosed(row: Any) -> Iterator[Disclosed]:
    for field in ("subject_key", "actor", "client_address", "application_name", "reason", "context"):
        value, salt = getattr(row, field), row.key_salt if field == "subject_key" else row.salt
        if value is not None:
            yield Disclosed(field, field_salt(bytes(salt), field), value)


def _changed(row: Any) -> Iterator[Disclosed]:
    if row.content is not None:
        yield Disclosed("content", bytes(row.salt), row.content)

"""Recomputing the whole log from the entries themselves, and holding it against what was published."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import psycopg
from psycopg.rows import namedtuple_row

from rlsguard.seal.log import Head, StoredHashes, explained, heads
from rlsguard.seal.names import origin
from rlsguard.seal.places import Place
from rlsguard.sqlfiles import read
from rlsguard.tlog import (
    Frontier,
    Keys,
    SignedCheckpoint,
    TlogError,
    VerifierKey,
    leaf_hash,
    salted_hash,
    verify_checkpoint,
)

# Enough for one round trip to cost nothing beside the hashing; small enough for memory not to notice.
_CHUNK = 2000

# Values that a payload holds as salted hashes.
_COMMITTED = ("subject_key", "actor", "client_address", "application_name", "reason", "context_text")


@dataclass(frozen=True, slots=True)
class Wrong:
    """Something that is not as it was.

    Attributes:
        about: the entry, checkpoint or place.
    """

    about: str
    why: str

    def __str__(self) -> str:
        return f"{self.about}: {self.why}"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a verification found.

    Attributes:
        entries: how many sealed entries were recomputed.
        checkpoints: how many published checkpoints they were held against.
        covered: how many entries the largest of these covers.
        waiting: entries that are committed and not sealed: nothing proves anything of them yet.
        wrong: in the order of the log, the gravest of each kind first.
    """

    entries: int
    checkpoints: int
    covered: int
    waiting: int
    wrong: tuple[Wrong, ...]


def verify(
    conn: psycopg.Connection[Any],
    key: VerifierKey,
    places: Sequence[Place],
    *,
    limit: int = 20,
    progress: Callable[[int], None] = lambda done: None,
) -> Verdict:
    """Verify all trees of the log; memory does not grow with their size.

    Args:
        limit: how many wrong things to name.
        progress: told how many more entries were read.

    Raises:
        RlsguardError: the database refused, or a place cannot be read.
    """
    wrong: list[Wrong] = []
    entries = checkpoints = covered = 0
    with conn.transaction(), explained(conn):
        # One state of all tables, whatever is recorded and sealed meanwhile.
        conn.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        trees = heads(conn)
        for head in trees:
            keys = Keys(origin(key.name, head.epoch), (key,))
            known = _checkpoints(places, keys, wrong)
            wrong += _beyond(head, known, _recorded(conn, head.epoch + 1))
            wrong += _tree(conn, head, known, progress, limit)
            entries, checkpoints = entries + head.size, checkpoints + len(known)
            covered += max((c.checkpoint.size for c in known if c.checkpoint.size <= head.size), default=0)
        ((waiting,),) = conn.execute(read("seal/waiting.sql")).fetchall()
        why = "it was put in behind the seal: transactions of its time are sealed."
        for source, entry in conn.execute(read("seal/slipped_in.sql"), [limit]).fetchall():
            wrong.append(Wrong(f"{source} {entry}", why))
    return Verdict(entries, checkpoints, covered, waiting, tuple(wrong[:limit]))


def _checkpoints(places: Sequence[Place], keys: Keys, wrong: list[Wrong]) -> list[SignedCheckpoint]:
    """Return the published checkpoints by size, and add to *wrong* what is none, or contradicts another."""
    by_size: dict[int, SignedCheckpoint] = {}
    for place in places:
        for number, data in enumerate(place.checkpoints(keys.origin), 1):
            try:
                signed = verify_checkpoint(data, keys)
            except TlogError as error:
                wrong.append(Wrong(f"checkpoint {number} in {place}", f"{error}."))
                continue
            other = by_size.setdefault(signed.checkpoint.size, signed)
            if other.checkpoint.root != signed.checkpoint.root:
                why = "the log's key has signed another tree of the same size: a fork."
                wrong.append(Wrong(f"checkpoint of {signed.checkpoint.size:,} entries in {place}", why))
    return [by_size[size] for size in sorted(by_size)]


def _beyond(head: Head, known: Sequence[SignedCheckpoint], recorded: int) -> Iterator[Wrong]:
    """Name entries that were published and are no more, unless the tree after this one begins by saying so."""
    published = max((c.checkpoint.size for c in known), default=0)
    if published > max(head.size, recorded):
        why = f"{published:,} entries were published, and the database has {head.size:,}:"
        yield Wrong(f"tree {head.epoch}", f"{why} it was put back to an earlier state, or cut off.")


def _recorded(conn: psycopg.Connection[Any], epoch: int) -> int:
    """Return up to which size the loss of the tree before *epoch* is recorded by that."""
    rows = conn.execute("SELECT payload FROM rlsguard.log_epoch WHERE epoch = %s", [epoch]).fetchall()
    published = json.loads(rows[0][0])["published_before"] if rows else None
    return int(published.split("\n")[1]) if published else 0


def _tree(
    conn: psycopg.Connection[Any],
    head: Head,
    known: Sequence[SignedCheckpoint],
    progress: Callable[[int], None],
    limit: int,
) -> Iterator[Wrong]:
    """Recompute one tree; name the first entries that are wrong, and the first checkpoint that does not fit."""
    frontier, good, found = Frontier(), 0, 0
    due = [c.checkpoint for c in known if c.checkpoint.size <= head.size]
    due.reverse()
    stored = StoredHashes(conn, head.epoch)
    for chunk in _chunks(conn, head.epoch):
        leaves: list[bytes] = []
        for row in chunk:
            place = frontier.size + len(leaves)
            if row.index != place:
                yield Wrong(f"tree {head.epoch}", f"its leaf {place} is gone; {row.index} comes next.")
                return
            if (why := _entry(row)) is not None and found < limit:
                found += 1
                yield Wrong(f"{row.source} {row.entry} (leaf {row.index})", why)
            leaves.append(row.hash)
        progress(len(leaves))
        while leaves:
            # Up to the next checkpoint, and no further.
            step = min(len(leaves), due[-1].size - frontier.size) if due else len(leaves)
            grown = frontier.extend(leaves[:step])
            frontier, leaves = grown.frontier, leaves[step:]
            for node in grown.nodes:
                if list(stored.hashes(node.level, node.index, node.index + 1)) != [node.hash]:
                    why = f"its stored hash {node.index} of level {node.level} is not that of its leaves."
                    yield Wrong(f"tree {head.epoch}", why)
            while due and due[-1].size == frontier.size:
                checkpoint = due.pop()
                if checkpoint.root != frontier.root():
                    why = "the entries are not those that were published: the first other one is of the leaves"
                    yield Wrong(f"checkpoint of {checkpoint.size:,} entries", f"{why} {good} to {checkpoint.size - 1}.")
                    due.clear()
                good = checkpoint.size
    if frontier.size < head.size:
        yield Wrong(f"tree {head.epoch}", f"{head.size:,} entries were sealed, and it has {frontier.size:,} leaves.")


def _chunks(conn: psycopg.Connection[Any], epoch: int) -> Iterator[list[Any]]:
    with closing(conn.cursor("rlsguard_verify", row_factory=namedtuple_row)) as cursor:
        cursor.itersize = _CHUNK
        cursor.execute(read("seal/leaves.sql"), [epoch])
        while rows := cursor.fetchmany(_CHUNK):
            yield rows


def _entry(row: Any) -> str | None:
    """Say what is wrong with an entry, by what the log has of it; None if nothing is."""
    if row.payload is None:
        return "the entry is gone."
    if leaf_hash(row.payload) != row.hash or row.leaf_hash != row.hash:
        return "the entry's bytes are not those that were sealed."
    if row.source != "opt_out_event":
        return None
    try:
        said = json.loads(row.payload)
    except ValueError:
        return "the entry's bytes are no JSON."
    if (row.salt is None and not row.erased) or (row.key_salt is None and not row.key_erased):
        return "its personal values are gone, and no erasure is on record."
    wrong = [name for name, value in _columns(row) if said.get(name) != value]
    return f"its columns do not say what was sealed: {', '.join(wrong)}." if wrong else None


def _columns(row: Any) -> Iterable[tuple[str, Any]]:
    """Yield what the payload must hold of each column."""
    yield "id", row.entry
    for name in ("subject_kind", "purpose", "action", "version", "recorded_by", "recorded_as", "transaction_id"):
        yield name, getattr(row, name)
    for name in ("recorded_at", "requested_at"):
        yield name, _time(getattr(row, name))
    yield "previous_hash", None if row.previous_hash is None else row.previous_hash.hex()
    for name in _COMMITTED:
        field, value = name.removesuffix("_text"), getattr(row, name)
        salt = row.key_salt if field == "subject_key" else row.salt
        if salt is not None:
            yield field, None if value is None else {"sha256": salted_hash(field_salt(salt, field), value)}


def field_salt(salt: bytes, field: str) -> bytes:
    """Return the salt of one field: told together with its value, it opens that and no other."""
    return hashlib.sha256(salt + field.encode()).digest()


def _time(when: datetime) -> str:
    return when.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")

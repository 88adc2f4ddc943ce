"""Recomputing the whole log from the entries themselves, and holding it against what was published."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg.rows import namedtuple_row

from rlsguard.seal.entry import read_payload, wrong_with
from rlsguard.seal.log import Head, StoredHashes, explained, heads
from rlsguard.seal.names import origin
from rlsguard.seal.places import Place
from rlsguard.seal.retired import Retired, load_retired
from rlsguard.sqlfiles import read
from rlsguard.tlog import (
    Frontier,
    Keys,
    SignedCheckpoint,
    TlogError,
    VerifierKey,
    verify_checkpoint,
)

# Enough for one round trip to cost nothing beside the hashing; small enough for memory not to notice.
_CHUNK = 2000

# How long a standby may be behind what was published, before that is told.
_LAG_SECONDS = 10.0


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
        retired: how many of the entries are row changes that are gone, which is on record: their hashes alone are here.
        waiting: entries that are committed and not sealed: nothing proves anything of them yet.
        lost: published entries that are gone, where the next tree records that they were lost: whoever can begin a tree
            can claim so, and a person should know why.
        wrong: in the order of the log, the gravest of each kind first.
    """

    entries: int
    checkpoints: int
    covered: int
    retired: int
    waiting: int
    lost: tuple[Wrong, ...]
    wrong: tuple[Wrong, ...]


def verify(
    conn: psycopg.Connection[Any],
    key: VerifierKey,
    places: Sequence[Place],
    *,
    limit: int = 20,
    progress: Callable[[int], None] = lambda done: None,
) -> Verdict:
    """Verify all trees of the log; memory does not grow with their size, but for a little with each retention.

    Args:
        limit: how many wrong things to name.
        progress: told how many more entries were read.

    Raises:
        RlsguardError: the database refused, or a place cannot be read.
    """
    wrong: list[Wrong] = []
    lost: list[Wrong] = []
    entries = checkpoints = covered = 0
    gone: Counter[int] = Counter()
    # First what was published, then the database: it has all of that already, whatever is sealed meanwhile.
    published = _published(conn, key, places, wrong)
    standby = _catch_up(conn, published)
    with conn.transaction(), explained(conn):
        # One state of all tables, whatever is recorded and sealed meanwhile.
        conn.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        trees = {head.epoch: head for head in heads(conn)}
        retired = load_retired(conn)
        for epoch, known in published.items():
            head, keys = trees.get(epoch, Head(epoch, 0)), Keys(origin(key.name, epoch), (key,))
            if beyond := _beyond(head, known, standby):
                recorded = _recorded(conn, epoch + 1, keys)
                (lost if recorded >= known[-1].checkpoint.size else wrong).append(beyond)
            if head.size and places and not known:
                where = ", ".join(map(str, places))
                wrong.append(
                    Wrong(f"tree {epoch}", f"no checkpoint of it is in {where}: nothing proves what it holds.")
                )
            wrong += _tree(conn, head, known, retired, gone, progress, limit)
            wrong += _kept(conn, epoch, keys, known)
            entries, checkpoints = entries + head.size, checkpoints + len(known)
            covered += max((c.checkpoint.size for c in known if c.checkpoint.size <= head.size), default=0)
        for epoch, size in conn.execute(read("seal/early_seal.sql"), [limit]).fetchall():
            why = "it says that transactions are sealed which are still to come: their entries would not be."
            wrong.append(Wrong(f"seal of {size:,} entries in tree {epoch}", why))
        ((waiting,),) = conn.execute(read("seal/waiting.sql")).fetchall()
        why = "it was put in behind the seal: transactions of its time are sealed."
        for source, entry in conn.execute(read("seal/slipped_in.sql"), [limit]).fetchall():
            wrong.append(Wrong(f"{source} {entry}", why))
    return Verdict(entries, checkpoints, covered, gone.total(), waiting, tuple(lost), tuple(wrong[:limit]))


def _published(
    conn: psycopg.Connection[Any], key: VerifierKey, places: Sequence[Place], wrong: list[Wrong]
) -> dict[int, list[SignedCheckpoint]]:
    """Return the published checkpoints of each tree; also of the next, which a database put back does not have."""
    last = max((head.epoch for head in heads(conn)), default=0)
    return {epoch: _checkpoints(places, Keys(origin(key.name, epoch), (key,)), wrong) for epoch in range(1, last + 2)}


def _catch_up(conn: psycopg.Connection[Any], published: Mapping[int, Sequence[SignedCheckpoint]]) -> bool:
    """Return whether this is a standby; wait for one to have what was published."""
    ((standby,),) = conn.execute("SELECT pg_is_in_recovery()").fetchall()
    until = time.monotonic() + _LAG_SECONDS
    while standby and time.monotonic() < until:
        sizes = {head.epoch: head.size for head in heads(conn)}
        if all(c.checkpoint.size <= sizes.get(epoch, 0) for epoch, known in published.items() for c in known):
            break
        time.sleep(0.1)
    return bool(standby)


def _checkpoints(places: Sequence[Place], keys: Keys, wrong: list[Wrong]) -> list[SignedCheckpoint]:
    """Return the published checkpoints by size, and add to *wrong* what is none, or contradicts another."""
    by_size: dict[int, SignedCheckpoint] = {}
    for place in places:
        before = -1
        for number, data in enumerate(place.checkpoints(keys.origin), 1):
            try:
                signed = verify_checkpoint(data, keys)
            except TlogError as error:
                wrong.append(Wrong(f"checkpoint {number} in {place}", f"{error}."))
                continue
            size = signed.checkpoint.size
            if size <= before:
                why = f"it is of {size:,} entries, and the one before it of {before:,}: another was published there."
                wrong.append(Wrong(f"checkpoint {number} in {place}", why))
            before = size
            other = by_size.setdefault(size, signed)
            if other.checkpoint.root != signed.checkpoint.root:
                why = "the log's key has signed another tree of the same size: a fork."
                wrong.append(Wrong(f"checkpoint of {size:,} entries in {place}", why))
    return [by_size[size] for size in sorted(by_size)]


def _beyond(head: Head, known: Sequence[SignedCheckpoint], standby: bool) -> Wrong | None:
    """Tell of entries that were published and are no more."""
    published = known[-1].checkpoint.size if known else 0
    if published <= head.size:
        return None
    why = f"{published:,} entries were published, and the database has {head.size:,}:"
    put_back = "it was put back to an earlier state, or cut off"
    return Wrong(f"tree {head.epoch}", f"{why} {put_back}{', or lags behind the primary' if standby else ''}.")


def _recorded(conn: psycopg.Connection[Any], epoch: int, before: Keys) -> int:
    """Return up to which size the loss of the tree before *epoch* is recorded by that."""
    rows = conn.execute("SELECT payload FROM rlsguard.log_epoch WHERE epoch = %s", [epoch]).fetchall()
    said = read_payload(rows[0][0]) if rows else {}
    try:
        # What was never published cannot have been lost.
        return verify_checkpoint(str(said.get("published_before")).encode(), before).checkpoint.size
    except TlogError:
        return 0


def _tree(
    conn: psycopg.Connection[Any],
    head: Head,
    known: Sequence[SignedCheckpoint],
    retired: Retired,
    gone: Counter[int],
    progress: Callable[[int], None],
    limit: int,
) -> Iterator[Wrong]:
    """Recompute one tree; name the first entries that are wrong, and the first checkpoint that does not fit.

    How many retired entries are gone, as they should be, is counted in *gone*.
    """
    frontier, good, found, complete = Frontier(), 0, 0, 0
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
            over = row.source == "change_entry" and retired.names(row.entry, head.epoch, row.index)
            gone[head.epoch] += over and row.payload is None
            if (why := wrong_with(row, retired=over)) is not None and found < limit:
                found += 1
                yield Wrong(f"{row.source} {row.entry} (leaf {row.index})", why)
            leaves.append(row.hash)
        progress(len(leaves))
        while leaves:
            # Up to the next checkpoint, and no further.
            step = min(len(leaves), due[-1].size - frontier.size) if due else len(leaves)
            grown = frontier.extend(leaves[:step])
            frontier, leaves = grown.frontier, leaves[step:]
            complete += len(grown.nodes)
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
    if frontier.size != head.size:
        yield Wrong(f"tree {head.epoch}", f"{head.size:,} entries were sealed, and it has {frontier.size:,} leaves.")
    query = "SELECT count(*) FROM rlsguard.log_node WHERE epoch = %s"
    ((there,),) = conn.execute(query, [head.epoch]).fetchall()
    if there > complete:
        yield Wrong(f"tree {head.epoch}", f"it has {there:,} stored hashes, and {complete:,} are of its leaves.")


def _kept(conn: psycopg.Connection[Any], epoch: int, keys: Keys, known: Sequence[SignedCheckpoint]) -> Iterator[Wrong]:
    """Name checkpoints that receipts would be made with, and that were not published like that."""
    roots = {c.checkpoint.size: c.checkpoint.root for c in known}
    with closing(conn.cursor("rlsguard_kept")) as cursor:
        cursor.execute(
            "SELECT size, note FROM rlsguard.log_checkpoint WHERE epoch = %s ORDER BY size, kept_at", [epoch]
        )
        for size, note in cursor:
            about = f"checkpoint of {size:,} entries in the database"
            try:
                kept = verify_checkpoint(note.encode(), keys).checkpoint
            except TlogError as error:
                yield Wrong(about, f"{error}.")
                continue
            if (kept.size, kept.root) != (size, roots.get(size, kept.root)):
                yield Wrong(about, "it is not the one that was published.")


def _chunks(conn: psycopg.Connection[Any], epoch: int) -> Iterator[list[Any]]:
    with closing(conn.cursor("rlsguard_verify", row_factory=namedtuple_row)) as cursor:
        cursor.itersize = _CHUNK
        cursor.execute(read("seal/leaves.sql"), [epoch], binary=True)
        while rows := cursor.fetchmany(_CHUNK):
            yield rows

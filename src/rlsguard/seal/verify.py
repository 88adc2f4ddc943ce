"""Recomputing the whole log from the entries themselves, and holding it against what was published."""

from __future__ import annotations

import time
from base64 import b64decode
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from typing import Any

import psycopg
from psycopg.rows import namedtuple_row

from rlsguard.seal.entry import read_payload, wrong_with
from rlsguard.seal.log import Head, StoredHashes, explained, heads
from rlsguard.seal.names import origin
from rlsguard.seal.places import Place
from rlsguard.seal.published import Published, load_published
from rlsguard.seal.retired import Retired, load_retired
from rlsguard.seal.verdict import Verdict, Wrong
from rlsguard.sqlfiles import read
from rlsguard.tlog import (
    Frontier,
    Keys,
    TlogError,
    VerifierKey,
    verify_checkpoint,
)

# Enough for one round trip to cost nothing beside the hashing; small enough for memory not to notice. The first chunk
# tells how large entries are: row changes hold 64 kB of rows, or one that is larger.
_CHUNK = 2000
_FIRST = 50
_CHUNK_BYTES = 8 * 2**20

# How long a standby may be behind what was published, before that is told.
_LAG_SECONDS = 10.0


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
    last = max((head.epoch for head in heads(conn)), default=0)
    # Of the next tree, too: a database that was put back may have lost it.
    published = {
        epoch: load_published(places, Keys(origin(key.name, epoch), (key,)), wrong) for epoch in range(1, last + 2)
    }
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
                (lost if recorded >= known.largest else wrong).append(beyond)
            if head.size and places and not known:
                where = ", ".join(map(str, places))
                wrong.append(
                    Wrong(f"tree {epoch}", f"no checkpoint of it is in {where}: nothing proves what it holds.")
                )
            wrong += _tree(conn, head, known, retired, gone, progress, limit)
            wrong += _kept(conn, epoch, keys, known)
            entries, checkpoints = entries + head.size, checkpoints + len(known)
            covered += known.up_to(head.size)
        for epoch, size in conn.execute(read("seal/early_seal.sql"), [limit]).fetchall():
            why = "it says that transactions are sealed which are still to come: their entries would not be."
            wrong.append(Wrong(f"seal of {size:,} entries in tree {epoch}", why))
        ((waiting,),) = conn.execute(read("seal/waiting.sql")).fetchall()
        why = "it was put in behind the seal: transactions of its time are sealed."
        for source, entry in conn.execute(read("seal/slipped_in.sql"), [limit]).fetchall():
            wrong.append(Wrong(f"{source} {entry}", why))
    return Verdict(entries, checkpoints, covered, gone.total(), waiting, tuple(lost), tuple(wrong[:limit]))


def _catch_up(conn: psycopg.Connection[Any], published: Mapping[int, Published]) -> bool:
    """Return whether this is a standby; wait for one to have what was published."""
    ((standby,),) = conn.execute("SELECT pg_is_in_recovery()").fetchall()
    until = time.monotonic() + _LAG_SECONDS
    while standby and time.monotonic() < until:
        sizes = {head.epoch: head.size for head in heads(conn)}
        if all(known.largest <= sizes.get(epoch, 0) for epoch, known in published.items()):
            break
        time.sleep(0.1)
    return bool(standby)


def _beyond(head: Head, known: Published, standby: bool) -> Wrong | None:
    """Tell of entries that were published and are no more."""
    if known.largest <= head.size:
        return None
    why = f"{known.largest:,} entries were published, and the database has {head.size:,}:"
    put_back = "it was put back to an earlier state, or cut off"
    return Wrong(f"tree {head.epoch}", f"{why} {put_back}{', or lags behind the primary' if standby else ''}.")


def _recorded(conn: psycopg.Connection[Any], epoch: int, before: Keys) -> int:
    """Return up to which size the loss of the tree before *epoch* is recorded by that."""
    rows = conn.execute("SELECT payload FROM rlsguard.log_epoch WHERE epoch = %s", [epoch]).fetchall()
    said = read_payload(rows[0][0]) if rows else {}
    try:
        # What was never published cannot have been lost.
        published = b64decode(str(said.get("published_before")))
        return verify_checkpoint(published, before).checkpoint.size
    except (TlogError, ValueError):
        return 0


def _tree(
    conn: psycopg.Connection[Any],
    head: Head,
    known: Published,
    retired: Retired,
    gone: Counter[int],
    progress: Callable[[int], None],
    limit: int,
) -> Iterator[Wrong]:
    """Recompute one tree; name the first entries that are wrong, and the first checkpoint that does not fit.

    How many retired entries are gone, as they should be, is counted in *gone*.
    """
    frontier, good, found, complete = Frontier(), 0, 0, 0
    checkpoints = (checkpoint for checkpoint in known if checkpoint.size <= head.size)
    due = next(checkpoints, None)
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
            step = len(leaves) if due is None else min(len(leaves), due.size - frontier.size)
            grown = frontier.extend(leaves[:step])
            frontier, leaves = grown.frontier, leaves[step:]
            complete += len(grown.nodes)
            for node in grown.nodes:
                if list(stored.hashes(node.level, node.index, node.index + 1)) != [node.hash]:
                    why = f"its stored hash {node.index} of level {node.level} is not that of its leaves."
                    yield Wrong(f"tree {head.epoch}", why)
            if due is not None and due.size == frontier.size:
                if due.root != frontier.root():
                    why = "the entries are not those that were published: the first other one is of the leaves"
                    yield Wrong(f"checkpoint of {due.size:,} entries", f"{why} {good} to {due.size - 1}.")
                    # Nor does any later one fit.
                    checkpoints.close()
                good, due = due.size, next(checkpoints, None)
    if frontier.size != head.size:
        yield Wrong(f"tree {head.epoch}", f"{head.size:,} entries were sealed, and it has {frontier.size:,} leaves.")
    query = "SELECT count(*) FROM rlsguard.log_node WHERE epoch = %s"
    ((there,),) = conn.execute(query, [head.epoch]).fetchall()
    if there > complete:
        yield Wrong(f"tree {head.epoch}", f"it has {there:,} stored hashes, and {complete:,} are of its leaves.")


def _kept(conn: psycopg.Connection[Any], epoch: int, keys: Keys, known: Published) -> Iterator[Wrong]:
    """Name checkpoints that receipts would be made with, and that were not published like that."""
    with closing(conn.cursor("rlsguard_kept")) as cursor:
        cursor.execute(
            "SELECT size, note FROM rlsguard.log_checkpoint WHERE epoch = %s ORDER BY size, kept_at", [epoch]
        )
        for size, note in cursor:
            about = f"checkpoint of {size:,} entries in the database"
            try:
                kept = verify_checkpoint(note, keys).checkpoint
            except TlogError as error:
                yield Wrong(about, f"{error}.")
                continue
            if (kept.size, kept.root) != (size, known.root(size) or kept.root):
                yield Wrong(about, "it is not the one that was published.")


def _chunks(conn: psycopg.Connection[Any], epoch: int) -> Iterator[list[Any]]:
    with closing(conn.cursor("rlsguard_verify", row_factory=namedtuple_row)) as cursor:
        cursor.execute(read("seal/leaves.sql"), [epoch], binary=True)
        number = _FIRST
        while rows := cursor.fetchmany(number):
            each = sum(map(_bytes, rows)) // len(rows)
            yield rows
            number = max(1, min(_CHUNK, _CHUNK_BYTES // max(each, 1)))


def _bytes(row: Any) -> int:
    return len(row.payload or "") + len(row.content or "")

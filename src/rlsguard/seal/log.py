"""The log as a database keeps it: its trees, their hashes, and where an entry is in them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import psycopg

from rlsguard.connection import explain
from rlsguard.problems import RlsguardError
from rlsguard.sqlfiles import read
from rlsguard.tlog import Frontier, TiledNodes


@dataclass(frozen=True, slots=True)
class Head:
    """How far one tree of the log has come.

    Attributes:
        epoch: which tree; another begins where a database goes on from a copy or a backup.
        sealed: how many entries were sealed just now.
    """

    epoch: int
    size: int
    sealed: int = 0


@dataclass(frozen=True, slots=True)
class StoredHashes:
    """The hashes of one tree, as tiles are read from."""

    conn: psycopg.Connection[Any]
    epoch: int

    def hashes(self, level: int, start: int, stop: int) -> Sequence[bytes]:
        """Return the hashes from *start* up to *stop* of the subtrees of 2**level leaves."""
        query = read("seal/leaf_hashes.sql") if level == 0 else read("seal/node_hashes.sql")
        given = {"epoch": self.epoch, "level": level, "start": start, "stop": stop}
        return [hash for (hash,) in self.conn.execute(query, given).fetchall()]


def nodes(conn: psycopg.Connection[Any], head: Head) -> TiledNodes:
    """Return the nodes of a tree, read as they are asked for."""
    return TiledNodes(head.size, StoredHashes(conn, head.epoch))


def root(conn: psycopg.Connection[Any], epoch: int, size: int) -> bytes:
    """Return the root hash of the tree as it was when it had *size* leaves.

    Raises:
        TlogError: hashes of it are gone.
    """
    return Frontier.of(size, nodes(conn, Head(epoch, size))).root()


def seal(conn: psycopg.Connection[Any]) -> Head:
    """Number the entries that were committed since the last time.

    Raises:
        RlsguardError: the database refused; such as where it is a copy.
    """
    with explained(conn):
        return Head(*conn.execute("SELECT epoch, size, sealed FROM rlsguard.seal()").fetchall()[0])


def heads(conn: psycopg.Connection[Any]) -> tuple[Head, ...]:
    """Return all trees of the log, the oldest first."""
    query = (
        "SELECT e.epoch, coalesce(max(s.size), 0) FROM rlsguard.log_epoch AS e"
        " LEFT JOIN rlsguard.log_seal AS s ON s.epoch = e.epoch GROUP BY e.epoch ORDER BY e.epoch"
    )
    with explained(conn):
        return tuple(Head(*row) for row in conn.execute(query).fetchall())


@contextmanager
def explained(conn: psycopg.Connection[Any]) -> Iterator[None]:
    """Turn errors of the server into ours."""
    try:
        yield
    except (psycopg.errors.InvalidSchemaName, psycopg.errors.UndefinedTable, psycopg.errors.UndefinedFunction) as error:
        raise RlsguardError(f"rlsguard is not applied to database {conn.info.dbname}, or keeps no log there") from error
    except psycopg.errors.InsufficientPrivilege as error:
        raise RlsguardError(
            f"{explain(error)}; sealing needs the role rlsguard_sealer, verifying rlsguard_auditor"
        ) from error
    except psycopg.Error as error:
        raise RlsguardError(explain(error)) from error

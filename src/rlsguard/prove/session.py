"""The one transaction that a live proof happens in, and becoming another role for a moment."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import psycopg
from psycopg import sql
from psycopg.pq import TransactionStatus
from psycopg.rows import tuple_row

from rlsguard.names import Name
from rlsguard.prove.acting import Acting, Made, What, admit
from rlsguard.sqlfiles import read

# How long a probe waits for a row that somebody else has locked: applications must not queue up behind it.
_LOCK_TIMEOUT = "500ms"
# Of the guard's roles, the one that can do nothing.
_NOBODY = "rlsguard_nobody"

_VIEW = sql.SQL("""
CREATE TEMPORARY VIEW rlsguard_reading (cells) AS
SELECT pg_catalog.to_json(q.cells)::pg_catalog.text FROM ({}) AS q (cells);
GRANT SELECT ON pg_temp.rlsguard_reading TO rlsguard_nobody
""")
# Where there is no guard, nothing is read. A server that is read-only, such as a standby, makes no view.
_POWER = """
SELECT r.rolsuper,
       pg_catalog.current_setting('transaction_read_only') = 'off'
       AND EXISTS (SELECT FROM pg_catalog.pg_roles AS n WHERE n.rolname = %s)
FROM pg_catalog.pg_roles AS r
WHERE r.rolname = current_user
"""
_THROUGH_VIEW = sql.SQL("SELECT v.cells FROM pg_temp.rlsguard_reading AS v")


@dataclass(frozen=True)
class Session:
    """A connection inside the transaction of a proof.

    Attributes:
        search_path: what names mean to whoever connects to this database.
        search_paths: the same for roles that have a setting of their own.
        may_silence: whether the connected role may silence users' triggers.
        contains: whether it can act as others without lending them its power, as a superuser can.
        reads_apart: whether what it reads of users' tables it can read with no power at all.
    """

    conn: psycopg.Connection[Any]
    search_path: str
    search_paths: Mapping[str, str]
    may_silence: bool
    contains: bool
    reads_apart: bool
    _admitted: dict[str, Mapping[What, Made]] = field(default_factory=dict)

    def rows(self, query: sql.Composed) -> list[tuple[Any, ...]]:
        """Run *query* as the connected role and return its rows."""
        with self.conn.cursor(row_factory=tuple_row) as cursor:
            # No parameters: a percent sign in a name stays one.
            cursor.execute(query)
            return cursor.fetchall() if cursor.description is not None else []

    def read(self, query: sql.Composed) -> list[list[Any]]:
        """Return the one column of *query*, arrays of text, read past row security.

        Code of users' runs on the way: functions of indexes, for one, that the planner works out. It runs as a role
        without a right to anything, which reads by way of a view of the login's
        (https://www.postgresql.org/docs/current/rules-privileges.html).
        """
        if not self.reads_apart:
            return [cells for (cells,) in self.rows(query)]
        with self.savepoint():
            self.rows(_VIEW.format(query))
            with self.as_role(_NOBODY) as acting:
                return [json.loads(cells) for cells in acting.rows(_THROUGH_VIEW)]

    def file(self, name: str, params: Sequence[Any] | None = None) -> list[tuple[Any, ...]]:
        """Run `sql/prove/<name>.sql` and return its rows."""
        with self.conn.cursor(row_factory=tuple_row) as cursor:
            return cursor.execute(read(f"prove/{name}.sql"), params).fetchall()

    @contextmanager
    def savepoint(self) -> Iterator[None]:
        """Undo what the block does, row locks included, and leave the transaction usable whatever goes wrong."""
        # A proof does little else: two round trips, where the driver's own blocks take three.
        self.conn.execute("SAVEPOINT rlsguard_prove")
        try:
            yield
        finally:
            if not self.conn.closed:
                self.conn.execute("ROLLBACK TO SAVEPOINT rlsguard_prove; RELEASE SAVEPOINT rlsguard_prove")

    def back_to_savepoint(self) -> None:
        """Undo what was done in the block of `savepoint` so far, an error among it, and go on in the block."""
        self.conn.execute("ROLLBACK TO SAVEPOINT rlsguard_prove")

    def admit(self, roles: Collection[str]) -> None:
        """Get ready to act as *roles*, for the rest of the transaction."""
        for role in roles:
            if self.contains and role not in self._admitted:
                self._admitted[role] = admit(self.conn, role, self._path_of(role), len(self._admitted))

    @contextmanager
    def as_role(self, role: str, *, silent: bool = False) -> Iterator[Acting]:
        """Act as *role*, which has been admitted, until the block ends; what it does is undone.

        Args:
            silent: users' own triggers do not fire
                (https://www.postgresql.org/docs/current/runtime-config-client.html#GUC-SESSION-REPLICATION-ROLE).
        """
        with self.savepoint():
            if silent and self.may_silence:
                self.conn.execute("SET LOCAL session_replication_role = replica")
            if self.contains:
                yield Acting(self.conn, role, self._admitted[role])
                return
            path = sql.Literal(self._path_of(role))
            self.conn.execute(
                sql.SQL("SELECT pg_catalog.set_config('search_path', {}, true); SET LOCAL ROLE {}").format(
                    path, Name(role)
                )
            )
            yield Acting(self.conn, role, None)

    def _path_of(self, role: str) -> str:
        return self.search_paths.get(role, self.search_path)


@contextmanager
def begin(conn: psycopg.Connection[Any], *, statement_timeout: float, users_tables: bool = True) -> Iterator[Session]:
    """Open the transaction of a proof; it is rolled back however the block ends.

    One snapshot for all of it: what others commit meanwhile must not look like a leak. In a transaction that
    the caller has open it is a savepoint, with that one's isolation.

    Args:
        statement_timeout: seconds that any one statement may take.
        users_tables: whether users' tables are going to be read; if not, nothing at all is written.
    """
    # Left to itself psycopg prepares what it often runs, and forgets all prepared statements at a ROLLBACK: ours too.
    threshold, conn.prepare_threshold = conn.prepare_threshold, None
    inside = conn.info.transaction_status != TransactionStatus.IDLE
    try:
        with conn.transaction(force_rollback=True):
            if not inside:
                conn.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
            yield _enter(conn, statement_timeout, users_tables)
    finally:
        conn.prepare_threshold = threshold


def _enter(conn: psycopg.Connection[Any], statement_timeout: float, users_tables: bool) -> Session:
    (search_path,) = conn.execute("SELECT pg_catalog.current_setting('search_path')").fetchone() or ("",)
    conn.execute(read("each/session.sql"))
    conn.execute(
        "SELECT pg_catalog.set_config('statement_timeout', %s, true), pg_catalog.set_config('lock_timeout', %s, true)",
        [f"{int(statement_timeout * 1000)}ms", _LOCK_TIMEOUT],
    )
    paths = dict(conn.execute(read("prove/search_paths.sql")).fetchall())
    ((contains, reads_apart),) = conn.execute(_POWER, [_NOBODY]).fetchall()
    session = Session(conn, search_path, paths, _may_silence(conn), contains, users_tables and contains and reads_apart)
    if session.reads_apart:
        session.admit([_NOBODY])
    return session


def _may_silence(conn: psycopg.Connection[Any]) -> bool:
    try:
        with conn.transaction(force_rollback=True):
            conn.execute("SET LOCAL session_replication_role = replica")
    except psycopg.errors.InsufficientPrivilege:
        return False
    return True

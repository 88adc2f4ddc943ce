"""A server with a database for each audit; what is measured happens in fresh copies of these."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg
from psycopg import sql

from bench.ledger.audits import AUDITS, FOLDER, SUPA_AUDIT, Audit, offers
from bench.variants import Connection
from rlsguard.server import SUPERUSER, Server, start

ROWS = 100_000
_SETTINGS = {"shared_buffers": "1GB", "max_wal_size": "4GB"}
_DURABLE = {"fsync": "on", "synchronous_commit": "on", "full_page_writes": "on"}


@dataclass(frozen=True)
class Scene:
    """Databases by audit. The role `writer` changes rows that it does not own."""

    server: Server
    names: dict[Audit, str]

    @property
    def major(self) -> int:
        """The server's major version."""
        return self.server.major

    def connect(self, name: str, user: str = "writer") -> Connection:
        """Connect to a database."""
        return psycopg.connect(self.server.dsn(name, user), autocommit=True)

    @contextmanager
    def copy(self, audit: Audit) -> Iterator[str]:
        """Copy a database, so that no run meets what others left behind: dead rows, or what is append-only."""
        with self.connect("postgres", SUPERUSER) as admin:
            source = sql.Identifier(self.names[audit])
            admin.execute(sql.SQL("CREATE DATABASE measured TEMPLATE {}").format(source))
            try:
                yield "measured"
            finally:
                admin.execute("DROP DATABASE measured WITH (FORCE)")

    def processor_seconds(self) -> float:
        """Return the processor time of all server processes that have ended; waits for those of clients that left."""
        with self.connect("postgres", SUPERUSER) as admin:
            while admin.execute("SELECT FROM pg_stat_activity WHERE datname = 'measured'").fetchall():
                time.sleep(0.01)
        time.sleep(0.1)  # for the postmaster to have noticed
        # What follows the name, which is in parentheses: state is field 3, cutime and cstime are 16 and 17.
        fields = Path(f"/proc/{self.server.pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
        return (int(fields[13]) + int(fields[14])) / os.sysconf("SC_CLK_TCK")

    def remarks(self) -> Iterator[str]:
        """Yield what of this server makes a difference to the figures."""
        with self.connect(self.names[SUPA_AUDIT], SUPERUSER) as conn:
            if conn.execute("SHOW ssl_library").fetchall() == [("",)]:
                yield (
                    "It was built without OpenSSL (`SHOW ssl_library` is empty): gen_random_uuid(), which makes salts,"
                    " reads /dev/urandom and is several times as slow."
                )
            if not offers(conn, "uuid-ossp"):
                yield "It has no uuid-ossp: supa_audit names rows by md5() instead, which is cheaper."
            if not offers(conn, "hstore"):
                yield "It has no hstore: 2ndQuadrant keeps rows as jsonb instead."


@contextmanager
def scene(bindir: Path, durable: bool, say: Callable[[str], None]) -> Iterator[Scene]:
    """Start a server of the installation at *bindir* and make a database for each audit.

    Args:
        durable: whether commits reach the disk, as they do on servers that matter.
    """
    with start(bindir, settings={**_SETTINGS, **(_DURABLE if durable else {})}) as server:
        say(f"PostgreSQL {server.version}: {ROWS:,} rows, {len(AUDITS)} databases")
        found = Scene(server, {audit: f"bank_{number}" for number, audit in enumerate(AUDITS)})
        with found.connect("postgres", SUPERUSER) as admin:
            admin.execute("CREATE ROLE writer LOGIN")
            for name in found.names.values():
                admin.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        for audit, name in found.names.items():
            with found.connect(name, SUPERUSER) as conn:
                conn.execute(((FOLDER / "bank.sql").read_text(encoding="utf-8") % {"rows": ROWS}).encode())
                audit.set_up(conn)
                # Not all tables: one that was vacuumed while it was empty is planned for as if it were for ever.
                conn.execute("VACUUM (ANALYZE, FREEZE) bank.account, bank.trans")
        yield found

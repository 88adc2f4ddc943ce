"""A server with one database for each variant, all with the same rows."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg
from psycopg import sql

from bench.variants import Connection, Variant
from rlsguard.server import Server, start

_BANK = Path(__file__).with_name("bank.sql")
_SETTINGS = {"shared_buffers": "1GB", "max_wal_size": "4GB"}


@dataclass(frozen=True)
class Databases:
    """Databases by variant. The role `reader` is who reads and writes."""

    server: Server
    customers: int
    names: dict[Variant, str]

    @property
    def major(self) -> int:
        """The server's major version."""
        return self.server.major

    @property
    def payments(self) -> int:
        """How many payments there are."""
        return 5 * self.customers

    def opt_out(self, percent: int) -> None:
        """Let *percent* of the customers opt out, those included who have already."""
        for variant in self.names:
            with self.connect(variant, "postgres") as conn:
                conn.execute(variant.opt_out.encode(), [percent])
                conn.execute("VACUUM (ANALYZE)")
                _settle(conn)

    def connect(self, variant: Variant, user: str = "reader") -> Connection:
        """Connect to the database of *variant*."""
        return psycopg.connect(self.server.dsn(self.names[variant], user), autocommit=True)

    @contextmanager
    def readers(self, variants: Sequence[Variant]) -> Iterator[dict[Variant, Connection]]:
        """Connect to the databases of *variants* as the reader."""
        with ExitStack() as stack:
            yield {variant: stack.enter_context(self.connect(variant)) for variant in variants}


def _settle(conn: Connection) -> None:
    """Vacuum until no row's visibility is in doubt, as autovacuum would have it soon: index-only scans depend on it."""
    unsettled = "SELECT FROM pg_class WHERE relkind = 'r' AND relname ~ '^opt_out' AND relallvisible < relpages"
    for _ in range(20):
        if not conn.execute(unsettled).fetchall():
            return
        time.sleep(0.5)  # for whoever still reads with an older snapshot
        conn.execute("VACUUM (ANALYZE)")


@contextmanager
def databases(
    bindir: Path, customers: int, variants: Sequence[Variant], jit: bool, say: Callable[[str], None]
) -> Iterator[Databases]:
    """Start a server of the installation at *bindir* and fill a database for each of *variants*."""
    with start(bindir, settings={**_SETTINGS, "jit": "on" if jit else "off"}) as server:
        with psycopg.connect(server.dsn(), autocommit=True) as admin:
            admin.execute("CREATE ROLE reader LOGIN")
            admin.execute("CREATE DATABASE bank")
            say(f"PostgreSQL {server.version}: {customers:,} customers, {5 * customers:,} payments and items")
            with psycopg.connect(server.dsn("bank"), autocommit=True) as conn:
                conn.execute((_BANK.read_text(encoding="utf-8") % {"customers": customers}).encode())
                conn.execute("VACUUM (ANALYZE, FREEZE)")
            names = {variant: f"bank_{number}" for number, variant in enumerate(variants)}
            for name in names.values():
                admin.execute(sql.SQL("CREATE DATABASE {} TEMPLATE bank").format(sql.Identifier(name)))
        found = Databases(server, customers, names)
        for variant in variants:
            with found.connect(variant, "postgres") as conn:
                variant.set_up(conn)
                conn.execute("VACUUM (ANALYZE)")
        yield found

"""Applications at work: readers, writers, a report that takes its time and a transaction that is left open."""

from __future__ import annotations

import random
import threading
import time
from array import array
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from multiprocessing.queues import Queue
from multiprocessing.synchronize import Event
from typing import Any

import psycopg

from bench.migrating.bank import BI, CAMPAIGN, SERVICING, Bank

# Seconds between two statements of a client.
_THINKS = (0.004, 0.02)
# The report reads so many tables at its beginning, and so many others half way.
_REPORTED = 6


@dataclass(frozen=True, slots=True)
class Statements:
    """What clients were made to wait, by statement, and which failed.

    Attributes:
        ended: when, by time.monotonic().
        failed: when it began, and the error.
    """

    ended: array[float] = field(default_factory=lambda: array("d"))
    seconds: array[float] = field(default_factory=lambda: array("d"))
    failed: list[tuple[float, str]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Load:
    """How many clients there are, and for how many seconds long transactions are held open and left alone."""

    readers: int
    writers: int
    hold: float
    pause: float


@dataclass(frozen=True, slots=True)
class Signals:
    """Between processes: to stop, and that a long transaction has begun."""

    stop: Event
    held: Event


def work(dsns: dict[str, str], bank: Bank, load: Load, signals: Signals, results: Queue[Any]) -> None:
    """Be all clients, in a process of their own, until told to stop; then tell what they met with."""
    clients = _Clients(dsns, bank, load, signals)
    threads = [threading.Thread(target=clients.read, args=(number,)) for number in range(load.readers)]
    threads += [threading.Thread(target=clients.write, args=(number,)) for number in range(load.writers)]
    threads += [threading.Thread(target=clients.report), threading.Thread(target=clients.leave_open)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    results.put(clients.statements)


@dataclass(frozen=True, slots=True)
class _Clients:
    dsns: dict[str, str]
    bank: Bank
    load: Load
    signals: Signals
    statements: Statements = field(default_factory=Statements)

    def read(self, number: int) -> None:
        """Look into rows, by statements that are prepared once and for all."""
        rng = random.Random(number)
        with self._connection((CAMPAIGN, BI, SERVICING)[number % 3]) as conn:
            while not self.signals.stop.is_set():
                table = rng.choice(self.bank.looked_at)
                self._run(conn, f"SELECT * FROM {table} WHERE id = %s", [rng.randint(1, self.bank.rows)])
                time.sleep(rng.uniform(*_THINKS))

    def write(self, number: int) -> None:
        """Change rows of several tables in one transaction; each writer has rows of its own."""
        rng = random.Random(number)
        with self._connection((CAMPAIGN, SERVICING)[number % 2]) as conn:
            while not self.signals.stop.is_set():
                with self._transaction(conn):
                    for table in rng.sample(self.bank.tables, 2):
                        row = rng.randrange(number, self.bank.rows, self.load.writers)
                        self._run(conn, f"UPDATE {table.name} SET amount = amount + 1 WHERE id = %s", [row])
                    table = rng.choice(self.bank.tables[2:])
                    insert = f"INSERT INTO {table.name} (id, {table.whose}, theirs) VALUES (%s, 1, false)"
                    self._run(conn, insert, [10 * self.bank.rows + number])
                    self._run(conn, f"DELETE FROM {table.name} WHERE id = %s", [10 * self.bank.rows + number])
                time.sleep(rng.uniform(*_THINKS))

    def report(self) -> None:
        """Read several tables in one transaction that is held open, and some more half way."""
        rng = random.Random(0)
        with self._connection(BI) as conn:
            while not self.signals.stop.is_set():
                tables = rng.sample(self.bank.tables, min(2 * _REPORTED, len(self.bank.tables)))
                with self._transaction(conn):
                    for half in (tables[::2], tables[1::2]):
                        for table in half:
                            self._run(conn, f"SELECT count(*), sum(amount) FROM {table.name}", [])
                        self.signals.held.set()
                        self.signals.stop.wait(self.load.hold / 2)
                self.signals.stop.wait(self.load.pause)

    def leave_open(self) -> None:
        """Change a row, and leave the transaction open."""
        rng = random.Random(1)
        with self._connection(SERVICING) as conn:
            while not self.signals.stop.is_set():
                with self._transaction(conn):
                    table = rng.choice(self.bank.tables)
                    # Nobody else's: writers wait for the server's locks, not for each other's.
                    self._run(conn, f"UPDATE {table.name} SET note = %s WHERE id = %s", ["mine", self.bank.rows])
                    self.signals.stop.wait(self.load.hold)
                self.signals.stop.wait(self.load.pause)

    @contextmanager
    def _connection(self, role: str) -> Iterator[psycopg.Connection[Any]]:
        """Connect once and for all, as a pool does; what is prepared stays prepared."""
        with psycopg.connect(self.dsns[role], autocommit=True) as conn:
            conn.prepared_max = 10_000
            yield conn

    @contextmanager
    def _transaction(self, conn: psycopg.Connection[Any]) -> Iterator[None]:
        self._run(conn, "BEGIN", [])
        try:
            yield
        finally:
            # After an error it rolls back.
            self._run(conn, "COMMIT", [])

    def _run(self, conn: psycopg.Connection[Any], statement: str, values: Sequence[Any]) -> None:
        began = time.monotonic()
        try:
            conn.execute(statement.encode(), values, prepare=True)
        except psycopg.errors.InFailedSqlTransaction:
            return  # what failed has been told
        except psycopg.Error as error:
            self.statements.failed.append((began, f"{type(error).__name__}: {error}".splitlines()[0]))
        ended = time.monotonic()
        self.statements.ended.append(ended)
        self.statements.seconds.append(ended - began)

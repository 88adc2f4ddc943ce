"""The demo: one person opts out, every way to read shows nothing of them, and the counter still serves them."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql
from psycopg.rows import dict_row
from rich.console import Console
from rich.table import Table

from rlsguard.apply import apply
from rlsguard.datamap.model import DataMap
from rlsguard.demo.bank import TABLES, Bank, create_roles, load
from rlsguard.demo.generator import SEED, generate
from rlsguard.demo.ways import DATABASE, Person, Way, choose, ways
from rlsguard.names import Name
from rlsguard.server import Server, embedded, start

PURPOSE = "marketing"
_FOLDER = Path(__file__).parent


@dataclass(frozen=True, slots=True)
class Tried:
    """What one way showed before the opt-out, while it was in force, and after the opt-in."""

    way: Way
    theirs: frozenset[int]
    before: frozenset[int]
    during: frozenset[int]
    after: frozenset[int]

    @property
    def leaked(self) -> int:
        """Rows of the person that were shown while the opt-out was in force."""
        return len(self.during & self.theirs)

    @property
    def right(self) -> bool:
        """Whether the person's rows, all of them and nobody else's, went and came back."""
        return self.theirs <= self.before and self.during == self.before - self.theirs and self.after == self.before


@dataclass(frozen=True, slots=True)
class Outcome:
    """How the story ended. `served`: the counter saw the client's account and could change it all the time."""

    tried: tuple[Tried, ...]
    served: bool
    seconds: float

    @property
    def leaked(self) -> int:
        """Rows shown that should have been hidden, over every way."""
        return sum(tried.leaked for tried in self.tried)

    @property
    def right(self) -> bool:
        """Whether everything went as it should, not only that nothing leaked."""
        return self.served and all(tried.right for tried in self.tried)


def play(datamap: DataMap, console: Console, *, scale: float = 1.0, seed: int = SEED, keep: bool = False) -> Outcome:
    """Tell the story on an embedded server of its own, with a bank of 1,000 clients times *scale*.

    Args:
        keep: leave the server running, and say how to reach and to stop it.

    Raises:
        RlsguardError: there is no embedded PostgreSQL, it does not start, or the map does not fit.
        ValueError: *scale* is not a number above zero.
    """
    bank = generate(scale, seed)
    with start(embedded(), keep=keep) as server:
        outcome = tell(server, datamap, bank, console)
        if keep:
            _say(console, f'kept; look around with: psql "{server.dsn(DATABASE, "campaign_app")}"')
            _say(console, f'rlsguard finds it with: export RLSGUARD_DSN="{server.dsn(DATABASE)}"')
            _say(console, f"stop it with: kill -INT {server.pid}; its files are in {server.data.parent}")
    return outcome


def tell(server: Server, datamap: DataMap, bank: Bank, console: Console) -> Outcome:
    """Load *bank* into a database `bank` of *server*, which must have none, apply *datamap*, and play the story.

    The map must suppress for `campaign_app` whoever opts out of marketing, with `joint: any`, as the demo's own does.

    Raises:
        RlsguardError: the map does not fit.
    """
    started = time.monotonic()
    with psycopg.connect(server.dsn(), autocommit=True) as conn:
        conn.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(DATABASE)))
    with psycopg.connect(server.dsn(DATABASE), autocommit=True) as conn, ExitStack() as stack:
        _set_up(conn, datamap, bank, console)
        person = choose(bank)
        tries = tuple(ways(server, person, stack))
        desk = stack.enter_context(psycopg.connect(server.dsn(DATABASE, "privacy_desk"), autocommit=True))
        teller = stack.enter_context(psycopg.connect(server.dsn(DATABASE, "teller_app"), autocommit=True))

        _heading(console, f"Client {person.client_id}, as everybody sees them")
        before = _look(tries)
        _describe(console, person)
        served = _serve(teller, person, console)

        _heading(console, f"Client {person.client_id} opts out of {PURPOSE}")
        _record(desk, "opt_out", person, console)
        during = _look(tries)
        served = _serve(teller, person, console) and served

        _heading(console, "... and opts in again")
        _record(desk, "opt_in", person, console)
        after = _look(tries)
        served = _serve(teller, person, console) and served
        _history(desk, person, console)

    tried = tuple(
        Tried(way, person.rows[way.table], *seen) for way, *seen in zip(tries, before, during, after, strict=True)
    )
    outcome = Outcome(tried, served, time.monotonic() - started)
    _heading(console, "Every path tried")
    _report(outcome, console)
    return outcome


def _heading(console: Console, text: str) -> None:
    console.print(f"\n{text}", style="bold", markup=False, highlight=False)


def _say(console: Console, text: str) -> None:
    console.print(f"  {text}", markup=False, highlight=False, soft_wrap=True)


def _set_up(conn: psycopg.Connection[Any], datamap: DataMap, bank: Bank, console: Console) -> None:
    version = conn.info.parameter_status("server_version")
    _heading(console, f"A bank on PostgreSQL {version}")
    load(conn, bank)
    create_roles(conn)
    conn.execute((_FOLDER / "story.sql").read_text(encoding="utf-8"))
    _say(console, ", ".join(f"{len(getattr(bank, table)):,} {table}" for table in TABLES))
    started = time.monotonic()
    delta = apply(conn, datamap)
    _say(console, f"data map applied: {len(delta.changes)} changes in {time.monotonic() - started:.2f} s")
    conn.execute("CREATE ROLE privacy_desk LOGIN IN ROLE rlsguard_recorder")


def _look(tries: Sequence[Way]) -> list[frozenset[int]]:
    return [way.read() for way in tries]


def _describe(console: Console, person: Person) -> None:
    with_whom = ", ".join(f"client {other}" for other in person.shares_with)
    rows = ", ".join(f"{len(keys)} {table}" for table, keys in person.rows.items() if keys)
    _say(console, f"rows that lead to them: {rows}")
    _say(console, f"an account of theirs is joint with {with_whom}: joint: any hides it as a whole")


def _serve(teller: psycopg.Connection[Any], person: Person, console: Console) -> bool:
    """Read and change the person's accounts as the counter does."""
    accounts = sorted(person.rows["account"])
    changed = teller.execute(
        "UPDATE bank.account SET frequency = 'POPLATEK TYDNE' WHERE account_id = ANY (%s)", [accounts]
    ).rowcount
    found = teller.execute("SELECT trans_id FROM bank.trans WHERE account_id = ANY (%s)", [accounts]).fetchall()
    _say(console, f"teller_app sees {len(found)} of their transactions and changes {changed} of their accounts")
    return changed == len(accounts) and {key for (key,) in found} == person.rows["trans"]


def _record(desk: psycopg.Connection[Any], function: str, person: Person, console: Console) -> None:
    query = sql.SQL("SELECT * FROM {}('client', {}, ARRAY[{}], {}, {})").format(
        Name("rlsguard", function),
        sql.Literal(str(person.client_id)),
        sql.Literal(PURPOSE),
        sql.Literal("agent:jane"),
        sql.Literal("phone call"),
    )
    _say(console, f"privacy_desk: {query.as_string(desk)}")
    started = time.monotonic()
    with desk.cursor(row_factory=dict_row) as cursor:
        entry = cursor.execute(query).fetchone()
    assert entry is not None
    _say(
        console,
        f"ledger entry {entry['id']}: {entry['action']} {entry['subject_kind']} {entry['subject_key']}"
        f" {entry['purpose']}, version {entry['version']}, asked by {entry['actor']}, recorded by"
        f" {entry['recorded_by']}, transaction {entry['transaction_id']}, leaf {entry['leaf_hash'].hex()[:16]}...",
    )
    _say(console, f"committed and in force after {(time.monotonic() - started) * 1000:.1f} ms")


def _history(desk: psycopg.Connection[Any], person: Person, console: Console) -> None:
    entries = desk.execute(
        "SELECT version, action, purpose FROM rlsguard.history('client', %s)", [str(person.client_id)]
    ).fetchall()
    told = "; ".join(f"version {version} {action} {purpose}" for version, action, purpose in entries)
    _say(console, f"history: {told}")


def _report(outcome: Outcome, console: Console) -> None:
    # Narrow enough for 80 columns.
    table = Table("path", box=None, padding=(0, 1, 0, 0))
    for heading in ("role", "table"):
        table.add_column(heading, no_wrap=True)
    for heading in ("before", "theirs", "during", "leaked", "after"):
        table.add_column(heading, justify="right", no_wrap=True)
    if not outcome.right:
        table.add_column("", no_wrap=True)
    for tried in outcome.tried:
        way = tried.way
        counts = (tried.before, tried.before & tried.theirs, tried.during, tried.during & tried.theirs, tried.after)
        cells = [way.name, way.role, way.table, *map(str, map(len, counts))]
        table.add_row(*cells, *([] if tried.right else ["WRONG"]))
    console.print(table)
    console.print()
    if not outcome.right:
        _say(console, "NOT as it should be: see the lines marked WRONG, and what teller_app saw and changed")
    paths = f"{len(outcome.tried)} paths tried in {outcome.seconds:.1f} s"
    console.print(f"{paths}: {outcome.leaked} leaked", style="bold", highlight=False)

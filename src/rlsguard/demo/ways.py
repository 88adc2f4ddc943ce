"""The ways to read the bank that the demo tries, each as it is before, during and after an opt-out."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from typing import Any

import psycopg
from psycopg import sql

from rlsguard.demo.bank import Bank
from rlsguard.server import Server

# The tables that lead to a person, and the key that tells their rows apart.
KEYS = {
    "client": "client_id",
    "disp": "disp_id",
    "account": "account_id",
    "trans": "trans_id",
    "order": "order_id",
    "loan": "loan_id",
    "card": "card_id",
}
DATABASE = "bank"

_Query = sql.SQL | sql.Composed

_TRANS = sql.SQL("SELECT trans_id FROM bank.trans")


@dataclass(frozen=True, slots=True)
class Way:
    """A way for `role` to read a table; `read` returns the keys of the rows that come out."""

    name: str
    role: str
    table: str
    read: Callable[[], frozenset[int]]


@dataclass(frozen=True, slots=True)
class Person:
    """A client and the keys of all rows about them, table by table."""

    client_id: int
    shares_with: tuple[int, ...]
    rows: Mapping[str, frozenset[int]]


def choose(bank: Bank) -> Person:
    """Return the first client of those with a joint account who have rows in the most tables.

    What is theirs is worked out from the generated rows, not asked of the database that is to be tested.
    """
    joint = {disp.account_id for disp in bank.disp if disp.type == "DISPONENT"}
    in_use = [{row.account_id for row in rows} for rows in (bank.order, bank.loan)]
    with_card = {card.disp_id for card in bank.card}

    def tables(place: int) -> int:
        disp = bank.disp[place]
        return sum(disp.account_id in accounts for accounts in in_use) + (disp.disp_id in with_card)

    owners = [i for i, disp in enumerate(bank.disp) if disp.type == "OWNER" and disp.account_id in joint]
    return _person(bank, bank.disp[max(owners, key=tables)].client_id)


def _person(bank: Bank, client_id: int) -> Person:
    disps = frozenset(disp.disp_id for disp in bank.disp if disp.client_id == client_id)
    accounts = frozenset(disp.account_id for disp in bank.disp if disp.client_id == client_id)
    others = {d.client_id for d in bank.disp if d.account_id in accounts and d.client_id != client_id}
    return Person(
        client_id,
        tuple(sorted(others)),
        {
            "client": frozenset({client_id}),
            "disp": disps,
            "account": accounts,
            "trans": frozenset(row.trans_id for row in bank.trans if row.account_id in accounts),
            "order": frozenset(row.order_id for row in bank.order if row.account_id in accounts),
            "loan": frozenset(row.loan_id for row in bank.loan if row.account_id in accounts),
            "card": frozenset(row.card_id for row in bank.card if row.disp_id in disps),
        },
    )


def ways(server: Server, person: Person, stack: ExitStack) -> Iterator[Way]:
    """Yield every way that can show something of *person*; connections that stay open are closed with *stack*."""

    def stay(role: str) -> psycopg.Connection[Any]:
        return stack.enter_context(_connect(server, role))

    for table, key in KEYS.items():
        if person.rows[table]:
            select = sql.SQL("SELECT {} FROM {}").format(sql.Identifier(key), sql.Identifier("bank", table))
            yield Way("new connection", "campaign_app", table, partial(_anew, server, "campaign_app", select))

    through = {
        "join of four tables": sql.SQL(
            "SELECT t.trans_id FROM bank.client JOIN bank.disp USING (client_id)"
            " JOIN bank.account USING (account_id) JOIN bank.trans AS t USING (account_id)"
        ),
        "security_invoker view": sql.SQL("SELECT trans_id FROM bank.trans_of_invoker"),
        "view, owner's rights": sql.SQL("SELECT trans_id FROM bank.trans_of_owner"),
        "definer's function": sql.SQL("SELECT * FROM bank.all_trans()"),
    }
    opened = stay("campaign_app")
    yield Way("connection opened before", "campaign_app", "trans", partial(_keys, opened, _TRANS))
    for name, query in through.items():
        yield Way(name, "campaign_app", "trans", partial(_keys, opened, query))
    yield Way("prepared before", "campaign_app", "trans", partial(_prepared, stay("campaign_app")))
    yield Way("server-side cursor", "campaign_app", "trans", partial(_cursor, opened))
    yield Way("COPY TO", "campaign_app", "trans", partial(_copy, opened))
    if (server.bindir / "psql").exists():
        yield Way(r"psql, \copy", "campaign_app", "trans", partial(_psql, server, "campaign_app"))
    yield Way("pooled connection", "app_pool", "trans", partial(_pooled, stay("app_pool")))
    yield Way("role not in the map", "newcomer", "trans", partial(_anew, server, "newcomer", _TRANS))


def _connect(server: Server, role: str) -> psycopg.Connection[Any]:
    return psycopg.connect(server.dsn(DATABASE, role), autocommit=True)


def _keys(conn: psycopg.Connection[Any], query: _Query, *, prepare: bool | None = None) -> frozenset[int]:
    return frozenset(row[0] for row in conn.execute(query, prepare=prepare))


def _anew(server: Server, role: str, query: _Query) -> frozenset[int]:
    with _connect(server, role) as conn:
        return _keys(conn, query)


def _prepared(conn: psycopg.Connection[Any]) -> frozenset[int]:
    # Prepared when it is first run; the plan is kept instead of being made afresh.
    conn.execute("SET plan_cache_mode = force_generic_plan")
    return _keys(conn, _TRANS, prepare=True)


def _cursor(conn: psycopg.Connection[Any]) -> frozenset[int]:
    with conn.transaction(), conn.cursor("demo") as cursor:
        cursor.execute(_TRANS)
        return frozenset(row[0] for row in cursor)


def _copy(conn: psycopg.Connection[Any]) -> frozenset[int]:
    with conn.cursor() as cursor, cursor.copy("COPY bank.trans (trans_id) TO STDOUT") as copy:
        return frozenset(int(key) for (key,) in copy.rows())


def _psql(server: Server, role: str) -> frozenset[int]:
    psql = str(server.bindir / "psql")
    command = [psql, "-X", "-c", r"\copy bank.trans (trans_id) to stdout", server.dsn(DATABASE, role)]
    answer = subprocess.run(command, capture_output=True, text=True, check=True)
    return frozenset(map(int, answer.stdout.split()))


def _pooled(conn: psycopg.Connection[Any]) -> frozenset[int]:
    # The same session serves the counter first: what that one saw must not stay behind.
    for role in ("teller_app", "campaign_app"):
        with conn.transaction():
            conn.execute(sql.SQL("SET LOCAL ROLE {}").format(sql.Identifier(role)))
            found = _keys(conn, _TRANS)
    return found

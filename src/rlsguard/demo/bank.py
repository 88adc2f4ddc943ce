"""A bank of the shape of the Berka data set: its rows, how they get into a database, and who reads them there.

The columns are those published for the PKDD'99 challenge; dates are dates, money is in crowns.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, fields
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

import psycopg
from psycopg import sql

_FOLDER = Path(__file__).parent


class District(NamedTuple):
    """Demography of a district; what each column holds is said in `bank.sql`."""

    a1: int
    a2: str
    a3: str
    a4: int
    a5: int
    a6: int
    a7: int
    a8: int
    a9: int
    a10: Decimal
    a11: int
    a12: Decimal | None
    a13: Decimal
    a14: int
    a15: int | None
    a16: int


class Client(NamedTuple):
    """A person. The birth number is YYMMDD, for women MM + 50."""

    client_id: int
    birth_number: str
    district_id: int


class Account(NamedTuple):
    """An account, opened on `date`."""

    account_id: int
    district_id: int
    frequency: str
    date: dt.date


class Disp(NamedTuple):
    """The right of a client to use an account: OWNER, or DISPONENT where it is joint."""

    disp_id: int
    client_id: int
    account_id: int
    type: str


class Trans(NamedTuple):
    """A transaction; `bank` and `account` are the partner's."""

    trans_id: int
    account_id: int
    date: dt.date
    type: str
    operation: str | None
    amount: Decimal
    balance: Decimal
    k_symbol: str | None
    bank: str | None
    account: str | None


class Order(NamedTuple):
    """A standing order."""

    order_id: int
    account_id: int
    bank_to: str
    account_to: str
    amount: Decimal
    k_symbol: str | None


class Loan(NamedTuple):
    """A loan of `duration` months."""

    loan_id: int
    account_id: int
    date: dt.date
    amount: Decimal
    duration: int
    payments: Decimal
    status: str


class Card(NamedTuple):
    """A card that belongs to a right of use."""

    card_id: int
    disp_id: int
    type: str
    issued: dt.date


@dataclass(frozen=True, slots=True)
class Bank:
    """All rows of a bank. The fields are named as the tables are, and stand in an order that foreign keys allow."""

    district: tuple[District, ...]
    client: tuple[Client, ...]
    account: tuple[Account, ...]
    disp: tuple[Disp, ...]
    trans: tuple[Trans, ...]
    order: tuple[Order, ...]
    loan: tuple[Loan, ...]
    card: tuple[Card, ...]


TABLES = tuple(field.name for field in fields(Bank))


def load(conn: psycopg.Connection[Any], bank: Bank) -> None:
    """Create the schema `bank` and fill it, all or nothing.

    Raises:
        psycopg.errors.DuplicateSchema: there is a schema `bank` already.
    """
    with conn.transaction(), conn.cursor() as cursor:
        cursor.execute((_FOLDER / "bank.sql").read_text(encoding="utf-8"))
        for table in TABLES:
            rows = getattr(bank, table)
            if not rows:
                continue
            columns = sql.SQL(", ").join(map(sql.Identifier, rows[0]._fields))
            statement = sql.SQL("COPY {} ({}) FROM STDIN").format(sql.Identifier("bank", table), columns)
            with cursor.copy(statement) as copy:
                for row in rows:
                    copy.write_row(row)
            cursor.execute(sql.SQL("ANALYZE {}").format(sql.Identifier("bank", table)))


def create_roles(conn: psycopg.Connection[Any]) -> None:
    """Create the bank's roles where they are missing, and give them the schema `bank` to own, read and write.

    `campaign_app`, `bi_reader` and `sox_auditor` read, `teller_app` also writes; nobody can log in as `bank_owner`.
    """
    with conn.transaction():
        conn.execute((_FOLDER / "roles.sql").read_text(encoding="utf-8"))

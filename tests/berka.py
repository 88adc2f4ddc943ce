"""The Berka data as rows of the demo bank, so that one loader and one schema serve both; and databases that hold it."""

from __future__ import annotations

import csv
import datetime as dt
import warnings
from collections.abc import Callable, Mapping
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple, TypeVar, get_type_hints

import psycopg
import pytest

from rlsguard.demo import Bank, bank, create_roles, generate, load
from servers import Clone, Database, berka_folder

Row = TypeVar("Row", bound=NamedTuple)


def _date(text: str) -> dt.date:
    # All dates are of 1993 to 1998. Cards have a time of day, which is always midnight.
    return dt.datetime.strptime(text.removesuffix(" 00:00:00"), "%y%m%d").date()


_PARSERS: Mapping[Any, Callable[[str], Any]] = {
    int: int,
    int | None: lambda text: None if text == "?" else int(text),
    Decimal: Decimal,
    Decimal | None: lambda text: None if text == "?" else Decimal(text),
    dt.date: _date,
    str: str,
    str | None: lambda text: text or None,
}


def _read(folder: Path, table: str, row: type[Row]) -> tuple[Row, ...]:
    hints = get_type_hints(row)
    with (folder / f"{table}.asc").open(encoding="ascii", newline="") as file:
        lines = csv.reader(file, delimiter=";", strict=True)
        header = tuple(name.lower() for name in next(lines))
        if header != row._fields:
            raise ValueError(f"{file.name} has the columns {header}, not {row._fields}")
        parsers = [_PARSERS[hints[name]] for name in header]
        return tuple(row(*(parse(text) for parse, text in zip(parsers, line, strict=True))) for line in lines)


@cache
def read(folder: Path) -> Bank:
    """Return the data in *folder*, as published: no row left out, no value changed but for its type.

    Raises:
        FileNotFoundError: a file is missing.
        ValueError: a file is not what it should be.
    """
    return Bank(
        district=_read(folder, "district", bank.District),
        client=_read(folder, "client", bank.Client),
        account=_read(folder, "account", bank.Account),
        disp=_read(folder, "disp", bank.Disp),
        trans=_read(folder, "trans", bank.Trans),
        order=_read(folder, "order", bank.Order),
        loan=_read(folder, "loan", bank.Loan),
        card=_read(folder, "card", bank.Card),
    )


class BankDatabase(NamedTuple):
    """A database with a bank and its roles in it, and the rows that were loaded."""

    db: Database
    bank: Bank


def clone_bank(template_db: Clone, name: str, rows: Bank) -> BankDatabase:
    """Return a database of its own with *rows* and the bank's roles; both are made once per server and *name*."""

    def build(conn: psycopg.Connection[Any]) -> None:
        load(conn, rows)
        create_roles(conn)

    return BankDatabase(template_db(name, build), rows)


@pytest.fixture
def bank_db(template_db: Clone) -> BankDatabase:
    """A small generated bank, with its roles, in a fresh database."""
    return clone_bank(template_db, "bank", generate(0.1))


@pytest.fixture
def berka_db(template_db: Clone) -> BankDatabase:
    """The Berka data, with its roles, in a fresh database; where it is missing, a generated bank and a warning."""
    folder = berka_folder()
    if folder is None:
        warnings.warn("the Berka data is not here (RLSGUARD_BERKA): a generated bank stands in", stacklevel=1)
        return clone_bank(template_db, "bank at scale 1", generate())
    return clone_bank(template_db, "berka", read(folder))

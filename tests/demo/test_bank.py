"""The generated bank and the Berka data: what is in them, and that both get into a server whole."""

from __future__ import annotations

from collections import Counter
from decimal import Decimal
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import sql

import berka
from berka import BankDatabase
from rlsguard.demo import Bank, create_roles, generate, load
from rlsguard.demo.bank import TABLES
from servers import Database

pytestmark = pytest.mark.by_turns

READERS = ("campaign_app", "bi_reader", "teller_app", "sox_auditor")


@pytest.fixture(scope="module")
def bank() -> Bank:
    return generate()


def owners(bank: Bank, kind: str) -> dict[int, list[int]]:
    held: dict[int, list[int]] = {}
    for disp in bank.disp:
        if disp.type == kind:
            held.setdefault(disp.account_id, []).append(disp.client_id)
    return held


def count(db: Database, table: str, user: str | None = None) -> int:
    query = sql.SQL("SELECT count(*) FROM {}").format(sql.Identifier("bank", table))
    if user is None:
        return int(db.execute(query)[0][0])
    with db.connect(user) as conn:
        row = conn.execute(query).fetchone()
        assert row is not None
        return int(row[0])


def test_the_same_seed_gives_the_same_bank(bank: Bank) -> None:
    assert generate() == bank
    assert generate(0.2, seed=7) == generate(0.2, seed=7)
    assert generate(0.2, seed=7) != generate(0.2, seed=8)


def test_its_size(bank: Bank) -> None:
    assert len(bank.client) == 1000
    assert len(bank.account) == 880
    assert len(bank.disp) == 1056
    assert 15_000 <= len(bank.trans) <= 25_000
    assert len(bank.district) == 77
    assert min(len(bank.order), len(bank.loan), len(bank.card)) > 100


@pytest.mark.parametrize("scale", [0.0001, 0.03, 0.5, 2.5])
def test_it_scales(scale: float) -> None:
    bank = generate(scale)
    assert len(bank.client) == max(10, round(1000 * scale))
    joint = len(owners(bank, "DISPONENT")) / len(bank.account)
    assert 0.15 <= joint <= 0.3
    assert {disp.client_id for disp in bank.disp} == {client.client_id for client in bank.client}


@pytest.mark.parametrize("scale", [0, -1, float("nan"), float("inf")])
def test_a_scale_that_makes_no_sense(scale: float) -> None:
    with pytest.raises(ValueError, match="above zero"):
        generate(scale)


def test_a_fifth_of_the_accounts_is_joint(bank: Bank) -> None:
    owner, disponent = owners(bank, "OWNER"), owners(bank, "DISPONENT")
    assert owner.keys() == {account.account_id for account in bank.account}
    assert all(len(people) == 1 for people in (*owner.values(), *disponent.values()))
    assert len(disponent) == 176
    assert all(disponent[account] != owner[account] for account in disponent)


def test_some_clients_use_several_accounts_and_all_use_one(bank: Bank) -> None:
    accounts = Counter(disp.client_id for disp in bank.disp)
    assert accounts.keys() == {client.client_id for client in bank.client}
    assert 40 <= sum(used > 1 for used in accounts.values()) <= 60


def test_no_key_repeats_and_none_leads_nowhere(bank: Bank) -> None:
    keys = {table: {row[0] for row in getattr(bank, table)} for table in TABLES}
    for table in TABLES:
        assert len(keys[table]) == len(getattr(bank, table))
    for table in ("client", "account"):
        assert {row.district_id for row in getattr(bank, table)} <= keys["district"]
    for table in ("disp", "trans", "order", "loan"):
        assert {row.account_id for row in getattr(bank, table)} <= keys["account"]
    assert {disp.client_id for disp in bank.disp} <= keys["client"]
    assert {card.disp_id for card in bank.card} <= keys["disp"]


def test_birth_numbers_tell_men_from_women(bank: Bank) -> None:
    months = {int(client.birth_number[2:4]) for client in bank.client}
    assert months == {*range(1, 13), *range(51, 63)}
    assert all(len(client.birth_number) == 6 for client in bank.client)


def test_balances_run_on(bank: Bank) -> None:
    opened = {account.account_id: account.date for account in bank.account}
    balance: dict[int, Decimal] = {}
    for before, row in zip((bank.trans[0], *bank.trans), bank.trans, strict=False):
        change = row.amount if row.type == "PRIJEM" else -row.amount
        assert row.balance == balance.get(row.account_id, 0) + change
        assert row.balance >= 0
        assert row.date >= max(opened[row.account_id], before.date)
        balance[row.account_id] = row.balance
    assert balance.keys() == opened.keys()


def test_every_row_gets_into_the_server(bank_db: BankDatabase) -> None:
    db, bank = bank_db
    for table in TABLES:
        statement = sql.SQL("SELECT * FROM {} ORDER BY 1").format(sql.Identifier("bank", table))
        assert db.execute(statement) == sorted(getattr(bank, table)), table


def test_every_row_of_berka_gets_into_the_server(berka: Path, berka_db: BankDatabase) -> None:
    db, _ = berka_db
    # As many as the files have lines below the first.
    for table in TABLES:
        lines = (berka / f"{table}.asc").read_bytes().count(b"\r\n") - 1
        assert count(db, table) == lines, table
    assert db.execute("SELECT birth_number, district_id FROM bank.client WHERE client_id = 1") == [("706213", 18)]
    assert db.execute("SELECT issued::text FROM bank.card WHERE card_id = 1005") == [("1993-11-07",)]
    assert db.execute("SELECT a12, a15 FROM bank.district WHERE a1 = 69") == [(None, None)]
    sums = "SELECT sum(amount), count(operation), count(bank), count(account), min(date)::text FROM bank.trans"
    raw = [line.split(";") for line in (berka / "trans.asc").read_text("ascii").splitlines()[1:]]
    assert db.execute(sums) == [
        (
            sum(Decimal(line[5]) for line in raw),
            *(sum(line[column].strip('"') != "" for line in raw) for column in (4, 8, 9)),
            "1993-01-01",
        )
    ]


def test_without_the_berka_data_a_generated_bank_stands_in(
    template_db: Any, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    monkeypatch.setattr(berka, "berka_folder", lambda: None)
    with pytest.warns(UserWarning, match="a generated bank stands in"):
        db, bank = request.getfixturevalue("berka_db")
    assert bank == generate()
    assert count(db, "trans") == len(bank.trans)


def test_nothing_on_the_way_to_a_client_may_be_null(bank_db: BankDatabase) -> None:
    nullable = """
        SELECT attrelid::regclass::text, attname FROM pg_attribute
        WHERE attrelid IN (SELECT oid FROM pg_class WHERE relnamespace = 'bank'::regnamespace AND relkind = 'r')
          AND attname IN ('client_id', 'account_id', 'disp_id') AND NOT attnotnull
    """
    assert bank_db.db.execute(nullable) == []


def test_who_may_do_what(bank_db: BankDatabase) -> None:
    db, bank = bank_db
    for table in TABLES:
        for reader in READERS:
            assert count(db, table, reader) == len(getattr(bank, table))
    with db.connect("teller_app") as teller:
        assert teller.execute("UPDATE bank.client SET district_id = 1 WHERE client_id = 1").rowcount == 1
        assert teller.execute("DELETE FROM bank.card").rowcount == len(bank.card)
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            teller.execute("DELETE FROM bank.district")
    for reader in set(READERS) - {"teller_app"}:
        with db.connect(reader) as conn, pytest.raises(psycopg.errors.InsufficientPrivilege):
            conn.execute("UPDATE bank.trans SET amount = 0")
    with pytest.raises(psycopg.OperationalError, match="not permitted to log in"):
        db.connect("bank_owner")
    owned = "SELECT DISTINCT relowner::regrole::text FROM pg_class WHERE relnamespace = 'bank'::regnamespace"
    assert db.execute(owned) == [("bank_owner",)]


def test_roles_can_be_made_again(bank_db: BankDatabase) -> None:
    db = bank_db.db
    grants = "SELECT relname, relacl::text FROM pg_class WHERE relnamespace = 'bank'::regnamespace ORDER BY 1"
    before = db.execute(grants)
    create_roles(db.conn)
    assert db.execute(grants) == before


def test_a_bank_is_not_loaded_over_another(bank_db: BankDatabase) -> None:
    with pytest.raises(psycopg.errors.DuplicateSchema):
        load(bank_db.db.conn, generate(0.01))
    assert count(bank_db.db, "client") == len(bank_db.bank.client)


def test_a_bank_that_does_not_load_leaves_nothing(db: Database) -> None:
    bank = generate(0.01)
    broken = Bank(**{table: getattr(bank, table) for table in TABLES} | {"client": bank.client[1:]})
    with pytest.raises(psycopg.errors.ForeignKeyViolation):
        load(db.conn, broken)
    assert db.execute("SELECT FROM pg_namespace WHERE nspname = 'bank'") == []

"""Invents a bank: no row is about a real person, and the same seed always gives the same rows."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Iterator
from decimal import Decimal
from random import Random
from typing import NamedTuple

from rlsguard.demo.bank import Account, Bank, Card, Client, Disp, District, Loan, Order, Trans

SEED = 1999

_CLIENTS = 1000  # at scale 1
_DISTRICTS = 77
_FIRST_DAY = dt.date(1993, 1, 1)
_LAST_DAY = dt.date(1998, 12, 31)
_DAYS = (_LAST_DAY - _FIRST_DAY).days

_FREQUENCIES = ("POPLATEK MESICNE", "POPLATEK TYDNE", "POPLATEK PO OBRATU")
_BANKS = ("AB", "CD", "EF", "GH", "IJ", "KL", "MN", "OP", "QR", "ST", "UV", "WX", "YZ")
_ORDER_SYMBOLS = ("SIPO", "UVER", "POJISTNE", "LEASING", None)
_REGIONS = ("north", "east", "south", "west", "middle")
_PLACES = ("Alder", "Birch", "Cedar", "Elm", "Hazel", "Juniper", "Larch", "Maple", "Oak", "Pine", "Rowan", "Willow")
_ENDINGS = ("bridge", "brook", "field", "ford", "hill", "mill", "wick")


class _Kind(NamedTuple):
    """A kind of transaction; `weight` is how often it happens."""

    type: str
    operation: str | None
    k_symbol: str | None
    partner: bool
    weight: int


_CREDITS = (
    _Kind("PRIJEM", "VKLAD", None, False, 6),
    _Kind("PRIJEM", "PREVOD Z UCTU", "DUCHOD", True, 2),
    _Kind("PRIJEM", None, "UROK", False, 4),
)
_DEBITS = (
    _Kind("VYDAJ", "VYBER", None, False, 9),
    _Kind("VYDAJ", "PREVOD NA UCET", "SIPO", True, 4),
    _Kind("VYDAJ", "VYBER", "SLUZBY", False, 2),
    _Kind("VYDAJ", "VYBER KARTOU", None, False, 1),
)


def generate(scale: float = 1.0, seed: int = SEED) -> Bank:
    """Invent a bank of 1,000 clients times *scale*, at least 10, with about 20 transactions a client.

    Of a hundred clients 84 own an account and 4 of them a second one; a fifth of the accounts are joint, nearly
    all with somebody who has no account of their own.

    Raises:
        ValueError: *scale* is not a number above zero.
    """
    if not 0 < scale < math.inf:
        raise ValueError(f"the scale must be a number above zero, not {scale:g}")
    random = Random(seed)
    clients = _clients(random, max(10, round(_CLIENTS * scale)))
    owners = clients[: round(len(clients) * 0.84)]
    accounts, disps = _accounts(random, clients, owners)
    return Bank(
        district=tuple(_district(random, number) for number in range(1, _DISTRICTS + 1)),
        client=clients,
        account=accounts,
        disp=disps,
        trans=_transactions(random, accounts),
        order=_orders(random, accounts),
        loan=_loans(random, accounts),
        card=_cards(random, disps),
    )


def _money(cents: int) -> Decimal:
    return Decimal(cents).scaleb(-2)


def _day(random: Random, first: dt.date = _FIRST_DAY) -> dt.date:
    return first + dt.timedelta(days=random.randint(0, (_LAST_DAY - first).days))


def _account_number(random: Random) -> str:
    return str(random.randint(10_000_000, 99_999_999))


def _district(random: Random, number: int) -> District:
    name = _PLACES[number % len(_PLACES)] + _ENDINGS[number % len(_ENDINGS)]
    unemployed = random.randint(30, 700)
    crimes = random.randint(900, 9000)
    return District(
        a1=number,
        a2=name,
        a3=random.choice(_REGIONS),
        a4=random.randint(40_000, 250_000),
        a5=random.randint(0, 150),
        a6=random.randint(0, 70),
        a7=random.randint(0, 20),
        a8=random.randint(0, 5),
        a9=random.randint(1, 11),
        a10=Decimal(random.randint(330, 1000)).scaleb(-1),
        a11=random.randint(8_000, 13_000),
        a12=_money(unemployed),
        a13=_money(unemployed + random.randint(-20, 200)),
        a14=random.randint(80, 170),
        a15=crimes,
        a16=crimes + random.randint(-200, 900),
    )


def _clients(random: Random, count: int) -> tuple[Client, ...]:
    return tuple(Client(i, _birth_number(random), random.randint(1, _DISTRICTS)) for i in range(1, count + 1))


def _birth_number(random: Random) -> str:
    born = dt.date(1911, 1, 1) + dt.timedelta(days=random.randint(0, 28_000))
    month = born.month + random.choice((0, 50))
    return f"{born.year % 100:02}{month:02}{born.day:02}"


def _accounts(
    random: Random, clients: tuple[Client, ...], owners: tuple[Client, ...]
) -> tuple[tuple[Account, ...], tuple[Disp, ...]]:
    """Return accounts and who may use them; every client may use one at least."""
    owner_of = [*owners, *random.sample(owners, round(len(clients) * 0.04))]
    random.shuffle(owner_of)
    others = list(clients[len(owners) :])
    joint = max(len(others), round(len(owner_of) * 0.2))
    shared = {}
    for place in random.sample(range(len(owner_of)), joint):
        shared[place] = others.pop() if others else _somebody_else(random, owners, owner_of[place])

    accounts: list[Account] = []
    disps: list[Disp] = []
    for place, owner in enumerate(owner_of):
        number = 10_001 + place
        (frequency,) = random.choices(_FREQUENCIES, (90, 7, 3))
        # The last year is left for what happens on the account.
        opened = _FIRST_DAY + dt.timedelta(days=random.randint(0, _DAYS - 365))
        accounts.append(Account(number, owner.district_id, frequency, opened))
        disps.append(Disp(20_001 + len(disps), owner.client_id, number, "OWNER"))
        if place in shared:
            disps.append(Disp(20_001 + len(disps), shared[place].client_id, number, "DISPONENT"))
    return tuple(accounts), tuple(disps)


def _somebody_else(random: Random, clients: tuple[Client, ...], one: Client) -> Client:
    while (other := random.choice(clients)) == one:
        pass
    return other


def _transactions(random: Random, accounts: tuple[Account, ...]) -> tuple[Trans, ...]:
    """Return what happened on the accounts, by date; balances run on and never fall below zero."""
    rows = sorted((row for account in accounts for row in _history(random, account)), key=lambda row: row.date)
    return tuple(row._replace(trans_id=100_001 + place) for place, row in enumerate(rows))


def _history(random: Random, account: Account) -> Iterator[Trans]:
    count = random.randint(6, 40)
    days = sorted(_day(random, account.date) for _ in range(count))
    balance = 0
    for place, day in enumerate(days):
        if place == 0 or balance < 10_000 or random.random() < 0.4:
            kind, cents = _pick(random, _CREDITS), random.randint(10_000, 3_000_000)
            balance += cents
        else:
            kind, cents = _pick(random, _DEBITS), random.randint(1_000, balance)
            balance -= cents
        yield Trans(
            trans_id=0,
            account_id=account.account_id,
            date=day,
            type=kind.type,
            operation=kind.operation,
            amount=_money(cents),
            balance=_money(balance),
            k_symbol=kind.k_symbol,
            bank=random.choice(_BANKS) if kind.partner else None,
            account=_account_number(random) if kind.partner else None,
        )


def _pick(random: Random, kinds: tuple[_Kind, ...]) -> _Kind:
    (kind,) = random.choices(kinds, [kind.weight for kind in kinds])
    return kind


def _orders(random: Random, accounts: tuple[Account, ...]) -> tuple[Order, ...]:
    rows: list[Order] = []
    for account in accounts:
        for _ in range(random.choice((0, 1, 1, 2, 3))):
            order = Order(
                order_id=40_001 + len(rows),
                account_id=account.account_id,
                bank_to=random.choice(_BANKS),
                account_to=_account_number(random),
                amount=_money(random.randint(10_000, 1_000_000)),
                k_symbol=random.choice(_ORDER_SYMBOLS),
            )
            rows.append(order)
    return tuple(rows)


def _loans(random: Random, accounts: tuple[Account, ...]) -> tuple[Loan, ...]:
    rows: list[Loan] = []
    for account in random.sample(accounts, round(len(accounts) * 0.15)):
        duration = random.choice((12, 24, 36, 48, 60))
        payment = random.randint(400, 9_900)
        amount, payments = Decimal(payment * duration), Decimal(payment)
        (status,) = random.choices("ABCD", (30, 5, 58, 7))
        day = _day(random, account.date)
        rows.append(Loan(50_001 + len(rows), account.account_id, day, amount, duration, payments, status))
    return tuple(rows)


def _cards(random: Random, disps: tuple[Disp, ...]) -> tuple[Card, ...]:
    rows: list[Card] = []
    for disp in random.sample(disps, round(len(disps) * 0.17)):
        (kind,) = random.choices(("classic", "junior", "gold"), (74, 16, 10))
        rows.append(Card(60_001 + len(rows), disp.disp_id, kind, _day(random)))
    return tuple(rows)

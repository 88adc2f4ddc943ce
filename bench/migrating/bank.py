"""The bank: its tables, whom their rows are about, and the two maps between which the migration leads."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import psycopg

CAMPAIGN, BI, SERVICING = "campaign_app", "bi_reader", "servicing_app"
ROLES = {CAMPAIGN: "marketing", BI: "analytics", SERVICING: "servicing"}

_HEAD = f"""\
version: 1
subjects: {{client: {{table: bank.client, key: id}}}}
purposes: {{marketing: {{}}, analytics: {{}}, servicing: {{opt_out: false}}}}
roles: {{{", ".join(f"{role}: [{purpose}]" for role, purpose in ROLES.items())}}}
tables:
"""
_OPT_OUT = """
SELECT rlsguard.opt_out('client', id::text, '{marketing, analytics}', 'bench', 'because', '{}')
FROM bank.client WHERE theirs
"""
# One client in twenty opts out. Of two accounts the one has a second holder.
_PEOPLE = f"""
CREATE SCHEMA bank;
CREATE TABLE bank.client (
    id int PRIMARY KEY, theirs boolean NOT NULL, amount numeric NOT NULL DEFAULT 0, note text
);
CREATE TABLE bank.disp (
    id int PRIMARY KEY, client_id int NOT NULL REFERENCES bank.client, account_id int NOT NULL,
    theirs boolean NOT NULL, amount numeric NOT NULL DEFAULT 0, note text
);
CREATE INDEX ON bank.disp (account_id);
CREATE INDEX ON bank.disp (client_id);
INSERT INTO bank.client SELECT i, i %% 20 = 7 FROM generate_series(1, %(rows)s) AS i;
INSERT INTO bank.disp SELECT i, i, i, i %% 20 = 7 FROM generate_series(1, %(rows)s) AS i;
INSERT INTO bank.disp SELECT %(rows)s + i, i + 1, i, i %% 20 = 6 FROM generate_series(2, %(rows)s - 1, 2) AS i;
{"".join(f"CREATE ROLE {role} LOGIN; GRANT USAGE ON SCHEMA bank TO {role};" for role in ROLES)}
"""


@dataclass(frozen=True, slots=True)
class Table:
    """A table of the bank. `theirs` tells of each of its rows whether it is about somebody who opted out.

    Attributes:
        whose: the column that leads to people, by itself or over the link table.
        leaves: its partitions.
    """

    name: str
    whose: str = "client_id"
    audited: bool = False
    leaves: tuple[str, ...] = ()

    def entry(self, more: str = "") -> str:
        """Return its entry in a map."""
        path = "[account_id = bank.disp.account_id, client_id]" if self.whose == "account_id" else self.whose
        audit = ", audit: true" if self.audited else ""
        return f"  {self.name}: {{holds: [financial], subject: {{client: {path}}}{audit}{more}}}\n"

    def create(self, rows: int) -> str:
        """Return what makes and fills it."""
        over = self.whose == "account_id"
        column = "account_id int NOT NULL" if over else "client_id int NOT NULL REFERENCES bank.client"
        theirs = f"n % 20 = 7 OR n % 20 = 6 AND n < {rows}" if over else "n % 20 = 7"
        text = (
            f"CREATE TABLE {self.name} (id int PRIMARY KEY, {column}, theirs boolean NOT NULL,"
            f" amount numeric NOT NULL DEFAULT 0, note text){' PARTITION BY RANGE (id)' if self.leaves else ''};"
        )
        bounds = ("MINVALUE", str(rows // 2), "MAXVALUE")
        for number, leaf in enumerate(self.leaves):
            between = f"FROM ({bounds[number]}) TO ({bounds[number + 1]})"
            text += f"CREATE TABLE {leaf} PARTITION OF {self.name} FOR VALUES {between};"
        numbers = f"SELECT i, 1 + i % {rows} FROM generate_series(1, {rows}) AS i"
        return f"{text} INSERT INTO {self.name} SELECT i, n, {theirs} FROM ({numbers}) AS r (i, n);"


@dataclass(frozen=True, slots=True)
class Bank:
    """Tables with so many `rows` each; the first three are guarded before the migration."""

    tables: tuple[Table, ...]
    rows: int

    @property
    def first(self) -> tuple[Table, ...]:
        """What is guarded before."""
        return self.tables[:3]

    @property
    def looked_at(self) -> tuple[str, ...]:
        """What is read, partitions by themselves too."""
        return tuple(name for table in self.tables for name in (table.name, *table.leaves))

    def map_before(self) -> str:
        """Return the map by which three tables are guarded."""
        return _HEAD + "".join(table.entry() for table in self.first)

    def map_after(self) -> str:
        """Return the map by which all are, and one of the three in another way than before."""
        *same, changed = self.first
        return _HEAD + "".join(
            [*(table.entry() for table in same), changed.entry(", reads: scans"), *(t.entry() for t in self.tables[3:])]
        )

    def create(self, conn: psycopg.Connection[Any]) -> None:
        """Make and fill the tables."""
        conn.execute((_PEOPLE % {"rows": self.rows}).encode())
        for table in self.tables[2:]:
            conn.execute(table.create(self.rows).encode())
        roles = ", ".join(ROLES)
        conn.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA bank TO {roles}".encode())
        conn.execute("VACUUM (ANALYZE)")

    def opt_out(self, conn: psycopg.Connection[Any]) -> None:
        """Let one client in twenty opt out."""
        conn.execute(_OPT_OUT.encode())
        conn.execute("ANALYZE")


def bank(tables: int, rows: int) -> Bank:
    """Return a bank of *tables* to guard."""
    people = (Table("bank.client", whose="id"), Table("bank.disp"))
    return Bank((*people, *_others(range(1, tables - 1))), rows)


def _others(numbers: Sequence[int]) -> Iterator[Table]:
    for number in numbers:
        name = f"bank.t{number:03}"
        if number % 20 == 4:
            yield Table(name, audited=number % 40 == 4, leaves=(f"{name}_low", f"{name}_high"))
        elif number % 4 == 2:
            yield Table(name, whose="account_id", audited=number % 5 == 3)
        else:
            yield Table(name, audited=number % 5 == 3)

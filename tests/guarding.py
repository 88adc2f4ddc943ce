"""Small verbs for tests of a guarded database: apply a map, opt out, read as a role."""

from __future__ import annotations

import tempfile
from functools import cache
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

from rlsguard import apply as applying
from rlsguard import datamap
from rlsguard.server import SUPERUSER
from servers import Clone, Database

BANK = """
CREATE SCHEMA bank;
CREATE TABLE bank.client (client_id int PRIMARY KEY, birth_number text NOT NULL);
CREATE TABLE bank.account (account_id int PRIMARY KEY, opened date NOT NULL DEFAULT '2026-01-01');
CREATE TABLE bank.disp (
    disp_id int PRIMARY KEY,
    client_id int NOT NULL REFERENCES bank.client,
    account_id int NOT NULL REFERENCES bank.account
);
CREATE INDEX ON bank.disp (account_id);
CREATE INDEX ON bank.disp (client_id);
CREATE TABLE bank.trans (
    trans_id int PRIMARY KEY,
    account_id int NOT NULL REFERENCES bank.account,
    amount numeric NOT NULL
);
INSERT INTO bank.client VALUES (1, '700101'), (2, '750202'), (3, '800303');
INSERT INTO bank.account VALUES (10), (20);
-- 10 belongs to 1 and 2, 20 to 3
INSERT INTO bank.disp VALUES (100, 1, 10), (101, 2, 10), (102, 3, 20);
INSERT INTO bank.trans VALUES (1000, 10, 1), (1001, 10, 2), (1002, 20, 3);
CREATE ROLE campaign_app LOGIN;
CREATE ROLE bi_reader LOGIN;
CREATE ROLE teller_app LOGIN;
CREATE ROLE sox_auditor LOGIN;
CREATE ROLE stranger LOGIN;
GRANT USAGE ON SCHEMA bank TO campaign_app, bi_reader, teller_app, sox_auditor, stranger;
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA bank
    TO campaign_app, bi_reader, teller_app, sox_auditor, stranger;
"""

HEAD = """
version: 1
subjects:
  client: {table: bank.client, key: client_id}
purposes:
  marketing: {description: Campaigns}
  analytics: {}
  servicing: {opt_out: false}
roles:
  campaign_app: [marketing]
  bi_reader: [analytics]
  teller_app: [servicing]
exempt:
  sox_auditor: {reason: SOX 404 testing, until: 2099-12-31}
"""

TABLES = """
tables:
  bank.client: {holds: [personal], subject: {client: client_id}}
  bank.disp: {holds: [personal], subject: {client: client_id}}
  bank.account:
    {holds: [financial], subject: {client: [account_id = bank.disp.account_id, client_id]}}
  bank.trans:
    {holds: [financial], subject: {client: [account_id = bank.disp.account_id, client_id]}}
"""

BANK_MAP = HEAD + TABLES


# A clone is another database than the one whose OIDs the manifest notes, but has the same.
_MADE_HERE = """
UPDATE rlsguard.manifest
SET made_in = (
    SELECT c.system_identifier || '/' || d.oid
    FROM pg_control_system() AS c
    JOIN pg_database AS d ON d.datname = current_database()
)
"""


def small_bank(template_db: Clone, text: str | None = None, *, more: str = "") -> Database:
    """Return a small bank of one's own, with *more* added to it and guarded by the map written in *text*, if any.

    Cloned from one that is made once per server: creating and applying takes ten times as long.
    """

    def build(conn: psycopg.Connection[Any]) -> None:
        conn.execute(BANK + more)
        if text is not None:
            applying.apply(conn, load(text))

    db = template_db(f"small bank {more} {text}", build)
    if text is not None:
        db.execute(_MADE_HERE)
    return db


@cache
def load(text: str) -> datamap.DataMap:
    """Return the data map written in *text*."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "map.yaml"
        path.write_text(text, encoding="utf-8")
        return datamap.load(path)


def apply(db: Database, text: str, *, user: str = SUPERUSER, **options: Any) -> applying.Delta:
    """Apply the map written in *text* as *user* (the superuser by default)."""
    with db.connect(user) as conn:
        return applying.apply(conn, load(text), **options)


def opt_out(db: Database, key: object, *purposes: str, kind: str = "client") -> None:
    """Record an opt-out as the superuser."""
    _record(db, "opt_out", key, purposes, kind)


def opt_in(db: Database, key: object, *purposes: str, kind: str = "client") -> None:
    """Record an opt-in as the superuser."""
    _record(db, "opt_in", key, purposes, kind)


def _record(db: Database, function: str, key: object, purposes: tuple[str, ...], kind: str) -> None:
    with db.connect() as conn:
        conn.execute(
            sql.SQL("SELECT * FROM rlsguard.{}(%s, %s, %s, 'test', 'because')").format(sql.Identifier(function)),
            [kind, str(key), list(purposes)],
        )


def column(db: Database, query: str, *, user: str = SUPERUSER) -> list[Any]:
    """Return the first column of *query*, run as a login of its own, in order."""
    with db.connect(user) as conn:
        return sorted(row[0] for row in conn.execute(query).fetchall())


def visible(db: Database, user: str) -> dict[str, list[Any]]:
    """Return the keys that *user* sees in each table of the small bank, in one session of its own."""
    queries = {
        "client": "SELECT client_id FROM bank.client",
        "disp": "SELECT disp_id FROM bank.disp",
        "account": "SELECT account_id FROM bank.account",
        "trans": "SELECT trans_id FROM bank.trans",
    }
    with db.connect(user) as conn:
        return {table: sorted(key for (key,) in conn.execute(query)) for table, query in queries.items()}


ALL = {"client": [1, 2, 3], "disp": [100, 101, 102], "account": [10, 20], "trans": [1000, 1001, 1002]}
WITHOUT_1 = {"client": [2, 3], "disp": [101, 102], "account": [20], "trans": [1002]}

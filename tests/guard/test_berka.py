"""The real bank: 200 people opt out, and every role sees of every table exactly the rows that the oracle says.

`pytest tests/guard/test_berka.py -s` prints both sides' counts.
"""

from __future__ import annotations

import csv
import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from psycopg import sql

from berka import BankDatabase
from oracle import OptOut, Oracle, Role, rules
from rlsguard import apply, datamap
from rlsguard.cli import rlsguard
from rlsguard.datamap import DataMap
from rlsguard.demo.bank import TABLES
from rlsguard.demo.ways import KEYS
from rlsguard.names import Name, QualifiedName
from rlsguard.shipped import folder
from servers import Database

# Beside the roles of the map: a superuser, one with BYPASSRLS, unmapped ones, members of mapped ones.
MORE_ROLES = """
CREATE ROLE bypasser LOGIN BYPASSRLS;
CREATE ROLE newcomer LOGIN;
CREATE ROLE heir LOGIN IN ROLE campaign_app;
CREATE ROLE grandchild LOGIN IN ROLE heir;
CREATE ROLE double LOGIN IN ROLE campaign_app, bi_reader;
CREATE ROLE clerk LOGIN IN ROLE teller_app;
CREATE ROLE examiner LOGIN IN ROLE sox_auditor;
CREATE ROLE noinherit LOGIN NOINHERIT IN ROLE campaign_app, teller_app;
GRANT USAGE ON SCHEMA bank TO PUBLIC;
GRANT SELECT ON ALL TABLES IN SCHEMA bank TO PUBLIC;
"""
ROLES = {
    role.name: role
    for role in (
        Role("postgres", superuser=True),
        Role("bypasser", bypass_rls=True),
        Role("campaign_app"),
        Role("bi_reader"),
        Role("teller_app"),
        Role("sox_auditor"),
        Role("newcomer"),
        Role("heir", frozenset({"campaign_app"})),
        Role("grandchild", frozenset({"heir"})),
        Role("double", frozenset({"campaign_app", "bi_reader"})),
        Role("clerk", frozenset({"teller_app"})),
        Role("examiner", frozenset({"sox_auditor"})),
        Role("noinherit"),
    )
}


def bank_map(joint: Any, bypass: Any) -> DataMap:
    shipped = datamap.load(folder("policies") / "berka.yaml")
    tables = {name: replace(entry, joint=joint) for name, entry in shipped.tables.items()}
    exempt = {name: replace(exemption, until=None) for name, exemption in shipped.exempt.items()}
    return replace(shipped, tables=tables, exempt=exempt, bypass=bypass)


def opt_out_by_csv(db: Database, lines: list[tuple[int, str]], file: Path) -> None:
    with file.open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(("key", "purpose"))
        writer.writerows(lines)
    result = CliRunner().invoke(
        rlsguard, ["opt-out", "client", "--from-csv", str(file), "--actor", "test", "--dsn", db.dsn()]
    )
    assert result.exit_code == 0, result.output
    assert result.output == f"{len(lines)} ledger entries written and in force\n"


def keys_seen(db: Database, role: str, table: str) -> set[int]:
    key = {**KEYS, "district": "a1"}[table]
    query = sql.SQL("SELECT {} FROM {}").format(Name(key), Name("bank", table))
    with db.connect(role) as conn:
        rows = conn.execute(query).fetchall()
    assert len(rows) == len(set(rows))
    return {key for (key,) in rows}


@pytest.mark.parametrize(("joint", "bypass"), [("any", "attribute"), ("all", "attribute"), ("any", "marker")])
def test_every_role_sees_what_the_oracle_says(berka_db: BankDatabase, joint: str, bypass: str, tmp_path: Path) -> None:
    db, bank = berka_db
    rows = {table: [row._asdict() for row in getattr(bank, table)] for table in TABLES}
    applied = bank_map(joint, bypass)
    oracle = Oracle(rules(applied), {QualifiedName("bank", table): rows[table] for table in rows}, ROLES)
    db.execute(MORE_ROLES)
    with db.connect() as conn:
        apply.apply(conn, applied)

    chance = random.Random(20261123)
    clients = [row.client_id for row in bank.client]
    # Whole accounts must be emptied for `all`, so some opt out together with whom they share one.
    wanted = {(client, "marketing") for client in chance.sample(clients, 200)}
    holders: dict[int, list[int]] = {}
    for disp in bank.disp:
        holders.setdefault(disp.account_id, []).append(disp.client_id)
    shared = [people for people in holders.values() if len(people) > 1]
    together = {(client, "analytics") for people in chance.sample(shared, 40) for client in people}
    opt_out_by_csv(db, sorted(wanted), tmp_path / "marketing.csv")
    opt_out_by_csv(db, sorted(together), tmp_path / "analytics.csv")
    opt_outs = [OptOut("client", client, purpose) for client, purpose in wanted | together]

    print(f"\nPostgreSQL {db.server.version}, joint: {joint}, {bypass}; {len(opt_outs)} opt-outs")
    print(f"{'role':13}{'table':9}{'all':>9}{'database':>10}{'oracle':>9}")
    hidden = 0
    for role in ROLES:
        for table in TABLES:
            key = {**KEYS, "district": "a1"}[table]
            right = {row[key] for row in oracle.visible(role, QualifiedName("bank", table), opt_outs)}
            seen = keys_seen(db, role, table)
            print(f"{role:13}{table:9}{len(rows[table]):9}{len(seen):10}{len(right):9}")
            assert seen == right, (role, table)
            hidden += len(rows[table]) - len(seen)
    assert hidden > 0

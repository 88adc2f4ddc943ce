"""A proof on a copy: real logins and commits, and the database itself is only read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from guarding import BANK_MAP, HEAD, apply, load, opt_out, small_bank
from prove.test_live import LONG, ODD, ODD_MAP, standing
from proving import faults, leaked, verdicts
from rlsguard.problems import RlsguardError
from rlsguard.prove import Proof, prove_on_copy
from servers import Clone, Database, present

pytestmark = pytest.mark.by_turns

REAL = {
    "new connection", "connection opened before", "prepared elsewhere", "cursor WITH HOLD", r"psql \copy",
    "pg_dump --enable-row-security", "pg_dump", "replication", "LISTEN",
}  # fmt: skip

# Where it does not matter which: programs that are started for each table and role take their time.
ONE_TABLE = HEAD + "tables:\n  bank.client: {holds: [personal], subject: {client: client_id}}\n"


@pytest.fixture
def bank(template_db: Clone) -> Database:
    db = small_bank(template_db, BANK_MAP)
    opt_out(db, 3, "analytics")
    return db


def copy_and_prove(db: Database, text: str, **options: Any) -> Proof:
    with db.connect() as conn:
        return prove_on_copy(conn, load(text), **options)


def test_every_real_login_is_held(bank: Database) -> None:
    with bank.connect() as conn:
        before = standing(conn)
        proof = prove_on_copy(conn, load(BANK_MAP))
        assert standing(conn) == before
    assert faults(proof) == []
    assert proof.right
    assert proof.mode == "clone"
    seen = verdicts(proof, "bank.trans", "campaign_app")
    assert seen.keys() > REAL
    assert {path for path in REAL if seen[path] == "passed"} >= REAL - {
        "pg_dump --enable-row-security", "pg_dump", "replication"
    }  # fmt: skip
    # pg_dump fails closed: what it refuses to read, nobody gets.
    assert seen["pg_dump"] == seen["replication"] == "closed"


def test_what_leaks_to_real_logins_is_found(bank: Database) -> None:
    bank.execute("ALTER TABLE bank.trans DISABLE ROW LEVEL SECURITY; ALTER ROLE stranger REPLICATION")
    proof = copy_and_prove(bank, BANK_MAP)
    assert ("row security bank.trans") in {way.about for way in proof.ways_around}
    paths = {cell.path for cell in faults(proof) if (str(cell.table), cell.role) == ("bank.trans", "campaign_app")}
    assert paths >= REAL - {"replication", "LISTEN"}
    assert {cell.role for cell in faults(proof) if cell.path == "replication"} == {"stranger"}


def test_a_telling_notification_is_found(bank: Database) -> None:
    (body,) = bank.execute("SELECT pg_get_functiondef('rlsguard.record_events'::regproc)")[0]
    telling = body.replace("'subject_kind', event.subject_kind,", "'who', event.subject_key,")
    assert telling != body
    bank.execute(telling)
    proof = copy_and_prove(bank, ONE_TABLE)
    assert {cell.path for cell in faults(proof)} == {"LISTEN"}


def test_a_copy_of_odd_names(db: Database) -> None:
    db.execute(ODD)
    apply(db, ODD_MAP)
    proof = copy_and_prove(db, ODD_MAP)
    assert faults(proof) == []
    long = verdicts(proof, f'"Sche ma"."{LONG}"', 'Cam paign"%s')
    assert {path: verdict for path, verdict in long.items() if verdict != "passed"}.keys() <= {
        "pg_dump", "pg_dump --enable-row-security", "replication"
    }  # fmt: skip
    db.execute(f'ALTER TABLE "Sche ma"."{LONG}" DISABLE ROW LEVEL SECURITY')
    found = copy_and_prove(db, ODD_MAP)
    assert leaked(found) == {(f'"Sche ma"."{LONG}"', 'Cam paign"%s')}
    assert {cell.path for cell in faults(found)} >= REAL - {"replication", "LISTEN"}


def test_partitions_are_copied_each_row_once(bank: Database) -> None:
    bank.execute(
        """
        CREATE TABLE bank.visit (visit_id int GENERATED ALWAYS AS IDENTITY, client_id int NOT NULL, day date,
                                 PRIMARY KEY (visit_id, day)) PARTITION BY RANGE (day);
        CREATE TABLE bank.visit_1 PARTITION OF bank.visit FOR VALUES FROM ('2026-01-01') TO ('2026-02-01');
        CREATE TABLE bank.visit_2 PARTITION OF bank.visit FOR VALUES FROM ('2026-02-01') TO ('2026-03-01');
        INSERT INTO bank.visit (client_id, day)
        SELECT n % 3 + 1, date '2026-01-20' + n FROM generate_series(1, 30) AS n;
        GRANT SELECT ON ALL TABLES IN SCHEMA bank TO campaign_app, teller_app;
        """
    )
    text = BANK_MAP + "  bank.visit: {holds: [personal], subject: {client: client_id}}\n"
    apply(bank, text)
    proof = copy_and_prove(bank, text)
    assert faults(proof) == []
    cell = next(c for c in proof.cells.values() if (str(c.table), c.path) == ("bank.visit", "new connection"))
    assert cell.rows % 30 == 0


def test_the_copy_runs_on_the_installation_that_is_named(bank: Database) -> None:
    newest = max(present())
    proof = copy_and_prove(bank, ONE_TABLE, bindir=present()[newest])
    assert proof.right
    assert f"copied to {newest}." in proof.server
    with pytest.raises(RlsguardError, match="there is no PostgreSQL server in"):
        copy_and_prove(bank, ONE_TABLE, bindir=Path("/"))
    oldest = min(present())
    if bank.major > oldest:
        with pytest.raises(RlsguardError, match=rf"PostgreSQL {oldest}.* is too old for a copy of {bank.major}"):
            copy_and_prove(bank, ONE_TABLE, bindir=present()[oldest])

"""Every attribute of every object that the guard is made of, changed one at a time: each change is found.

With --by-turns each on one of the versions, for there are many.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import psycopg
import pytest

from check.mutating import mutations, mutations_of_tables
from guarding import BANK, BANK_MAP, apply, load, opt_out
from rlsguard.check.examine import examine
from rlsguard.check.expected import Expected, on_scratch
from rlsguard.check.model import Finding
from rlsguard.datamap import DataMap
from rlsguard.problems import RlsguardError
from rlsguard.prove.scene import Scene
from rlsguard.prove.session import begin
from servers import Database, present

MORE = """
CREATE FUNCTION bank.swallow() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
-- With row security of its own, so that all of the guard's policies are somewhere.
CREATE TABLE bank.card (card_id int PRIMARY KEY, client_id int NOT NULL, open boolean NOT NULL DEFAULT true);
CREATE ROLE bank_owner;
GRANT ALL ON SCHEMA bank TO bank_owner;
ALTER TABLE bank.card OWNER TO bank_owner;
ALTER TABLE bank.card ENABLE ROW LEVEL SECURITY;
CREATE POLICY open_ones ON bank.card USING (open);
CREATE TABLE bank.payment (payment_id int, client_id int NOT NULL) PARTITION BY RANGE (payment_id);
CREATE TABLE bank.payment_1 PARTITION OF bank.payment FOR VALUES FROM (0) TO (100);
"""
TABLES = """\
  bank.card: {holds: [financial], subject: {client: client_id}, when_unknown: hide, audit: true}
  bank.payment: {holds: [financial], subject: {client: client_id}, audit: {redact: [payment_id]}}
"""
MAPS = {"attribute": BANK_MAP + TABLES, "marker": BANK_MAP + TABLES + "guard: {bypass: marker}\n"}


T = TypeVar("T")


def once(scratch: str | None) -> Callable[[Scene], Expected]:
    """Return what finds out how definitions should look when first asked, and remembers it."""
    known: list[Expected] = []

    def expect(place: Scene) -> Expected:
        if not known:
            known.append(on_scratch(place, scratch))
        return known[0]

    return expect


def found(conn: psycopg.Connection, datamap: DataMap, expect: Callable[[Scene], Expected]) -> list[Finding]:
    """Return the findings of a check inside the transaction of *conn*."""
    with begin(conn, statement_timeout=60, users_tables=False) as session:
        return examine(session, datamap, expect)[1]


def of_this_version(every: dict[str, T], db: Database, request: pytest.FixtureRequest) -> dict[str, T]:
    """Return what of *every* is for the server of *db*: by turns, so that the versions that are here share them all."""
    majors = sorted(present())
    if not request.config.getoption("--by-turns") or request.config.getoption("--majors"):
        return every
    turn = majors.index(db.server.major)
    return dict(list(every.items())[turn :: len(majors)])


@pytest.mark.parametrize("mode", MAPS)
def test_every_mutation_is_found(db: Database, mode: str, request: pytest.FixtureRequest) -> None:
    db.execute(BANK)
    db.execute(MORE)
    apply(db, MAPS[mode])
    opt_out(db, 1, "marketing")
    datamap, expect = load(MAPS[mode]), once(None)
    missed: list[str] = []
    with db.connect(autocommit=False) as conn:
        assert found(conn, datamap, expect) == []
        every = dict(mutations(conn) if mode == "attribute" else mutations_of_tables(conn))
        for name, statement in of_this_version(every, db, request).items():
            with conn.transaction(force_rollback=True):
                conn.execute(statement)
                try:
                    seen = found(conn, datamap, expect)
                except RlsguardError as error:
                    missed.append(f"{name}: {statement}: {error}")
                    continue
                if not any(finding.kind.severity == "error" for finding in seen):
                    missed.append(f"{name}: {statement}")
        assert found(conn, datamap, expect) == []
    assert missed == []
    assert len(every) > (600 if mode == "attribute" else 150)

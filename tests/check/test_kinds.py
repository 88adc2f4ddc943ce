"""Which kind of finding a change is, where one could be taken for another; and what is none."""

from __future__ import annotations

import pytest

from check.test_mutations import found
from guarding import BANK, BANK_MAP, apply, load
from rlsguard.check import check
from rlsguard.check.expected import Expected
from rlsguard.problems import RlsguardError
from rlsguard.prove.scene import Scene
from servers import Database

pytestmark = pytest.mark.by_turns

TRANS = "CREATE TABLE bank.trans (trans_id int PRIMARY KEY, account_id int NOT NULL, amount numeric NOT NULL)"


def told(db: Database, text: str = BANK_MAP) -> list[str]:
    with db.connect() as conn:
        return [f"{f.kind.id} {f.about}" for f in check(conn, load(text)).findings]


def test_a_policy_that_is_gone_says_nothing_of_row_security(db: Database) -> None:
    db.execute(BANK)
    apply(db, BANK_MAP)
    db.execute('DROP POLICY "!rlsguard" ON bank.trans')
    assert told(db) == ["RG105 policy bank.trans !rlsguard"]
    db.execute("ALTER TABLE bank.trans DISABLE ROW LEVEL SECURITY")
    assert told(db) == ["RG104 row security bank.trans", "RG105 policy bank.trans !rlsguard"]


def test_a_table_made_anew_is_told_from_one_that_lost_its_policies(db: Database) -> None:
    db.execute(BANK)
    apply(db, BANK_MAP)
    db.execute(f"DROP TABLE bank.trans; {TRANS}")
    assert told(db) == ["RG103 protect bank.trans"]
    apply(db, BANK_MAP)
    assert told(db) == []
    db.execute("ALTER TABLE bank.trans RENAME TO trans_old; ALTER INDEX bank.trans_pkey RENAME TO old_pkey")
    db.execute(TRANS)
    assert told(db) == ["RG103 protect bank.trans", "RG301 table bank.trans_old", "RG121 table bank.trans_old"]


def test_an_exemption_without_an_end_is_as_the_map_says(db: Database) -> None:
    db.execute(BANK)
    endless = BANK_MAP.replace(", until: 2099-12-31", "")
    apply(db, endless)
    assert told(db, endless) == []
    db.execute("UPDATE rlsguard.exemption SET until = '2099-12-31'")
    assert told(db, endless) == ["RG119 exempt sox_auditor"]


def test_without_a_server_to_compare_with_nothing_of_the_guard_is_a_stranger(db: Database) -> None:
    def nothing(place: Scene) -> Expected:
        return Expected({}, None, {unit.unit: "there is none" for unit in place.wanted.units})

    db.execute(BANK)
    apply(db, BANK_MAP)
    with db.connect() as conn:
        assert [f.kind.id for f in found(conn, load(BANK_MAP), nothing)] == ["RG901"]
        conn.execute("CREATE TABLE rlsguard.more (n int); ALTER TABLE rlsguard.more OWNER TO rlsguard_owner")
        assert [f.about for f in found(conn, load(BANK_MAP), nothing)] == ["definitions", "relation rlsguard.more"]


def test_a_table_of_the_map_that_is_gone_is_told_and_made_anew(db: Database) -> None:
    db.execute(BANK)
    apply(db, BANK_MAP)
    db.execute("DROP TABLE rlsguard.exemption CASCADE")
    assert "RG113 relation rlsguard.exemption" in told(db)
    apply(db, BANK_MAP)
    assert told(db) == []


def test_an_exemption_that_has_ended_answers_for_nobody_whom_no_policy_holds(db: Database) -> None:
    db.execute(BANK)
    ended = BANK_MAP.replace("2099-12-31", "2026-01-31")
    db.execute("ALTER ROLE sox_auditor BYPASSRLS")
    for text, findings in ((BANK_MAP, []), (ended, ["RG222 role sox_auditor"])):
        apply(db, text)
        assert told(db, text) == findings


def test_a_kind_that_there_is_not_is_told_where_all_are(db: Database) -> None:
    with db.connect() as conn, pytest.raises(RlsguardError, match=r"no finding RG999.*; docs/findings has all"):
        check(conn, load(BANK_MAP), only=["RG999"])


def test_a_socket_is_named_as_psql_names_it(db: Database) -> None:
    db.execute(BANK)
    apply(db, BANK_MAP)
    with db.connect() as conn:
        assert check(conn, load(BANK_MAP)).database == f"[local]:{conn.info.port}/{db.name}"

"""Who can check, and where: a login that only reads, on a primary and on a hot standby; what it may not see is said."""

from __future__ import annotations

from pathlib import Path

import psycopg
import pytest

from check.starting import run, running
from guarding import BANK, BANK_MAP, apply, load, opt_out
from rlsguard.check import check
from rlsguard.problems import RlsguardError
from servers import Database

pytestmark = pytest.mark.by_turns

WATCHER = """
CREATE ROLE watcher LOGIN;
GRANT rlsguard_auditor TO watcher;
ALTER ROLE watcher SET default_transaction_read_only = on;
"""


@pytest.fixture
def bank(db: Database) -> Database:
    db.execute(BANK)
    apply(db, BANK_MAP)
    opt_out(db, 1, "marketing")
    return db


def told(dsn: str) -> list[str]:
    with psycopg.connect(dsn, autocommit=True) as conn:
        return [f"{f.kind.id} {f.about}" for f in check(conn, load(BANK_MAP)).findings]


def test_an_auditor_finds_what_a_superuser_finds(bank: Database) -> None:
    # It is held to all opt-outs, so that it reads the audit of changes is itself something to answer for.
    bank.execute(WATCHER)
    assert told(bank.dsn("watcher")) == ["RG216 role watcher"] == told(bank.dsn())
    bank.execute("ALTER TABLE bank.trans NO FORCE ROW LEVEL SECURITY; CREATE PUBLICATION feed FOR TABLE bank.trans")
    bank.execute("UPDATE rlsguard.opt_out_client SET in_force = false")
    bank.execute("CREATE ROLE back_door LOGIN BYPASSRLS; CREATE TABLE bank.copy AS SELECT * FROM bank.trans")
    weak = told(bank.dsn("watcher"))
    assert weak == told(bank.dsn())
    assert weak == [
        "RG104 row security bank.trans", "RG120 rlsguard.opt_out_client", "RG206 publication feed",
        "RG216 role watcher", "RG222 role back_door", "RG301 table bank.copy",
    ]  # fmt: skip


def test_what_one_search_may_not_see_is_told_and_the_others_go_on(bank: Database) -> None:
    bank.execute(WATCHER)
    bank.execute("REVOKE SELECT ON pg_parameter_acl FROM PUBLIC; CREATE ROLE back_door LOGIN BYPASSRLS")
    with bank.connect(autocommit=False) as conn:
        conn.execute("UPDATE rlsguard.opt_out_client SET in_force = false; PREPARE TRANSACTION 'waiting'")
    # Prepared transactions are looked for after the rights to parameters.
    found = ["RG216 role watcher", "RG221 prepared transaction 'waiting'", "RG222 role back_door"]
    assert told(bank.dsn()) == found
    assert told(bank.dsn("watcher")) == [*found, "RG902 search server.parameters"]


def test_a_login_without_a_right_to_the_guard_is_told_so(bank: Database) -> None:
    with bank.connect("stranger") as conn, pytest.raises(RlsguardError, match="as a member of rlsguard_auditor"):
        check(conn, load(BANK_MAP))


def test_a_check_leaves_nothing_behind(bank: Database) -> None:
    counts = "SELECT count(*), max(xmin::text::bigint) FROM pg_class"
    before = bank.execute(counts)
    xid = bank.execute("SELECT pg_snapshot_xmax(pg_current_snapshot())")
    told(bank.dsn())
    assert bank.execute(counts) == before
    assert bank.execute("SELECT pg_snapshot_xmax(pg_current_snapshot())") == xid


def test_a_hot_standby_is_checked_by_a_login_that_only_reads(bank: Database, base: Path) -> None:
    bank.execute(WATCHER)
    bank.execute("ALTER TABLE bank.trans NO FORCE ROW LEVEL SECURITY")
    bindir, data = bank.server.bindir, base / "standby"
    run(base, bindir / "pg_basebackup", "-d", bank.dsn(), "-D", data, "-R", "-X", "stream", "-c", "fast")
    with running(bindir, base, "standby") as server:
        dsn = psycopg.conninfo.make_conninfo(server, dbname=bank.name, user="watcher")
        with psycopg.connect(dsn, autocommit=True) as conn:
            assert conn.execute("SELECT pg_is_in_recovery()").fetchone() == (True,)
        assert told(dsn) == ["RG104 row security bank.trans", "RG216 role watcher"]

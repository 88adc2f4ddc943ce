"""A guarded database that pg_upgrade took from 16 to 18: nothing about it is a finding."""

from __future__ import annotations

from pathlib import Path

import psycopg
import pytest

from check.starting import run, running
from check.test_innocence import told
from guarding import BANK, BANK_MAP, load
from rlsguard import server
from rlsguard.apply import apply
from rlsguard.check import check
from servers import present

OLD, NEW = 16, 18


def initdb(bindir: Path, base: Path, data: str, *options: str) -> None:
    run(base, bindir / "initdb", "-D", base / data, "-U", "postgres", "--encoding=UTF8", "--locale=C", "-N", *options)


@pytest.mark.skipif(not {OLD, NEW} <= present().keys(), reason=f"takes PostgreSQL {OLD} and {NEW}")
def test_an_upgraded_server_is_no_finding(base: Path) -> None:
    datamap = load(BANK_MAP)
    account = server._account()
    for major in (OLD, NEW):
        (base / str(major)).mkdir(mode=0o755)
    old, new = (server._runnable(present()[major], base / str(major), account) for major in (OLD, NEW))
    initdb(old, base, "old")
    # From 18 on checksums are the default.
    initdb(new, base, "new", "--no-data-checksums")
    with running(old, base, "old") as dsn, psycopg.connect(dsn, autocommit=True) as conn:
        conn.execute(BANK)
        apply(conn, datamap)
        conn.execute("SELECT FROM rlsguard.opt_out('client', '1', '{marketing}', 'test', 'because')")
        assert told(list(check(conn, datamap).findings)) == []
    run(
        base,
        new / "pg_upgrade",
        "-b",
        old,
        "-B",
        new,
        "-d",
        base / "old",
        "-D",
        base / "new",
        "-U",
        "postgres",
        "-s",
        base,
    )
    with running(new, base, "new") as dsn, psycopg.connect(dsn, autocommit=True) as conn:
        assert conn.info.server_version // 10000 == NEW
        assert told(list(check(conn, datamap).findings)) == []
        conn.execute("ALTER TABLE bank.trans NO FORCE ROW LEVEL SECURITY")
        assert [finding.kind.id for finding in check(conn, datamap).findings] == ["RG104"]

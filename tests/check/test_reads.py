"""The audit of reads: what was set up and is no longer in force is found."""

from __future__ import annotations

import pytest

from guarding import BANK, BANK_MAP, apply, load
from rlsguard.check import check
from rlsguard.render.pgaudit import settings_in_force
from servers import Database, has_library


def about(db: Database) -> list[str]:
    with db.connect() as conn:
        return [finding.about for finding in check(conn, load(BANK_MAP), only=["RG401"]).findings]


def test_a_weakened_audit_is_found(db: Database) -> None:
    db.execute(BANK)
    apply(db, BANK_MAP)
    assert about(db) == []  # nobody asked for it
    db.execute("CREATE ROLE rlsguard_pgaudit NOLOGIN; GRANT SELECT ON ALL TABLES IN SCHEMA bank TO rlsguard_pgaudit")
    if not has_library(db.server.bindir, "pgaudit"):
        assert about(db) == ["pgaudit"]
        return
    assert "setting pgaudit.role" in about(db)
    for name, value in {"pgaudit.role": "rlsguard_pgaudit", **settings_in_force(150000)}.items():
        db.execute(f"ALTER DATABASE {db.name} SET {name} = '{value}'")
    assert about(db) == []
    for weakened, named in (
        ("REVOKE SELECT ON bank.trans FROM rlsguard_pgaudit", ["table bank.trans"]),
        (
            "GRANT SELECT ON bank.trans TO rlsguard_pgaudit; ALTER ROLE rlsguard_pgaudit LOGIN",
            ["role rlsguard_pgaudit"],
        ),
        (f"ALTER ROLE rlsguard_pgaudit NOLOGIN; ALTER DATABASE {db.name} RESET pgaudit.log", ["setting pgaudit.log"]),
        (f"ALTER DATABASE {db.name} SET pgaudit.log = 'all'", []),
        (f"ALTER DATABASE {db.name} SET pgaudit.log_rows = 'on'", ["setting pgaudit.log_rows"]),
    ):
        db.execute(weakened)
        assert about(db) == named


@pytest.mark.parametrize("version", [150000, 180000])
def test_what_only_adds_to_the_log_is_no_matter(version: int) -> None:
    assert "pgaudit.log_parameter_max_size" not in settings_in_force(version)

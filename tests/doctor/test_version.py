"""Versions: which flaws a minor release has, told from its number alone; and what an upgrade leaves behind."""

from __future__ import annotations

import psycopg
import pytest

from examining import of
from guarding import opt_out
from rlsguard import doctor
from rlsguard.doctor.version import judge


@pytest.mark.parametrize(
    ("number", "cves"),
    [
        (150002, ["2023-2455", "2023-39418", "2024-4317", "2024-10976", "2024-10978", "2025-8713", "2026-120154"]),
        (150003, ["2023-39418", "2024-4317", "2024-10976", "2024-10978", "2025-8713", "2026-120154"]),
        (150004, ["2024-4317", "2024-10976", "2024-10978", "2025-8713", "2026-120154"]),
        (150007, ["2024-10976", "2024-10978", "2025-8713", "2026-120154"]),
        (150009, ["2025-8713", "2026-120154"]),
        (150014, ["2026-120154"]),
        (150019, ["2026-120154"]),
        (150020, []),
        (160002, ["2024-4317", "2024-10976", "2024-10978", "2025-8713", "2026-120154"]),
        (160003, ["2024-10976", "2024-10978", "2025-8713", "2026-120154"]),
        (160005, ["2025-8713", "2026-120154"]),
        (160010, ["2026-120154"]),
        (160016, []),
        (170000, ["2024-10976", "2024-10978", "2025-8713", "2026-120154"]),
        (170001, ["2025-8713", "2026-120154"]),
        (170006, ["2026-120154"]),
        (170012, []),
        (180000, ["2026-120154"]),
        (180006, ["2026-120154"]),
        (180007, []),
    ],
)
def test_flaws_by_minor_release(number, cves):
    found = list(judge(number))
    if cves:
        assert [(f.severity, f.about) for f in found] == [("error", f"CVE-{cve}") for cve in cves]
        assert {f.check for f in found} == {"server-version"}
    else:
        assert [(f.severity, f.advice) for f in found] == [("ok", "")]


def test_the_advice_is_one_release_that_has_it_all():
    assert all(f.advice.startswith("Upgrade to 15.20 or a newer minor release.") for f in judge(150002))
    assert all(f.advice.startswith("Upgrade to 17.12 or a newer minor release.") for f in judge(170000))


@pytest.mark.parametrize(("number", "severity"), [(140025, "error"), (190000, "warning")])
def test_versions_out_of_range(number, severity):
    (found,) = judge(number)
    assert (found.check, found.severity) == ("server-version", severity)
    assert found.advice


def test_the_servers_own_version(bank):
    found = of(bank, "server-version")
    assert found == list(judge(bank.conn.info.server_version))


def test_the_server_does_what_is_said_of_it(bank):
    """CVE-2026-120154: a hidden row's amount (1) is divided by before its policy is asked; or no longer is."""
    opt_out(bank, 1, "marketing")
    told = "CVE-2026-120154" in [finding.about for finding in of(bank, "server-version")]
    asked_first = psycopg.errors.DivisionByZero if told else psycopg.errors.InsufficientPrivilege
    with bank.connect("campaign_app") as conn, pytest.raises(asked_first):
        conn.execute(
            "INSERT INTO bank.trans VALUES (1000, 20, 5) ON CONFLICT (trans_id) DO UPDATE SET amount = 5 "
            "WHERE 1 / (trans.amount - 1) > 0"
        )


def test_statistics_views_that_an_upgrade_left_open(bank):
    assert of(bank, "statistics-views") == []
    bank.execute("SET allow_system_table_mods = on")
    bank.execute("CREATE OR REPLACE VIEW pg_catalog.pg_stats_ext_exprs AS " + _without_the_test(bank))
    (found,) = of(bank, "statistics-views", user="stranger")
    assert found.severity == "error"
    assert "CVE-2024-4317" in found.message
    # The way out that the advisory names.
    bank.execute("REVOKE SELECT ON pg_stats_ext, pg_stats_ext_exprs FROM PUBLIC")
    assert of(bank, "statistics-views") == []


def _without_the_test(db) -> str:
    ((definition,),) = db.execute("SELECT pg_get_viewdef('pg_stats_ext_exprs'::regclass)")
    opened = definition.replace("pg_has_role(c.relowner, 'USAGE'::text)", "true")
    assert opened != definition
    return opened


def test_any_login_may_ask_and_nothing_is_written(bank):
    with bank.connect("stranger", options="-c default_transaction_read_only=on") as conn:
        before = conn.execute("SHOW search_path").fetchone()
        found = doctor.diagnose(conn, None)
        assert conn.execute("SHOW search_path").fetchone() == before
    assert found

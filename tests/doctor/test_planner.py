"""What makes guarded queries slow; the cliff is compared with what the planner really does."""

from __future__ import annotations

import pytest

from examining import of, verdicts
from guarding import BANK_MAP, apply
from rlsguard.doctor.memory import in_bytes, needed

INDEX_MAP = """
version: 1
subjects:
  client: {table: '"The Bank".client', key: '"Client Id"'}
purposes: {marketing: {}}
roles: {campaign_app: [marketing]}
tables:
  '"The Bank".trans':
    {holds: [financial], subject: {client: ['"Account" = "The Bank"."Hop".account', '"Client Id"']}}
"""


def test_statistics(bank):
    assert verdicts(bank, "statistics") == [("ok", "")]
    bank.execute("ALTER TABLE rlsguard.opt_out_client ALTER subject_key RESET (n_distinct)")
    assert verdicts(bank, "statistics", user="stranger") == [("warning", "rlsguard.opt_out_client")]
    # A table that was never analysed: rewritten tables forget it.
    bank.execute("CREATE TABLE rlsguard.copied (LIKE rlsguard.opt_out_client INCLUDING ALL)")
    bank.execute(
        "ALTER TABLE rlsguard.opt_out_client RENAME TO was; ALTER TABLE rlsguard.copied RENAME TO opt_out_client"
    )
    found = of(bank, "statistics", user="stranger")
    assert ["never analysed" in f.message for f in found] == [True, False]
    bank.execute("ALTER TABLE rlsguard.opt_out_client ALTER subject_key SET (n_distinct = -0.05)")
    bank.execute(found[0].advice)
    assert verdicts(bank, "statistics") == [("ok", "")]


def test_statistics_of_configuration(bank):
    bank.execute("CREATE TABLE rlsguard.copied (LIKE rlsguard.exemption)")
    bank.execute("ALTER TABLE rlsguard.exemption RENAME TO was; ALTER TABLE rlsguard.copied RENAME TO exemption")
    (found,) = of(bank, "statistics")
    assert (found.severity, found.about) == ("warning", "rlsguard.exemption")
    bank.execute(found.advice)
    assert verdicts(bank, "statistics") == [("ok", "")]


def test_statistics_that_are_out_of_date(bank):
    _fill(bank, 1500)
    bank.execute("SELECT pg_stat_force_next_flush()")
    bank.execute("SELECT 1")
    (found,) = of(bank, "statistics", user="stranger")
    assert "changed" in found.message
    bank.execute(found.advice)
    assert verdicts(bank, "statistics") == [("ok", "")]


def test_an_index_of_the_state_that_is_gone(bank):
    bank.execute("ALTER TABLE rlsguard.opt_out_client DROP CONSTRAINT opt_out_client_pkey")
    (found,) = of(bank, "index", user="stranger")
    assert found.about == "rlsguard.opt_out_client"
    bank.execute(found.advice)
    assert verdicts(bank, "index") == [("ok", "")]


@pytest.mark.parametrize(("rows", "falls"), [(3000, False), (6000, True)])
def test_the_cliff_is_where_the_planner_falls(bank, rows, falls):
    """64 kB x 2 hold 4,096 entries of 32 bytes: an int key takes 8, the header of its tuple 24."""
    _fill(bank, rows)
    bank.execute("ANALYZE rlsguard.opt_out_client")
    bank.execute("ALTER ROLE campaign_app SET work_mem = 64; ALTER ROLE campaign_app SET hash_mem_multiplier = 2")
    found = of(bank, "work-mem", user="stranger")
    assert [f.severity for f in found] == ["warning" if falls else "ok"]
    with bank.connect("campaign_app") as conn:
        conn.execute("SET enable_indexscan = off; SET enable_bitmapscan = off; SET enable_indexonlyscan = off")
        plan = [row[0] for row in conn.execute("EXPLAIN SELECT FROM bank.client").fetchall()]
    policy = next(line for line in plan if "Filter:" in line)
    assert ("hashed" not in policy) == falls
    if falls:
        assert found[0].advice == "ALTER ROLE campaign_app SET work_mem = '1MB';"
        bank.execute(found[0].advice)
        assert verdicts(bank, "work-mem") == [("ok", "work_mem")]


@pytest.mark.parametrize(
    ("rows", "found", "falls"), [(1500, [], False), (3000, ["warning"], False), (6000, ["warning", "error"], True)]
)
def test_a_list_that_must_fit_is_told_of_before_it_does_not(bank, rows, found, falls):
    _fill(bank, rows)
    apply(bank, BANK_MAP.replace("bank.client: {holds", "bank.client: {reads: scans, holds"))
    bank.execute("ANALYZE rlsguard.opt_out_client")
    bank.execute("ALTER ROLE campaign_app SET work_mem = 64; ALTER ROLE campaign_app SET hash_mem_multiplier = 2")
    assert [f.severity for f in of(bank, "work-mem") if f.severity != "ok"] == found
    with bank.connect("campaign_app") as conn:
        plan = "\n".join(row[0] for row in conn.execute("EXPLAIN SELECT FROM bank.client").fetchall())
    (condition,) = (line for line in plan.splitlines() if "NULLIF(COALESCE(" in line)
    assert ("hashed SubPlan" not in condition) == falls, plan
    if found:
        last = of(bank, "work-mem")[-1]
        assert last.about == "rlsguard_views.suppressed_client"
        assert "bank.client" in last.message
        bank.execute(last.advice)
        assert verdicts(bank, "work-mem") == [("ok", "work_mem")]


def test_the_cliff_of_everybody(bank):
    _fill(bank, 6000)
    bank.execute("ANALYZE rlsguard.opt_out_client")
    bank.execute(f"ALTER DATABASE {bank.name} SET work_mem = '64kB'")
    bank.execute(f"ALTER ROLE bi_reader IN DATABASE {bank.name} SET work_mem = '1GB'")
    (found,) = of(bank, "work-mem", user="stranger")
    assert "campaign_app" in found.message
    assert "bi_reader" not in found.message
    (found,) = of(bank, "work-mem", user="stranger", text=None)
    assert found.severity == "warning"


@pytest.mark.parametrize(
    ("setting", "size"), [("64", 65536), ("64kB", 65536), ("1MB", 2**20), ("2 GB", 2**31), ("65536B", 65536)]
)
def test_memory_settings(setting, size):
    assert in_bytes(setting) == size


def test_memory_needed():
    assert needed(500_000, 4) == 16_000_000
    assert needed(1000, 16) == needed(1000, 9) == 40_000


@pytest.mark.parametrize("partitioned", [False, True])
def test_indexes_of_paths(db, partitioned):
    db.execute(
        'CREATE SCHEMA "The Bank"; SET search_path = "The Bank"; CREATE ROLE campaign_app LOGIN;'
        'CREATE TABLE client ("Client Id" int PRIMARY KEY);'
        'CREATE TABLE "Hop" (account int NOT NULL, "Client Id" int NOT NULL)'
        + ("PARTITION BY LIST (account);" if partitioned else ";")
        + 'CREATE TABLE trans (id int PRIMARY KEY, "Account" int NOT NULL); RESET search_path'
    )
    (found,) = of(db, "index", text=INDEX_MAP)
    assert (found.severity, found.about) == ("warning", '"The Bank"."Hop"')
    assert ("CONCURRENTLY" in found.advice) != partitioned
    db.execute('CREATE INDEX ON "The Bank"."Hop" ("Client Id", account)')
    assert of(db, "index", text=INDEX_MAP) == [found]
    db.execute(found.advice)
    assert verdicts(db, "index", text=INDEX_MAP) == [("ok", "")]


def test_without_the_map_indexes_are_not_passed_over(bank):
    assert verdicts(bank, "index", text=None) == [("note", "")]
    assert verdicts(bank, "index", text=BANK_MAP) == [("ok", "")]


def _fill(db, rows: int) -> None:
    apply(db, BANK_MAP)
    db.execute(
        "INSERT INTO rlsguard.opt_out_client SELECT i, 'marketing', true, 1 FROM generate_series(10, %s) AS i", [rows]
    )

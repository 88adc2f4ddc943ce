"""`reads` changes the plan, and nothing that anybody sees."""

from __future__ import annotations

import pytest

from guarding import BANK, BANK_MAP, WITHOUT_1, apply, opt_out, visible

# As if these tables were large.
LARGE = """
ALTER TABLE bank.client SET (parallel_workers = 2);
ALTER TABLE bank.trans SET (parallel_workers = 2);
"""


@pytest.mark.parametrize(("reads", "parallel"), [("lookups", False), ("scans", True)])
# The marker in a hop table's own policy keeps paths over it from going parallel.
@pytest.mark.parametrize(("bypass", "table"), [("attribute", "trans"), ("attribute", "client"), ("marker", "client")])
def test_only_scans_go_parallel(db, reads, parallel, bypass, table):
    with db.connect() as conn:
        conn.execute(BANK + LARGE)
    data_map = BANK_MAP.replace("{holds:", f"{{reads: {reads}, holds:")
    apply(db, f"{data_map}guard: {{bypass: {bypass}}}\n")
    opt_out(db, 1, "marketing")
    with db.connect("campaign_app") as conn:
        conn.execute("SET parallel_setup_cost = 0")
        conn.execute("SET parallel_tuple_cost = 0")
        plan = "\n".join(line for (line,) in conn.execute(f"EXPLAIN SELECT * FROM bank.{table}"))
        assert (f"Parallel Seq Scan on {table}" in plan) == parallel, plan
    assert visible(db, "campaign_app") == WITHOUT_1


def test_reads_can_be_changed(db):
    with db.connect() as conn:
        conn.execute(BANK)
    apply(db, BANK_MAP)
    opt_out(db, 1, "marketing")
    changed = BANK_MAP.replace("holds: [financial],", "holds: [financial], reads: scans,")
    assert {str(change) for change in apply(db, changed).changes} == {
        "replace protect bank.account",
        "replace protect bank.trans",
    }
    assert visible(db, "campaign_app") == WITHOUT_1


def test_parallel_workers_know_their_transaction(db):
    """An opt-in that is not committed yet is none, in a worker too."""
    with db.connect() as conn:
        conn.execute(BANK + LARGE)
    apply(db, BANK_MAP.replace("{holds:", "{reads: scans, holds:"))
    opt_out(db, 1, "marketing")
    db.execute("GRANT rlsguard_recorder TO campaign_app")
    with db.connect("campaign_app", autocommit=False) as conn:
        conn.execute(
            "SET parallel_setup_cost = 0; SET parallel_tuple_cost = 0; SET parallel_leader_participation = off"
        )
        conn.execute("SELECT * FROM rlsguard.opt_in('client', '1', '{marketing}', 'a', 'r')")
        look = "SELECT trans_id FROM bank.trans"
        plan = "\n".join(line for (line,) in conn.execute(f"EXPLAIN (ANALYZE, COSTS OFF) {look}"))
        assert "Workers Launched: 2" in plan
        assert conn.execute(look).fetchall() == [(1002,)]
        conn.commit()
        assert len(conn.execute(look).fetchall()) == 3

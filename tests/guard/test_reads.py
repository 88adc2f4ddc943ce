"""`reads` changes the plan, and nothing that anybody sees."""

from __future__ import annotations

import pytest

from guarding import BANK, BANK_MAP, WITHOUT_1, apply, opt_out, visible

# As if the tables were large.
PARALLEL = """
SET parallel_setup_cost = 0;
SET parallel_tuple_cost = 0;
SET min_parallel_table_scan_size = 0;
"""


@pytest.mark.parametrize(("reads", "parallel"), [("lookups", False), ("scans", True)])
# The marker in a hop table's own policy keeps paths over it from going parallel.
@pytest.mark.parametrize(("bypass", "table"), [("attribute", "trans"), ("attribute", "client"), ("marker", "client")])
def test_only_scans_go_parallel(db, reads, parallel, bypass, table):
    with db.connect() as conn:
        conn.execute(BANK)
    data_map = BANK_MAP.replace("{holds:", f"{{reads: {reads}, holds:")
    apply(db, f"{data_map}guard: {{bypass: {bypass}}}\n")
    opt_out(db, 1, "marketing")
    with db.connect("campaign_app") as conn:
        conn.execute(PARALLEL)
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

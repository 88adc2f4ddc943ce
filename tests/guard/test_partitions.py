"""Every leaf and every child is guarded like what it inherits from."""

from __future__ import annotations

import pytest

from guarding import BANK_MAP, HEAD, apply, column, opt_out, small_bank
from rlsguard.problems import MapError

TREE = """
DROP TABLE bank.trans;
CREATE TABLE bank.trans (trans_id int NOT NULL, account_id int NOT NULL, holder int NOT NULL, amount numeric)
    PARTITION BY RANGE (trans_id);
CREATE TABLE bank.mid PARTITION OF bank.trans FOR VALUES FROM (1000) TO (2000) PARTITION BY RANGE (trans_id);
CREATE TABLE bank."Leaf, ""1" PARTITION OF bank.mid FOR VALUES FROM (1000) TO (1500);
INSERT INTO bank.trans VALUES (1000, 10, 3, 1), (1001, 20, 1, 1);
GRANT SELECT ON ALL TABLES IN SCHEMA bank TO campaign_app, teller_app;
"""


@pytest.fixture
def bank(template_db):
    return small_bank(template_db, more=TREE)


def test_a_leaf_read_directly_is_guarded(bank):
    apply(bank, BANK_MAP)
    opt_out(bank, 1, "marketing")
    for table in ("bank.trans", "bank.mid", 'bank."Leaf, ""1"'):
        assert column(bank, f"SELECT trans_id FROM {table}", user="campaign_app") == [1001]
        assert column(bank, f"SELECT trans_id FROM {table}", user="teller_app") == [1000, 1001]


def test_the_nearest_entry_above_counts_in_any_order_of_the_map(bank):
    root = "  bank.trans: {holds: [financial], subject: {client: [account_id = bank.disp.account_id, client_id]}}\n"
    middle = "  bank.mid: {holds: [financial], subject: {client: holder}}\n"
    for tables in (root + middle, middle + root):
        apply(bank, HEAD + "tables:\n" + tables)
        opt_out(bank, 1, "marketing")
        assert column(bank, "SELECT trans_id FROM bank.trans", user="campaign_app") == [1001]
        assert column(bank, "SELECT trans_id FROM bank.mid", user="campaign_app") == [1000]
        assert column(bank, 'SELECT trans_id FROM bank."Leaf, ""1"', user="campaign_app") == [1000]


def test_a_new_partition_is_guarded_by_the_next_apply(bank):
    apply(bank, BANK_MAP)
    opt_out(bank, 1, "marketing")
    with bank.connect() as conn:
        conn.execute("CREATE TABLE bank.later PARTITION OF bank.trans FOR VALUES FROM (5000) TO (6000)")
        conn.execute("GRANT SELECT ON bank.later TO campaign_app; INSERT INTO bank.trans VALUES (5000, 10, 3, 1)")
    delta = apply(bank, BANK_MAP)
    assert [str(change) for change in delta.changes] == ["create protect bank.later"]
    assert column(bank, "SELECT trans_id FROM bank.later", user="campaign_app") == []
    with bank.connect() as conn:
        conn.execute("DROP TABLE bank.later")
    assert [str(change) for change in apply(bank, BANK_MAP).changes] == ["forget protect bank.later"]


def test_children_of_two_parents_are_held_to_both(bank):
    with bank.connect() as conn:
        conn.execute("CREATE TABLE bank.employee (client_id int NOT NULL, boss int NOT NULL)")
        conn.execute("CREATE TABLE bank.both () INHERITS (bank.client, bank.employee)")
        conn.execute("INSERT INTO bank.both VALUES (1, 'x', 3), (3, 'y', 2); GRANT SELECT ON bank.both TO campaign_app")
    apply(bank, BANK_MAP + "  bank.employee: {holds: [personal], subject: {client: boss}}\n")
    opt_out(bank, 1, "marketing")
    assert column(bank, "SELECT client_id FROM bank.both", user="campaign_app") == [3]
    opt_out(bank, 2, "marketing")
    assert column(bank, "SELECT client_id FROM bank.both", user="campaign_app") == []


def test_a_foreign_partition_is_refused(bank):
    with bank.connect() as conn:
        conn.execute("CREATE FOREIGN DATA WRAPPER nowhere; CREATE SERVER far FOREIGN DATA WRAPPER nowhere")
        conn.execute(
            "CREATE FOREIGN TABLE bank.far PARTITION OF bank.trans FOR VALUES FROM (7000) TO (8000) SERVER far"
        )
    with pytest.raises(MapError, match=r"partition bank\.far of bank\.trans is a foreign table, which cannot carry"):
        apply(bank, BANK_MAP)

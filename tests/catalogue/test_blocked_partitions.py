"""Partitions and children: read directly, by way of their parents, and after they were detached."""

from __future__ import annotations

import psycopg
import pytest

from catalogue.attacking import guard, refused, run
from guarding import BANK_MAP, apply
from rlsguard.problems import MapError, RlsguardError

PARTITIONED = """
CREATE TABLE bank.payment (payment_id int NOT NULL, client_id int NOT NULL) PARTITION BY RANGE (payment_id);
CREATE TABLE bank.payment_1 PARTITION OF bank.payment FOR VALUES FROM (0) TO (100) PARTITION BY RANGE (payment_id);
CREATE TABLE bank.payment_1a PARTITION OF bank.payment_1 FOR VALUES FROM (0) TO (50);
CREATE TABLE bank.payment_rest PARTITION OF bank.payment DEFAULT;
INSERT INTO bank.payment VALUES (1, 1), (2, 2), (101, 1), (102, 3);
GRANT SELECT, INSERT ON bank.payment, bank.payment_1, bank.payment_1a, bank.payment_rest TO campaign_app, teller_app;
"""
INHERITED = """
CREATE TABLE bank.vip (since date) INHERITS (bank.client);
INSERT INTO bank.vip VALUES (4, '600404', '2026-01-01'), (5, '610505', '2026-01-01');
GRANT SELECT ON bank.vip TO campaign_app, teller_app;
"""
PAYMENT_MAP = BANK_MAP + "  bank.payment: {holds: [financial], subject: {client: client_id}}\n"


@pytest.mark.parametrize(
    ("table", "all_rows", "left"),
    [
        ("payment", [1, 2, 101, 102], [2, 102]),
        ("payment_1", [1, 2], [2]),
        ("payment_1a", [1, 2], [2]),
        ("payment_rest", [101, 102], [102]),
    ],
)
def test_every_partition_is_guarded(plain, table, all_rows, left):
    # T18. A policy of the parent's does not count when a leaf is read directly, so each has one of its own.
    plain.execute(PARTITIONED)
    query = f"SELECT payment_id FROM bank.{table}"
    assert run(plain, "campaign_app", query) == all_rows
    guard(plain, PAYMENT_MAP)
    assert run(plain, "campaign_app", query) == left
    assert run(plain, "teller_app", query) == all_rows


def test_rows_are_not_written_into_a_leaf_directly(plain):
    # T18. Nor does the parent's check.
    plain.execute(PARTITIONED)
    statement = "INSERT INTO bank.payment_rest VALUES (103, 1)"
    run(plain, "campaign_app", statement)
    guard(plain, PAYMENT_MAP)
    refused(plain, "campaign_app", statement, match="row-level security")


def test_a_partition_that_was_detached_stays_guarded(plain):
    # T18. Its policy is its own, so it keeps it.
    plain.execute(PARTITIONED)
    guard(plain, PAYMENT_MAP)
    plain.execute("ALTER TABLE bank.payment DETACH PARTITION bank.payment_rest")
    assert run(plain, "campaign_app", "SELECT payment_id FROM bank.payment_rest") == [102]


def test_a_partition_that_came_later_hides_by_way_of_its_parent_and_after_the_next_apply(plain):
    # T18. Until then it is open to whoever may read it directly: that is detected.
    plain.execute(PARTITIONED)
    guard(plain, PAYMENT_MAP)
    plain.execute(
        "CREATE TABLE bank.later (payment_id int NOT NULL, client_id int NOT NULL);"
        "INSERT INTO bank.later VALUES (51, 1);"
        "ALTER TABLE bank.payment_1 ATTACH PARTITION bank.later FOR VALUES FROM (50) TO (100);"
        "GRANT SELECT ON bank.later TO campaign_app"
    )
    assert run(plain, "campaign_app", "SELECT payment_id FROM bank.payment WHERE payment_id = 51") == []
    assert run(plain, "campaign_app", "SELECT payment_id FROM bank.later") == [51]
    apply(plain, PAYMENT_MAP)
    assert run(plain, "campaign_app", "SELECT payment_id FROM bank.later") == []


def test_children_are_guarded_directly_and_by_way_of_their_parent(plain):
    # T19. Each of the two has the policy.
    plain.execute(INHERITED)
    guard(plain)
    plain.execute("SELECT * FROM rlsguard.opt_out('client', '4', '{marketing}', 'test', 'because')")
    assert run(plain, "campaign_app", "SELECT client_id FROM bank.vip") == [5]
    assert run(plain, "campaign_app", "SELECT client_id FROM bank.client") == [2, 3, 5]
    assert run(plain, "teller_app", "SELECT client_id FROM bank.vip") == [4, 5]


def test_nobody_else_puts_a_parent_above_a_guarded_table(bank):
    # T19. By way of a new parent its policies do not count. Only its owner can give it one: that is detected.
    bank.execute("CREATE SCHEMA play AUTHORIZATION stranger")
    inherit = "ALTER TABLE bank.client INHERIT play.above"
    run(bank, "stranger", "CREATE TABLE play.above (client_id int, birth_number text)")
    refused(bank, "stranger", inherit, match="must be owner of table client")
    # Control: once the owner has, the rows show.
    bank.execute(inherit)
    assert run(bank, "stranger", "SELECT client_id FROM play.above") == [1, 2, 3]


def test_the_owner_of_a_partition_is_held(plain):
    # T20. Row security is forced on it too. That its owner can take this away is detected.
    plain.execute(PARTITIONED + "ALTER TABLE bank.payment_rest OWNER TO stranger")
    query = "SELECT payment_id FROM bank.payment_rest"
    assert run(plain, "stranger", query) == [101, 102]
    guard(plain, PAYMENT_MAP)
    assert run(plain, "stranger", query) == [102]


FOREIGN = """
CREATE FOREIGN DATA WRAPPER nowhere;
CREATE SERVER far FOREIGN DATA WRAPPER nowhere;
CREATE FOREIGN TABLE bank.far_client (client_id int NOT NULL) SERVER far;
CREATE FOREIGN TABLE bank.payment_far PARTITION OF bank.payment FOR VALUES FROM (200) TO (300) SERVER far;
"""


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (PAYMENT_MAP, r"partition bank\.payment_far of bank\.payment is a foreign table, which cannot carry"),
        (BANK_MAP + "  bank.far_client: {holds: [personal], subject: {client: client_id}}\n", "foreign table"),
    ],
)
def test_foreign_tables_are_refused_by_the_map(plain, text, message):
    # T31. They can have no policy, so nothing is promised for them; no right to them is granted by the guard.
    plain.execute(PARTITIONED + FOREIGN)
    refused(
        plain,
        "postgres",
        "CREATE POLICY hide ON bank.far_client USING (false)",
        error=psycopg.errors.WrongObjectType,
    )
    with pytest.raises((MapError, RlsguardError), match=message):
        apply(plain, text)
    granted = (
        "SELECT has_table_privilege('campaign_app', 'bank.' || t, 'SELECT')"
        " FROM unnest('{payment_far, far_client}'::text[]) AS t"
    )
    assert run(plain, "campaign_app", granted) == [False, False]

"""What opt-outs hide, and what they do not."""

from __future__ import annotations

import psycopg
import pytest
from shop import addressees


def test_whoever_opted_out_gets_no_newsletter(rlsguard):
    with rlsguard.as_role("newsletter_app") as app:
        assert addressees(app) == ["ada@example.org", "max@example.org"]
        with rlsguard.opted_out("customer", 1, "newsletter"):
            assert addressees(app) == ["max@example.org"]
        assert addressees(app) == ["ada@example.org", "max@example.org"]


def test_an_opt_out_reaches_every_table(rlsguard):
    with rlsguard.opted_out("customer", 1, "newsletter"):
        rlsguard.assert_suppressed("shop.customer", 1, role="newsletter_app")
        rlsguard.assert_suppressed("shop.purchase", 10, role="newsletter_app")
        rlsguard.assert_suppressed("shop.item", 10, 1, role="newsletter_app")
        # A row can be named by any of its columns, too.
        rlsguard.assert_suppressed("shop.item", purchase_id=10, article="kettle", role="newsletter_app")


@pytest.mark.parametrize("role", ["statistics_app", "billing_app"])
def test_it_holds_for_its_purpose_only(rlsguard, role):
    with rlsguard.opted_out("customer", 1, "newsletter"):
        rlsguard.assert_visible("shop.purchase", 10, role=role)


def test_nobody_else_is_hidden(rlsguard):
    with rlsguard.opted_out("customer", 1, "newsletter", "statistics") as entries:
        assert [entry.purpose for entry in entries] == ["newsletter", "statistics"]
        rlsguard.assert_visible("shop.purchase", 20, role="newsletter_app")


def test_rows_of_the_tests_own_transaction(rlsguard, conn):
    conn.execute("INSERT INTO shop.customer VALUES (3, 'eve@example.org')")
    conn.execute("INSERT INTO shop.purchase VALUES (30, 3, 7.50)")
    with rlsguard.opted_out("customer", 3, "newsletter"):
        rlsguard.assert_suppressed("shop.purchase", 30, role="newsletter_app", conn=conn)
        rlsguard.assert_visible("shop.purchase", 30, role="billing_app", conn=conn)
        with rlsguard.as_role("newsletter_app", conn) as app:
            assert "eve@example.org" not in addressees(app)
    rlsguard.assert_visible("shop.purchase", 30, role="newsletter_app", conn=conn)


def test_a_refused_statement_leaves_the_transaction_usable(rlsguard, conn):
    with rlsguard.as_role("newsletter_app", conn) as app, pytest.raises(psycopg.errors.InsufficientPrivilege):
        app.execute("INSERT INTO shop.customer VALUES (4, 'kim@example.org')")
    conn.execute("INSERT INTO shop.customer VALUES (4, 'kim@example.org')")


def test_an_opt_out_that_the_application_records(rlsguard, conn):
    conn.execute("SELECT * FROM rlsguard.opt_out('customer', '2', '{newsletter}', 'web form', 'unsubscribed')")
    rlsguard.assert_suppressed("shop.customer", 2, role="newsletter_app", conn=conn)
    # It is not committed: nobody else is held to it yet.
    rlsguard.assert_visible("shop.customer", 2, role="newsletter_app")

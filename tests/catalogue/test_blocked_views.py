"""Views: whose rights count, and what a function in a query on one gets to see."""

from __future__ import annotations

import pytest

from catalogue.attacking import SECRET, SPY, guard, run
from guarding import BANK_MAP, apply, column, opt_out

OWNED = """
CREATE ROLE bank_owner LOGIN;
GRANT USAGE ON SCHEMA bank TO bank_owner;
ALTER TABLE bank.client OWNER TO bank_owner;
ALTER TABLE bank.trans OWNER TO bank_owner;
"""
VIEWS = (
    OWNED
    + """
CREATE VIEW bank.owners AS SELECT * FROM bank.client;
ALTER VIEW bank.owners OWNER TO bank_owner;
CREATE VIEW bank.invokers WITH (security_invoker = true) AS SELECT * FROM bank.client;
CREATE VIEW bank.over_invokers AS SELECT * FROM bank.invokers;
CREATE VIEW bank.facade WITH (security_barrier = true) AS SELECT * FROM bank.client;
ALTER VIEW bank.facade OWNER TO bank_owner;
CREATE VIEW bank.superusers AS SELECT * FROM bank.client;
GRANT SELECT ON bank.owners, bank.invokers, bank.over_invokers, bank.facade, bank.superusers TO PUBLIC;
"""
)


@pytest.mark.parametrize("view", ["owners", "invokers", "over_invokers", "facade"])
def test_views_of_held_owners_and_of_invokers_hide(plain, view):
    # T11. Row security is forced on the owner, and purposes are those of the reader in the owner's view, too.
    plain.execute(VIEWS)
    query = f"SELECT client_id FROM bank.{view}"
    assert run(plain, "campaign_app", query) == [1, 2, 3]
    guard(plain)
    assert run(plain, "campaign_app", query) == [2, 3]
    assert run(plain, "teller_app", query) == [1, 2, 3]
    # Control, T10: a view of somebody whom no policy holds shows everything.
    assert run(plain, "campaign_app", "SELECT client_id FROM bank.superusers") == [1, 2, 3]


def test_a_facade_hides_from_readers_without_a_right_to_the_table(plain):
    # T11. The policies ask views of the guard's, to which readers need no right of their own.
    plain.execute(VIEWS + "REVOKE ALL ON bank.client FROM campaign_app")
    guard(plain)
    assert run(plain, "campaign_app", "SELECT client_id FROM bank.facade") == [2, 3]


def test_a_materialised_view_of_a_held_owner_forgets_when_refreshed(plain):
    # T14. It is stale until then: that is detected. The refresh runs as its owner, who is held to every opt-out.
    plain.execute(OWNED)
    apply(plain, BANK_MAP)
    plain.execute(
        "CREATE MATERIALIZED VIEW bank.copy AS SELECT * FROM bank.client; GRANT SELECT ON bank.copy TO campaign_app"
    )
    plain.execute("ALTER MATERIALIZED VIEW bank.copy OWNER TO bank_owner")
    opt_out(plain, 1, "marketing")
    assert run(plain, "campaign_app", "SELECT client_id FROM bank.copy") == [1, 2, 3]
    run(plain, "bank_owner", "REFRESH MATERIALIZED VIEW bank.copy")
    assert run(plain, "campaign_app", "SELECT client_id FROM bank.copy") == [2, 3]


@pytest.mark.parametrize(
    "query",
    [
        "SELECT count(*) FROM bank.client WHERE bank.spy(birth_number)",
        "SELECT count(*) FROM bank.client AS c JOIN bank.disp AS d USING (client_id) WHERE bank.spy(c.birth_number)",
        "SELECT count(*) FROM (SELECT bank.spy(birth_number) AS s FROM bank.client) AS t WHERE s",
        "SELECT count(bank.spy(birth_number)) FROM bank.client",
        "SELECT count(*) FROM bank.client GROUP BY birth_number HAVING bank.spy(birth_number)",
        "SELECT count(*) FROM bank.client TABLESAMPLE BERNOULLI (100) WHERE bank.spy(birth_number)",
    ],
)
def test_functions_in_a_query_are_not_shown_hidden_rows(plain, query):
    # T17. The guard makes no filtering views. What a policy hides is hidden before any function of the query runs.
    plain.execute(SPY)
    seen = "SELECT current_setting('spy.seen')"
    assert SECRET in run(plain, "campaign_app", query, seen)[0]
    guard(plain)
    assert set(run(plain, "campaign_app", query, seen)[0].split()) == {"750202", "800303"}


def test_control_a_view_that_filters_shows_them_to_functions(plain):
    # T17, control: the planner runs the cheap function before the view's own condition.
    plain.execute(SPY + "CREATE VIEW bank.filtered AS SELECT * FROM bank.client WHERE client_id NOT IN (SELECT 1)")
    plain.execute("GRANT SELECT ON bank.filtered TO campaign_app")
    assert column(plain, "SELECT client_id FROM bank.filtered", user="campaign_app") == [2, 3]
    attack = "SELECT count(*) FROM bank.filtered WHERE bank.spy(birth_number)"
    assert SECRET in run(plain, "campaign_app", attack, "SELECT current_setting('spy.seen')")[0]

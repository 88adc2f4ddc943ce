"""Views that opt-outs do not reach are named; the others are not."""

from __future__ import annotations

import pytest

from examining import findings, of, verdicts
from guarding import WITHOUT_1, column, opt_out

pytestmark = pytest.mark.by_turns


@pytest.fixture
def views(bank):
    bank.execute(
        """
        CREATE ROLE keeper;
        CREATE SCHEMA "Re ports";
        GRANT USAGE ON SCHEMA "Re ports" TO campaign_app;
        GRANT SELECT ON ALL TABLES IN SCHEMA bank TO keeper;
        GRANT USAGE, CREATE ON SCHEMA "Re ports" TO keeper;
        GRANT USAGE ON SCHEMA bank TO keeper;
        CREATE VIEW "Re ports".past AS SELECT trans_id FROM bank.trans;
        CREATE VIEW "Re ports".through WITH (security_invoker) AS SELECT trans_id FROM bank.trans;
        CREATE VIEW "Re ports"."over, through" AS SELECT trans_id FROM "Re ports".through;
        CREATE VIEW "Re ports".kept AS SELECT trans_id FROM bank.trans;
        CREATE VIEW "Re ports".over_kept AS SELECT trans_id FROM "Re ports".kept;
        CREATE VIEW "Re ports".of_nobody AS SELECT 1 AS trans_id;
        CREATE VIEW "Re ports".private AS SELECT trans_id FROM bank.trans;
        CREATE MATERIALIZED VIEW "Re ports".copy AS SELECT trans_id FROM "Re ports".kept;
        CREATE MATERIALIZED VIEW "Re ports".kept_copy AS SELECT trans_id FROM bank.trans;
        ALTER TABLE "Re ports".kept OWNER TO keeper;
        ALTER TABLE "Re ports".kept_copy OWNER TO keeper;
        GRANT SELECT ON ALL TABLES IN SCHEMA "Re ports" TO campaign_app;
        REVOKE SELECT ON "Re ports".private FROM campaign_app;
        """
    )
    return bank


PAST = [("error", '"Re ports".copy'), ("error", '"Re ports".past')]


def test_views_that_show_hidden_rows_are_named(views):
    assert sorted(verdicts(views, "views")) == sorted([*PAST, ("warning", '"Re ports".kept_copy')])


def test_what_is_named_leaks_and_what_is_not_does_not(views):
    opt_out(views, 1, "marketing")
    named = {finding.about for finding in of(views, "views")}
    for view in ("past", "through", '"over, through"', "kept", "over_kept", "copy", "kept_copy"):
        shown = column(views, f'SELECT trans_id FROM "Re ports".{view}', user="campaign_app")
        assert (shown != WITHOUT_1["trans"]) == (f'"Re ports".{view}' in named), view


def test_the_advice_mends_it(views):
    for finding in of(views, "views"):
        if finding.advice.startswith("ALTER"):
            views.execute(finding.advice)
    assert {about for _, about in verdicts(views, "views")} == {'"Re ports".copy', '"Re ports".kept_copy'}
    views.execute('DROP MATERIALIZED VIEW "Re ports".copy, "Re ports".kept_copy')
    assert verdicts(views, "views") == [("ok", "")]
    assert any(finding.check == "views" for finding in findings(views, user="stranger"))

"""What has changed under the guard since the last apply."""

from __future__ import annotations

import pytest

from examining import of, verdicts
from guarding import ALL, BANK_MAP, apply, column, opt_out, visible
from rlsguard.uninstall import uninstall
from servers import dump

pytestmark = pytest.mark.by_turns

PARTITIONED = """
CREATE TABLE bank.event (id int, client_id int NOT NULL) PARTITION BY RANGE (id);
CREATE TABLE bank.event_1 PARTITION OF bank.event FOR VALUES FROM (0) TO (10);
GRANT SELECT ON ALL TABLES IN SCHEMA bank TO campaign_app;
"""
LATER = """
ALTER DEFAULT PRIVILEGES IN SCHEMA bank GRANT SELECT ON TABLES TO campaign_app;
CREATE TABLE bank.event_2 (id int, client_id int NOT NULL) PARTITION BY LIST (client_id);
CREATE TABLE bank."Event 3" PARTITION OF bank.event_2 DEFAULT;
INSERT INTO bank.event_2 VALUES (11, 1), (12, 2);
ALTER TABLE bank.event ATTACH PARTITION bank.event_2 FOR VALUES FROM (10) TO (20);
"""


def test_partitions_that_came_after_the_apply(plain):
    text = BANK_MAP + "  bank.event: {holds: [personal], subject: {client: client_id}}\n"
    plain.execute(PARTITIONED)
    assert verdicts(plain, "partitions", text=text) == []
    apply(plain, text)
    opt_out(plain, 1, "marketing")
    assert verdicts(plain, "partitions", text=text, user="stranger") == [("ok", "")]
    plain.execute(LATER)
    assert column(plain, 'SELECT id FROM bank."Event 3"', user="campaign_app") == [11, 12]
    assert verdicts(plain, "partitions", text=None, user="stranger") == [
        ("error", 'bank."Event 3"'),
        ("error", "bank.event_2"),
    ]
    apply(plain, text)
    assert verdicts(plain, "partitions", text=text) == [("ok", "")]
    assert column(plain, 'SELECT id FROM bank."Event 3"', user="campaign_app") == [12]


def test_policies_that_went_along_with_what_they_name(plain):
    plain.execute("ALTER TABLE bank.trans ENABLE ROW LEVEL SECURITY; CREATE POLICY theirs ON bank.trans USING (true)")
    apply(plain, BANK_MAP)
    assert verdicts(plain, "shut") == []
    plain.execute("ALTER TABLE bank.disp DROP COLUMN account_id CASCADE")
    assert verdicts(plain, "shut", user="stranger", text=None) == [("error", "bank.account"), ("error", "bank.trans")]


def test_the_advice_after_the_schema_was_dropped_helps(bank):
    """Also after an apply, which takes the row security that it finds for the table's own."""
    bank.execute("ALTER TABLE bank.disp DISABLE ROW LEVEL SECURITY; DROP SCHEMA rlsguard CASCADE")
    shut = ["bank.account", "bank.client", "bank.trans"]
    found = of(bank, "shut")
    assert [(f.severity, f.about) for f in found] == [("error", name) for name in shut]
    apply(bank, BANK_MAP)
    assert column(bank, "SELECT client_id FROM bank.client", user="teller_app") == []
    again = of(bank, "shut", user="stranger", text=None)
    assert [(f.severity, f.about) for f in again] == [("warning", name) for name in shut]
    for finding, later in zip(found, again, strict=True):
        uninstalling, statement, applying = finding.advice.splitlines()
        assert later.advice.splitlines()[:3] == [uninstalling, statement, applying]
        assert uninstalling.endswith("run rlsguard uninstall,")
        assert applying == "and then rlsguard apply MAP."
        with bank.connect() as conn:
            if finding is found[0]:
                uninstall(conn)
            conn.execute(statement)
    apply(bank, BANK_MAP)
    assert visible(bank, "teller_app") == ALL
    assert verdicts(bank, "shut") == []


def test_a_table_with_policies_of_its_own_is_open_again_by_an_apply_alone(plain):
    plain.execute("ALTER TABLE bank.trans ENABLE ROW LEVEL SECURITY; CREATE POLICY theirs ON bank.trans USING (true)")
    before = dump(plain)
    apply(plain, BANK_MAP)
    plain.execute("DROP SCHEMA rlsguard CASCADE")
    assert [f.advice[:23] for f in of(plain, "shut") if f.about == "bank.trans"] == ["Run rlsguard apply MAP."]
    apply(plain, BANK_MAP)
    assert column(plain, "SELECT trans_id FROM bank.trans", user="teller_app") == ALL["trans"]
    with plain.connect() as conn:
        uninstall(conn)
    for table in ("client", "disp", "account"):
        plain.execute(f"ALTER TABLE bank.{table} DISABLE ROW LEVEL SECURITY, NO FORCE ROW LEVEL SECURITY")
    assert dump(plain) == before


def test_roles_that_opt_outs_are_meant_for_and_that_read_the_row_changes(bank):
    assert verdicts(bank, "auditors") == [("ok", "")]
    bank.execute('CREATE ROLE "Head of Audit"; GRANT rlsguard_auditor TO "Head of Audit"')
    bank.execute('GRANT "Head of Audit" TO campaign_app; GRANT rlsguard_auditor TO teller_app, stranger')
    (found,) = of(bank, "auditors")
    assert (found.severity, found.about) == ("warning", "campaign_app")


def test_lists_that_the_login_may_not_look_into(bank):
    apply(bank, BANK_MAP.replace("bank.client: {holds", "bank.client: {reads: scans, holds"))
    (found,) = of(bank, "work-mem", user="stranger")
    assert found.severity == "note"
    assert found.message.startswith("could not look: permission denied for schema rlsguard_views")

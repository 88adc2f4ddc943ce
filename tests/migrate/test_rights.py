"""What the guard may read of users' tables goes with the last path that needs it, and not before."""

from __future__ import annotations

import pytest

from guarding import HEAD, apply, column, opt_out, small_bank
from migrate.migrating import down, migration, state, up, would_change
from rlsguard.names import QualifiedName
from servers import Database

pytestmark = pytest.mark.by_turns

MORE = """
CREATE SCHEMA branch;
CREATE TYPE branch.number AS ENUM ('7', '8');
CREATE TABLE branch.office (office_no branch.number PRIMARY KEY, client_id int NOT NULL REFERENCES bank.client);
CREATE TABLE branch.staff (staff_no branch.number PRIMARY KEY);
CREATE TABLE bank.visit (visit_id int PRIMARY KEY, office_no branch.number NOT NULL REFERENCES branch.office);
ALTER TABLE branch.office ENABLE ROW LEVEL SECURITY;
CREATE POLICY theirs ON branch.office USING (true);
INSERT INTO branch.office VALUES ('7', 1), ('8', 2);
INSERT INTO bank.visit VALUES (70, '7'), (80, '8');
GRANT USAGE ON SCHEMA branch TO campaign_app;
GRANT SELECT ON ALL TABLES IN SCHEMA bank, branch TO campaign_app;
"""
CLIENT = "  bank.client: {holds: [personal], subject: {client: client_id}}\n"
TRANS = "  bank.trans: {holds: [financial], subject: {client: [account_id = bank.disp.account_id, client_id]}}\n"
VISIT = "  bank.visit: {holds: [personal], subject: {client: [office_no = branch.office.office_no, client_id]}}\n"
STAFF = HEAD.replace("purposes:", "  staff: {table: branch.staff, key: staff_no}\npurposes:")

# Of columns, of schemas, and policies that let the guard look over a table.
RIGHTS = """
SELECT concat_ws('.', n.nspname, c.relname, a.attname)
FROM pg_attribute AS a JOIN pg_class AS c ON c.oid = a.attrelid JOIN pg_namespace AS n ON n.oid = c.relnamespace
CROSS JOIN LATERAL aclexplode(a.attacl) AS g
WHERE g.grantee = 'rlsguard_owner'::regrole AND n.nspname !~ '^rlsguard'
UNION ALL
SELECT n.nspname || ' for ' || g.grantee::regrole
FROM pg_namespace AS n CROSS JOIN LATERAL aclexplode(n.nspacl) AS g
WHERE g.grantee IN ('rlsguard_owner'::regrole, 'rlsguard_nobody'::regrole) AND n.nspname !~ '^rlsguard'
UNION ALL
SELECT 'over ' || p.polrelid::regclass FROM pg_policy AS p WHERE p.polname = 'rlsguard hop'
"""
DISP = ["bank for rlsguard_owner", "bank.disp.account_id", "bank.disp.client_id"]
OFFICE = ["branch for rlsguard_owner", "branch.office.client_id", "branch.office.office_no"]
NUMBER = ["branch for rlsguard_nobody", "branch for rlsguard_owner"]


def change(db: Database, way: str, text: str, *prune: str) -> None:
    """Lead *db* to the map written in *text*."""
    if way == "apply":
        apply(db, text, prune=[QualifiedName(*name.split(".")) for name in prune])
    else:
        before = state(db)
        written = migration(db, text, prune=prune)
        up(db, written)
        after = state(db)
        down(db, written)
        assert state(db) == before
        up(db, written)
        assert state(db) == after
    assert would_change(db, text) == []


@pytest.mark.parametrize("mode", ["attribute", "marker"])
@pytest.mark.parametrize("way", ["apply", "migrate"])
def test_they_go_with_the_last_path(template_db, way, mode):
    guard = f"guard: {{bypass: {mode}}}\n"
    over = ["over branch.office"] if mode == "marker" else []
    db = small_bank(template_db, STAFF + guard + "tables:\n" + CLIENT + TRANS + VISIT, more=MORE)
    opt_out(db, 1, "marketing")
    assert column(db, RIGHTS) == sorted([*DISP, *OFFICE, *NUMBER[:1], *over])

    # A table that stays guarded still needs them, though the map has it no more.
    change(db, way, STAFF + guard + "tables:\n" + CLIENT + TRANS)
    assert column(db, RIGHTS) == sorted([*DISP, *OFFICE, *NUMBER[:1], *over])
    assert column(db, "SELECT visit_id FROM bank.visit", user="campaign_app") == [80]

    change(db, way, STAFF + guard + "tables:\n" + CLIENT + TRANS, "bank.visit")
    # The type of a key is still looked up there.
    assert column(db, RIGHTS) == sorted([*DISP, *NUMBER])

    change(db, way, HEAD + guard + "tables:\n" + CLIENT + TRANS)
    assert column(db, RIGHTS) == DISP
    assert column(db, "SELECT trans_id FROM bank.trans", user="campaign_app") == [1002]

    change(db, way, HEAD + guard + "tables:\n" + CLIENT, "bank.trans")
    assert column(db, RIGHTS) == []

"""The record of row changes: it cannot be switched off by who writes, and shows nobody what policies hide."""

from __future__ import annotations

import psycopg
import pytest

from catalogue.attacking import guard, refused, run
from catalogue.searching import mended, ways
from guarding import BANK_MAP
from servers import Database

AUDITED = BANK_MAP.replace("  bank.trans:\n    {holds", "  bank.trans:\n    {audit: true, holds")
UPDATE = "UPDATE bank.trans SET amount = amount + 1 WHERE trans_id = 1002"
RECORDED = "SELECT current_role_name FROM rlsguard.change_event"
# What an audit by an ordinary trigger is, for controls.
TEXTBOOK = """
CREATE TABLE bank.trail (who name DEFAULT current_user, old jsonb);
GRANT INSERT, SELECT ON bank.trail TO PUBLIC;
CREATE FUNCTION bank.note() RETURNS trigger LANGUAGE plpgsql
    AS 'BEGIN INSERT INTO bank.trail (old) VALUES (to_jsonb(OLD)); RETURN NULL; END';
CREATE {constraint} TRIGGER note AFTER UPDATE ON bank.trans {deferred} FOR EACH ROW EXECUTE FUNCTION bank.note();
"""


@pytest.fixture
def audited(plain: Database) -> Database:
    """The bank with its transactions audited; client 1 has opted out of marketing."""
    guard(plain, AUDITED)
    return plain


def ordinary(db: Database, *, deferred: bool = False) -> None:
    """Audit by an ordinary trigger too."""
    db.execute(TEXTBOOK.format(constraint="CONSTRAINT" if deferred else "",
                               deferred="DEFERRABLE INITIALLY DEFERRED" if deferred else ""))  # fmt: skip


@pytest.mark.parametrize(
    "attack",
    [
        "SET session_replication_role = replica",
        "ALTER TABLE bank.trans DISABLE TRIGGER USER",
        "ALTER TABLE bank.trans DISABLE TRIGGER ALL",
        "DROP TRIGGER rlsguard_2_update ON bank.trans",
        "ALTER ROLE campaign_app SET session_replication_role = replica",
        "CREATE OR REPLACE FUNCTION rlsguard.audit_change() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN END'",
    ],
)
def test_nobody_silences_the_audit(audited, attack):
    # T57. Who writes has no right to it.
    for user in ("campaign_app", "teller_app"):
        refused(audited, user, attack)
    run(audited, "campaign_app", UPDATE)
    assert run(audited, "postgres", RECORDED) == ["campaign_app"]


def test_the_audit_fires_for_a_replica_too(audited):
    # T57. Its triggers are ENABLE ALWAYS: the right to set session_replication_role does not silence them.
    ordinary(audited)
    audited.execute("GRANT SET ON PARAMETER session_replication_role TO campaign_app")
    run(audited, "campaign_app", "SET session_replication_role = replica", UPDATE)
    audited.execute("REVOKE SET ON PARAMETER session_replication_role FROM campaign_app")
    assert run(audited, "postgres", RECORDED) == ["campaign_app"]
    # Control: an ordinary trigger is silent.
    assert run(audited, "postgres", "SELECT who FROM bank.trail") == []


def test_an_audit_that_an_owner_switched_off_is_found(audited):
    # T57. The owner of a table can: that is found, and put right by the next apply.
    audited.execute("CREATE ROLE bank_owner LOGIN; GRANT USAGE ON SCHEMA bank TO bank_owner")
    audited.execute("ALTER TABLE bank.trans OWNER TO bank_owner")
    run(audited, "bank_owner", "ALTER TABLE bank.trans DISABLE TRIGGER USER")
    run(audited, "campaign_app", UPDATE)
    assert run(audited, "postgres", RECORDED) == []
    (about, *_) = ways(audited, "guard", AUDITED)
    assert about.startswith("trigger bank.trans ")
    mended(audited, "guard", about, AUDITED)
    run(audited, "campaign_app", UPDATE)
    assert run(audited, "postgres", RECORDED) == ["campaign_app"]


def test_what_the_audit_keeps_is_hidden_as_well(audited):
    # T58. It holds everybody's rows: nobody but auditors reads it, or the salt of its hashes.
    ordinary(audited)
    run(audited, "teller_app", "UPDATE bank.trans SET amount = amount + 1 WHERE trans_id = 1000")
    for user in ("campaign_app", "teller_app", "sox_auditor", "stranger"):
        refused(audited, user, "SELECT old_row FROM rlsguard.change_event")
        refused(audited, user, "SELECT value FROM rlsguard.secret")
    # Control: a trail that is a table like any other tells what it was meant to keep.
    assert run(audited, "campaign_app", "SELECT old ->> 'trans_id' FROM bank.trail") == ["1000"]
    # Who is made an auditor reads it: for roles that opt-outs are meant for, that is found.
    audited.execute("GRANT rlsguard_auditor TO campaign_app")
    assert run(audited, "campaign_app", "SELECT old_row ->> 'trans_id' FROM rlsguard.change_event") == ["1000"]
    mended(audited, "auditor", "role campaign_app", AUDITED)
    refused(audited, "campaign_app", "SELECT old_row FROM rlsguard.change_event")


def test_whoever_listens_learns_of_no_person(audited):
    # T58. Everybody may LISTEN; what is told is the kind of person and a version.
    with audited.connect("stranger") as conn:
        conn.execute("LISTEN rlsguard_opt_out")
        audited.execute("SELECT rlsguard.opt_out('client', '424242', '{marketing}', 'agent:jane', 'phone', '{}')")
        (heard,) = conn.notifies(timeout=5, stop_after=1)
    assert heard.payload == '{"subject_kind" : "client", "version" : 1}'


def test_the_audit_cannot_be_put_off_until_somebody_else_commits(audited):
    # T63. Its triggers are not deferrable: the role is the one that wrote.
    ordinary(audited, deferred=True)
    audited.execute("CREATE ROLE pool LOGIN IN ROLE campaign_app, teller_app")
    with audited.connect("pool", autocommit=False) as conn:
        conn.execute("SET CONSTRAINTS ALL DEFERRED")
        conn.execute("SET ROLE campaign_app")
        conn.execute(UPDATE)
        conn.execute("SET ROLE teller_app")
    assert run(audited, "postgres", RECORDED) == ["campaign_app"]
    # Control: a deferred trigger notes who commits, before 18.
    assert run(audited, "postgres", "SELECT who FROM bank.trail") == [
        "teller_app" if audited.major < 18 else "campaign_app"
    ]
    deferrable = "SELECT tgname FROM pg_trigger WHERE tgname LIKE 'rlsguard%' AND tgdeferrable"
    assert run(audited, "postgres", deferrable) == []


def test_nobody_else_writes_into_the_audit(audited):
    # T58. Nor by a trigger of one's own that calls its functions.
    audited.execute("CREATE SCHEMA mine AUTHORIZATION stranger")
    refused(
        audited,
        "stranger",
        "CREATE TABLE mine.t (id int)",
        "CREATE TRIGGER forge AFTER INSERT ON mine.t FOR EACH ROW EXECUTE FUNCTION rlsguard.audit_change()",
        error=psycopg.errors.InsufficientPrivilege,
    )

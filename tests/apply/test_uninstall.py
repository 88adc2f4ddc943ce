"""Uninstall keeps what was recorded, with whoever may read it, and says what becomes of whom."""

from __future__ import annotations

import json

import psycopg
import pytest
from click.testing import CliRunner

from examining import findings
from guarding import BANK, BANK_MAP, WITHOUT_1, apply, column, opt_out, small_bank, visible
from rlsguard.cli import rlsguard
from rlsguard.uninstall import uninstall
from servers import Clone, Database, dump

AUDITED = BANK_MAP.replace("  bank.client: {holds", "  bank.client: {audit: {hash: [birth_number]}, holds")
CHANGE = "UPDATE bank.client SET birth_number = '700101' WHERE client_id = 1"
HASHES = "SELECT id, new_row ->> 'birth_number', current_role_name FROM rlsguard.change_event ORDER BY id"
ROLES = {"rlsguard_owner", "rlsguard_nobody", "rlsguard_recorder", "rlsguard_auditor", "rlsguard_sealer"}


@pytest.fixture
def bank(template_db: Clone) -> Database:
    db = small_bank(template_db, AUDITED, more='CREATE ROLE "Desk" LOGIN')
    db.execute('GRANT rlsguard_recorder TO "Desk"; GRANT rlsguard_auditor TO sox_auditor')
    return db


def run(db: Database, *args: str, user: str = "postgres", code: int = 0) -> list[str]:
    result = CliRunner().invoke(rlsguard, [*args, "--dsn", db.dsn(user)])
    assert result.exit_code == code, result.output
    return result.output.splitlines()


def test_row_changes_stay_and_hashes_go_on_with_the_same_salt(bank):
    with bank.connect("teller_app") as conn:
        conn.execute(CHANGE)
    ((number, salted, _),) = before = bank.execute(HASHES)
    with bank.connect() as conn:
        removal = uninstall(conn)
    # Also where nobody has opted out yet.
    assert (removal.ledger_entries, removal.row_changes, removal.keeps_ledger) == (0, True, True)
    assert bank.execute(HASHES) == before
    assert column(bank, "SELECT id FROM rlsguard.change_event", user="sox_auditor") == [number]
    for statement in ("DELETE FROM rlsguard.change_entry", "TRUNCATE rlsguard.change_entry"):
        with bank.connect() as conn, pytest.raises(psycopg.errors.InsufficientPrivilege, match="it only grows"):
            conn.execute(statement)
    with bank.connect("sox_auditor") as conn, pytest.raises(psycopg.errors.InsufficientPrivilege):
        conn.execute("SELECT * FROM rlsguard.secret")

    apply(bank, AUDITED)
    with bank.connect("teller_app") as conn:
        conn.execute(CHANGE)
    assert bank.execute(HASHES) == [*before, (number + 1, salted, "teller_app")]
    assert apply(bank, AUDITED).changes == ()


def test_with_the_ledger_stays_whoever_records_and_audits(bank):
    opt_out(bank, 1, "marketing")
    with bank.connect() as conn:
        removal = uninstall(conn)
    assert (set(removal.kept_roles), removal.memberships) == (ROLES, ())
    assert column(bank, "SELECT actor FROM rlsguard.opt_out_event", user="sox_auditor") == ["test"]
    apply(bank, AUDITED)
    run(bank, "opt-out", "client", "2", "--purpose", "analytics", "--actor", "jane", user="Desk")
    assert visible(bank, "campaign_app") == WITHOUT_1
    assert column(bank, "SELECT id FROM rlsguard.opt_out_event", user="sox_auditor") == [1, 2]


@pytest.mark.parametrize("user", ["postgres", "Desk", "sox_auditor"])
def test_whoever_asks_afterwards_is_told_what_is_left(bank, user):
    opt_out(bank, 1, "marketing")
    run(bank, "uninstall")
    for command in (
        ("status", "client", "1"),
        ("history", "client", "1"),
        ("opt-out", "client", "1", "--purpose", "marketing", "--actor", "a"),
    ):
        (error,) = run(bank, *command, user=user, code=2)
        assert error == (
            f"rlsguard: rlsguard is not applied to database {bank.name} any more;"
            " members of rlsguard_auditor can read the ledger in rlsguard.opt_out_event"
        )
    found = findings(bank, user=user)
    (guard,) = [finding for finding in found if finding.check.startswith("guard")]
    assert guard.message.endswith("not installed in this database; its ledger is still here, from before an uninstall.")
    assert [f.message for f in found if f.message.startswith("could not look")] == []


@pytest.mark.parametrize("dry_run", [True, False])
def test_who_loses_a_role_that_goes_is_named(bank, dry_run):
    told = run(bank, "uninstall", *(["--dry-run"] if dry_run else []))
    assert [line for line in told if line.startswith("notice")] == [
        "notice  sox_auditor is no longer a member of rlsguard_auditor, which goes",
        'notice  "Desk" is no longer a member of rlsguard_recorder, which goes',
    ]
    left = column(bank, "SELECT rolname::text FROM pg_roles WHERE rolname ~ '^rlsguard_'")
    assert set(left) == (ROLES if dry_run else set())


@pytest.mark.parametrize("dry_run", [True, False])
def test_roles_that_another_database_uses_stay_with_their_members(bank, server, dry_run):
    with server.database() as other:
        other.execute(BANK.split("CREATE ROLE")[0])
        apply(other, BANK_MAP)
        told = run(bank, "uninstall", *(["--dry-run"] if dry_run else []))
        (line,) = [line for line in told if line.startswith("roles that stay")]
        assert line.startswith("roles that stay, used elsewhere on this server: ")
        assert set(line.partition(": ")[2].split(", ")) == ROLES
        assert not [line for line in told if line.startswith("notice")]


def test_what_stays_and_what_goes_is_said(bank):
    opt_out(bank, 1, "marketing")
    bank.execute(CHANGE)
    told = run(bank, "uninstall")
    assert "the ledger stays: 1 entry in rlsguard.opt_out_event" in told
    assert "what was recorded of row changes stays: rlsguard.change_event, and the salt of hashed columns" in told
    assert not [line for line in told if line.startswith("DROP TABLE") and ("change_" in line or "secret" in line)]
    # There is nothing more to remove, unless it is told to.
    assert run(bank, "uninstall")[-1] == "nothing else was left; --drop-ledger drops the ledger as well"
    told = run(bank, "uninstall", "--drop-ledger")
    assert "the ledger goes: 1 entry in rlsguard.opt_out_event" in told
    assert "what was recorded of row changes goes: rlsguard.change_event, and the salt of hashed columns" in told
    assert told[-1] == "rlsguard is removed; no opt-out is enforced any more"


def test_a_dba_who_is_no_superuser_drops_the_ledger_later(db):
    db.execute(BANK + "CREATE ROLE dba LOGIN CREATEROLE; ALTER SCHEMA bank OWNER TO dba")
    db.execute(f'GRANT CREATE ON DATABASE "{db.name}" TO dba')
    for table in ("client", "disp", "account", "trans"):
        db.execute(f"ALTER TABLE bank.{table} OWNER TO dba")
    before = dump(db)
    apply(db, AUDITED, user="dba")
    opt_out(db, 1, "marketing")
    run(db, "uninstall", user="dba")
    answer = json.loads("\n".join(run(db, "uninstall", "--drop-ledger", "--format", "json", user="dba")))
    assert (answer["keeps_ledger"], answer["memberships"], answer["kept_roles"]) == (False, [], [])
    assert dump(db) == before


@pytest.mark.by_turns
def test_a_table_is_let_go_after_another_has_taken_its_name(template_db):
    text = BANK_MAP.replace("bank.client: {", "bank.client: {audit: true, ")
    db = small_bank(template_db, text)
    db.execute("ALTER TABLE bank.client RENAME TO old; CREATE TABLE bank.client (LIKE bank.old INCLUDING ALL)")
    apply(db, text)
    with db.connect() as conn:
        uninstall(conn, drop_ledger=True)
    assert db.execute("SELECT FROM pg_trigger WHERE NOT tgisinternal") == []
    assert db.execute("SELECT FROM pg_policy") == []
    assert db.execute("SELECT FROM pg_class WHERE relrowsecurity") == []

"""A dump of a guarded database, restored elsewhere, is guarded too, and can be taken care of as if made there."""

from __future__ import annotations

import subprocess
from contextlib import ExitStack

import psycopg
import pytest

from guarding import ALL, BANK, BANK_MAP, WITHOUT_1, apply, column, load, opt_in, opt_out, visible
from rlsguard import apply as applying
from rlsguard.check import check
from rlsguard.doctor import diagnose
from rlsguard.problems import RlsguardError
from rlsguard.server import SUPERUSER
from rlsguard.uninstall import uninstall
from servers import Database, dump

AUDITED = BANK_MAP.replace("  bank.client: {holds", "  bank.client: {audit: true, holds")


@pytest.fixture
def restored(db, server):
    with db.connect() as conn:
        conn.execute(BANK)
        # One that had row security of its own, and must keep it.
        conn.execute("ALTER TABLE bank.disp ENABLE ROW LEVEL SECURITY; CREATE POLICY p ON bank.disp USING (true)")
    before = dump(db)
    apply(db, AUDITED)
    opt_out(db, 1, "marketing")
    with server.database() as copy:
        restore(db, copy)
        yield copy, before


def restore(db: Database, copy: Database, *options: str, user: str = SUPERUSER) -> None:
    """Dump *db* and restore it into *copy*, where its tables get other OIDs, and in another order."""
    bindir = db.server.bindir
    archive = subprocess.run([bindir / "pg_dump", "-Fc", "-d", db.dsn()], check=True, capture_output=True).stdout
    command = [bindir / "pg_restore", "--exit-on-error", *options, "-d", copy.dsn(user)]
    subprocess.run(command, input=archive, check=True)


def test_a_restored_database_is_guarded_before_anybody_touches_it(restored):
    copy, _ = restored
    assert visible(copy, "campaign_app") == WITHOUT_1
    assert visible(copy, "teller_app") == ALL
    opt_in(copy, 1, "marketing")
    assert visible(copy, "campaign_app") == ALL
    assert column(copy, "SELECT version FROM rlsguard.opt_out_event") == [1, 2]


def test_a_restored_database_can_be_applied_to(restored):
    copy, _ = restored
    assert {str(change).split()[0] for change in apply(copy, AUDITED).changes} == {"replace"}
    assert apply(copy, AUDITED).changes == ()
    assert visible(copy, "campaign_app") == WITHOUT_1


@pytest.mark.parametrize("applied", [False, True])
def test_uninstall_finds_the_tables_of_a_restored_database(restored, applied):
    copy, before = restored
    if applied:
        apply(copy, AUDITED)
    with copy.connect() as conn:
        uninstall(conn, drop_ledger=True)
    assert dump(copy) == before


@pytest.fixture
def ownerless(db, server):
    """A dump of a guarded database, restored without owners by the owner of the copy, who is no superuser."""

    def make(mode: str) -> Database:
        with db.connect() as conn:
            conn.execute(BANK)
        apply(db, AUDITED + f"guard: {{bypass: {mode}}}\n")
        opt_out(db, 1, "marketing")
        db.execute("CREATE ROLE rds_admin LOGIN CREATEROLE")
        copy = stack.enter_context(server.database())
        copy.execute(f'ALTER DATABASE "{copy.name}" OWNER TO rds_admin; ALTER SCHEMA public OWNER TO rds_admin')
        restore(db, copy, "--no-owner", user="rds_admin")
        return copy

    with ExitStack() as stack:
        yield make


@pytest.mark.parametrize("mode", ["attribute", "marker"])
def test_a_guard_restored_without_owners_shows_nothing_until_it_is_given_back(ownerless, mode):
    copy = ownerless(mode)
    for user in ("campaign_app", "teller_app"):
        for table in ALL:
            with pytest.raises(psycopg.errors.ObjectNotInPrerequisiteState, match="the guard belongs to rds_admin"):
                column(copy, f"SELECT * FROM bank.{table}", user=user)
    with copy.connect() as conn:
        (found,) = [f for f in diagnose(conn, None) if f.check == "guard"]
    assert (found.severity, found.advice.split(":")[0]) == ("error", "As rds_admin run rlsguard apply MAP")

    with pytest.raises(RlsguardError, match="apply as rds_admin, who then gives it back"):
        apply(copy, AUDITED)
    if copy.major >= 16:
        copy.execute("GRANT rlsguard_owner, rlsguard_nobody TO rds_admin WITH ADMIN TRUE, INHERIT FALSE, SET FALSE")
    apply(copy, AUDITED + f"guard: {{bypass: {mode}}}\n", user="rds_admin")
    assert visible(copy, "campaign_app") == WITHOUT_1
    assert visible(copy, "teller_app") == ALL
    owners = """
        SELECT DISTINCT pg_get_userbyid(relowner)::text FROM pg_class
        WHERE relnamespace::regnamespace::text IN ('rlsguard', 'rlsguard_views')
    """
    assert column(copy, owners) == ["rlsguard_owner"]
    assert apply(copy, AUDITED + f"guard: {{bypass: {mode}}}\n", user="rds_admin").changes == ()
    opt_out(copy, 2, "analytics")
    assert column(copy, "SELECT client_id FROM bank.client", user="bi_reader") == [1, 3]


def test_a_dump_restored_over_its_own_database_can_be_uninstalled(db):
    with db.connect() as conn:
        conn.execute(BANK)
    before = dump(db)
    apply(db, AUDITED)
    restore(db, db, "--clean", "--if-exists")
    with db.connect() as conn:
        uninstall(conn, drop_ledger=True)
    assert dump(db) == before
    assert visible(db, "campaign_app") == ALL


def test_what_is_left_of_a_guard_whose_schema_was_dropped_can_be_taken_away(db):
    with db.connect() as conn:
        conn.execute(BANK)
        conn.execute("ALTER TABLE bank.disp ENABLE ROW LEVEL SECURITY; CREATE POLICY p ON bank.disp USING (true)")
    before = dump(db)
    apply(db, AUDITED)
    opt_out(db, 1, "marketing")
    db.execute("DROP SCHEMA rlsguard CASCADE")
    assert visible(db, "campaign_app") == {"client": [], "disp": [], "account": [], "trans": []}
    with db.connect() as conn:
        assert {f.about for f in diagnose(conn, None) if f.check == "shut"} == {f"bank.{table}" for table in ALL}
    told = [str(notice) for notice in apply(db, AUDITED, dry_run=True).notices]
    assert any("bank.client: row security is on and no policy lets anybody see a row" in text for text in told)

    with db.connect() as conn:
        removal = uninstall(conn)
    # Which tables were shut by whom is not known: they are named, and left.
    assert removal.shut == ("bank.account", "bank.client", "bank.trans")
    for table in removal.shut:
        db.execute(f"ALTER TABLE {table} DISABLE ROW LEVEL SECURITY, NO FORCE ROW LEVEL SECURITY")
    db.execute("ALTER TABLE bank.disp NO FORCE ROW LEVEL SECURITY")
    assert dump(db) == before


def test_files_made_for_one_database_find_the_tables_of_another_by_name(db, server, tmp_path):
    with db.connect() as conn:
        conn.execute(BANK)
        for name, text in applying.generate(conn, load(AUDITED)).items():
            (tmp_path / name).write_text(text)
    with server.database() as other:
        other.execute("CREATE SCHEMA hr; CREATE TABLE hr.pay (id int)")
        other.execute(BANK.split("CREATE ROLE")[0])
        before = dump(other)
        command = [server.server.bindir / "psql", "-X", "-q", "-d", other.dsn(), "-f", tmp_path / "apply.sql"]
        subprocess.run(command, check=True, capture_output=True)
        noted = other.execute(
            "SELECT (detail ->> 'oid')::oid::regclass::text FROM rlsguard.manifest WHERE detail ? 'oid'"
        )
        assert {name for (name,) in noted} == {f"bank.{table}" for table in ALL}
        assert apply(other, AUDITED).changes == ()
        with other.connect() as conn:
            uninstall(conn)
        assert dump(other) == before


@pytest.mark.parametrize(
    "change",
    [
        "ALTER TABLE bank.trans ENABLE ROW LEVEL SECURITY",
        "CREATE POLICY theirs ON bank.trans USING (amount > 1)",
        "ALTER TABLE bank.trans ENABLE ROW LEVEL SECURITY; CREATE POLICY theirs ON bank.trans USING (amount > 1)",
    ],
)
def test_files_are_refused_by_a_table_with_other_policies_than_they_were_made_for(db, tmp_path, change):
    with db.connect() as conn:
        conn.execute(BANK)
        for name, text in applying.generate(conn, load(AUDITED)).items():
            (tmp_path / name).write_text(text)
        conn.execute(change)
    before = dump(db)
    command = [db.server.bindir / "psql", "-X", "-q", "-d", db.dsn(), "-f", tmp_path / "apply.sql"]
    result = subprocess.run(command, capture_output=True, text=True)
    assert result.returncode != 0
    assert "bank.trans has other row security or policies than these statements were made for" in result.stderr
    assert dump(db) == before


def test_a_state_that_is_gone_is_told_anew_by_the_ledger(db):
    db.execute(BANK)
    apply(db, BANK_MAP)
    opt_out(db, 1, "marketing")
    db.execute("DROP TABLE rlsguard.opt_out_client CASCADE")
    with pytest.raises(RlsguardError, match="the data map lacks marketing, and 1 of kind client"):
        apply(db, BANK_MAP.replace("marketing", "advertising"))
    apply(db, BANK_MAP)
    assert visible(db, "campaign_app") == WITHOUT_1
    assert apply(db, BANK_MAP).changes == ()


def test_a_ledger_that_is_gone_is_told_and_brought_back(db):
    db.execute(BANK)
    apply(db, BANK_MAP)
    opt_out(db, 1, "marketing")
    kept = dump_of_ledger(db)
    db.execute("DROP TABLE rlsguard.opt_out_event CASCADE")
    assert visible(db, "campaign_app") == WITHOUT_1
    assert told(db) == ["RG113 relation rlsguard.opt_out_event"]
    with pytest.raises(RlsguardError, match=r"the ledger, .* is gone; bring it back first"):
        apply(db, BANK_MAP)
    subprocess.run(
        [db.server.bindir / "psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", "-d", db.dsn()], input=kept, check=True
    )
    apply(db, BANK_MAP)
    assert told(db) == []
    opt_in(db, 1, "marketing")
    assert column(db, "SELECT version FROM rlsguard.opt_out_event") == [1, 2]


def test_without_a_backup_of_the_ledger_the_state_is_recorded_anew(db):
    db.execute(BANK)
    apply(db, BANK_MAP)
    opt_out(db, 1, "marketing")
    db.execute("DROP TABLE rlsguard.opt_out_event CASCADE")
    query = "SELECT subject_key, purpose FROM rlsguard.opt_out_client WHERE in_force"
    ((key, purpose),) = db.execute(query)
    with db.connect() as conn:
        uninstall(conn, drop_ledger=True)
    apply(db, BANK_MAP)
    opt_out(db, key, purpose)
    assert visible(db, "campaign_app") == WITHOUT_1
    assert told(db) == []


def dump_of_ledger(db: Database) -> bytes:
    command = [db.server.bindir / "pg_dump", "-t", "rlsguard.opt_out_event", "-d", db.dsn()]
    return subprocess.run(command, check=True, capture_output=True).stdout


def told(db: Database) -> list[str]:
    with db.connect() as conn:
        return [finding.key for finding in check(conn, load(BANK_MAP)).findings]

"""What was not tried is never taken for proven, and what only looks like a fault is none."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from guarding import BANK_MAP, apply, opt_out, small_bank
from prove.test_live import standing
from proving import faults, prove_map, verdicts
from rlsguard.cli import rlsguard
from servers import Clone, Database

pytestmark = pytest.mark.by_turns


@pytest.fixture
def bank(template_db: Clone) -> Database:
    return small_bank(template_db)


def command(db: Database, folder: Path, *options: str) -> tuple[int, str]:
    """Run `rlsguard prove` and return its exit code and what it says on standard error."""
    file = folder / "map.yaml"
    file.write_text(BANK_MAP)
    done = CliRunner().invoke(rlsguard, ["prove", str(file), "--dsn", db.dsn(), *options])
    return done.exit_code, done.stderr


def test_people_who_are_being_recorded_leave_every_path_untried(bank: Database, tmp_path: Path) -> None:
    apply(bank, BANK_MAP)
    with bank.connect(autocommit=False) as desk:
        for client in ("1", "2", "3"):
            desk.execute("SELECT FROM rlsguard.opt_out('client', %s, '{marketing, analytics}', 'x', 'y')", [client])
        proof = prove_map(bank, BANK_MAP)
        assert (proof.wrong, proof.right, proof.count("leaked")) == (False, False, 0)
        paths = verdicts(proof, "bank.trans", "campaign_app")
        beside = {"pg_stats", "audit trail"}
        assert {verdict for path, verdict in paths.items() if path not in beside} == {"not tried"}
        assert paths.keys() > {"SELECT", "COPY TO", "prepared before", "UPDATE"}
        code, told = command(bank, tmp_path)
        assert code == 2
        assert told.startswith("rlsguard: it is not proven that opt-outs hold of bank.account as campaign_app, and ")
        desk.rollback()
    assert command(bank, tmp_path) == (0, "")


def test_a_database_without_rows_is_not_proven(bank: Database, tmp_path: Path) -> None:
    bank.execute("TRUNCATE bank.trans, bank.disp, bank.account, bank.client")
    apply(bank, BANK_MAP)
    assert command(bank, tmp_path) == (
        2,
        "rlsguard: nothing is proven: no role sees a row of anybody who could opt out\n",
    )


def test_a_table_whose_own_policies_show_nothing_is_not_proven_and_no_fault(bank: Database) -> None:
    bank.execute("ALTER TABLE bank.trans ENABLE ROW LEVEL SECURITY")
    apply(bank, BANK_MAP)
    proof = prove_map(bank, BANK_MAP)
    assert faults(proof) == []
    assert verdicts(proof, "bank.trans", "campaign_app")["SELECT"] == "empty"
    assert verdicts(proof, "bank.client", "campaign_app")["SELECT"] == "passed"


def test_policies_of_its_own_for_reading_only_are_no_fault(bank: Database) -> None:
    bank.execute(
        "ALTER TABLE bank.trans ENABLE ROW LEVEL SECURITY; CREATE POLICY reading ON bank.trans FOR SELECT USING (true)"
    )
    apply(bank, BANK_MAP)
    proof = prove_map(bank, BANK_MAP)
    assert faults(proof) == []
    assert verdicts(proof, "bank.trans", "campaign_app")["SELECT"] == "passed"
    bank.execute('ALTER POLICY "!rlsguard" ON bank.trans USING (true)')
    assert {cell.verdict for cell in faults(prove_map(bank, BANK_MAP))} == {"leaked"}


@pytest.mark.parametrize("mode", ["ALWAYS", "REPLICA"])
def test_triggers_that_nothing_silences_do_not_fire(bank: Database, mode: str) -> None:
    bank.execute(
        "CREATE SEQUENCE bank.fired; GRANT USAGE ON SEQUENCE bank.fired TO PUBLIC;"
        "CREATE FUNCTION bank.fire() RETURNS trigger LANGUAGE plpgsql AS"
        " $$ BEGIN PERFORM nextval('bank.fired'); RETURN NULL; END $$;"
        "CREATE TRIGGER fire BEFORE INSERT OR UPDATE OR DELETE ON bank.trans"
        " FOR EACH ROW EXECUTE FUNCTION bank.fire();"
        f"ALTER TABLE bank.trans ENABLE {mode} TRIGGER fire"
    )
    apply(bank, BANK_MAP)
    with bank.connect() as conn:
        before = standing(conn)
        proof = prove_map(bank, BANK_MAP)
        assert standing(conn) == before
    assert faults(proof) == []
    assert bank.execute("SELECT is_called FROM bank.fired") == [(False,)]
    assert verdicts(proof, "bank.trans", "campaign_app")["UPDATE"] == "not tried"
    assert verdicts(proof, "bank.client", "campaign_app")["UPDATE"] == "passed"


def test_a_view_that_fails_once_somebody_opts_out_is_not_passed(bank: Database) -> None:
    bank.execute(
        "CREATE VIEW bank.brittle WITH (security_invoker = true) AS"
        " SELECT trans_id FROM bank.trans WHERE 1 / (SELECT count(*) - 2 FROM bank.client) IS NOT NULL;"
        "GRANT SELECT ON bank.brittle TO campaign_app"
    )
    apply(bank, BANK_MAP)
    assert verdicts(prove_map(bank, BANK_MAP), "bank.trans", "campaign_app")["view bank.brittle"] == "not tried"


def test_who_opted_out_before_counts_when_nobody_is_left(bank: Database) -> None:
    apply(bank, BANK_MAP)
    for client in (1, 2, 3):
        opt_out(bank, client, "marketing")
    bank.execute('ALTER POLICY "!rlsguard" ON bank.trans USING (true)')
    found = {(str(cell.table), cell.role, cell.verdict) for cell in faults(prove_map(bank, BANK_MAP))}
    assert ("bank.trans", "campaign_app", "leaked") in found


@pytest.mark.parametrize("seconds", ["nan", "inf", "-1", "99999999"])
def test_seconds_that_no_timeout_can_be(bank: Database, tmp_path: Path, seconds: str) -> None:
    code, told = command(bank, tmp_path, "--statement-timeout", seconds)
    assert code == 2
    assert "Invalid value for '--statement-timeout'" in told


def test_rows_that_views_hide_for_other_rows_sake_are_no_fault(bank: Database) -> None:
    bank.execute(
        "CREATE VIEW bank.holders WITH (security_invoker = true) AS"
        " SELECT c.client_id, h.other FROM bank.client AS c"
        " JOIN (SELECT a.client_id, b.client_id AS other"
        "       FROM bank.disp AS a JOIN bank.disp AS b USING (account_id)) AS h"
        " ON h.client_id = c.client_id AND h.other <> c.client_id;"
        "CREATE VIEW bank.pages WITH (security_invoker = true) AS"
        " SELECT client_id FROM (SELECT client_id, row_number() OVER (ORDER BY client_id) AS n FROM bank.client) AS c"
        " WHERE n <= 2;"
        "CREATE FUNCTION bank.strict_clients() RETURNS SETOF bank.client LANGUAGE sql STABLE SECURITY DEFINER"
        " AS 'SELECT * FROM bank.client'; ALTER FUNCTION bank.strict_clients() OWNER TO campaign_app;"
        "REVOKE EXECUTE ON FUNCTION bank.strict_clients() FROM PUBLIC;"
        "GRANT EXECUTE ON FUNCTION bank.strict_clients() TO teller_app;"
        "GRANT SELECT ON bank.holders, bank.pages TO campaign_app, teller_app"
    )
    apply(bank, BANK_MAP)
    assert faults(prove_map(bank, BANK_MAP)) == []


def test_a_read_only_database_is_told_as_such(bank: Database, tmp_path: Path) -> None:
    apply(bank, BANK_MAP)
    bank.execute("ALTER ROLE postgres SET default_transaction_read_only = on")
    try:
        code, told = command(bank, tmp_path)
    finally:
        bank.execute("SET default_transaction_read_only = off; ALTER ROLE postgres RESET default_transaction_read_only")
    assert (code, told) == (
        2,
        "rlsguard: this database is read-only, and a proof opts people out;"
        " prove on the primary server, or with --clone\n",
    )

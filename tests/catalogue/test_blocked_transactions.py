"""What is written or read as a whole: opt-outs in two phases, and dumps."""

from __future__ import annotations

import subprocess

import psycopg
import pytest

from catalogue.attacking import SECRET, guard, run
from servers import Database

CLIENTS = "SELECT client_id FROM bank.client"
PREPARE = "PREPARE TRANSACTION 'forgotten'"
OPT_OUT = "SELECT * FROM rlsguard.opt_out('client', '1', '{marketing}', 'test', 'because')"


def test_an_opt_out_is_not_left_prepared(plain):
    # T65. Whoever records is told at once that it cannot be put off: not in force, it would look as if it were.
    guard(plain)
    with plain.connect(autocommit=False) as conn:
        conn.execute(OPT_OUT.replace("'1'", "'2'"))
        with pytest.raises(psycopg.errors.FeatureNotSupported, match="cannot PREPARE a transaction"):
            conn.execute(PREPARE)
    assert run(plain, "campaign_app", CLIENTS) == [2, 3]


def test_control_a_textbook_ledger_waits_for_a_commit_that_never_comes(plain):
    # T65, control.
    plain.execute("CREATE TABLE bank.refusal (client_id int); GRANT SELECT ON bank.refusal TO campaign_app")
    plain.execute(
        "ALTER TABLE bank.client ENABLE ROW LEVEL SECURITY; CREATE POLICY naive ON bank.client"
        " USING (NOT EXISTS (SELECT FROM bank.refusal AS r WHERE r.client_id = client.client_id))"
    )
    with plain.connect(autocommit=False) as conn:
        conn.execute("INSERT INTO bank.refusal VALUES (1)")
        conn.execute(PREPARE)
    assert run(plain, "campaign_app", CLIENTS) == [1, 2, 3]
    plain.execute("COMMIT PREPARED 'forgotten'")
    assert run(plain, "campaign_app", CLIENTS) == [2, 3]


@pytest.mark.parametrize("option", ["--no-sync", "--enable-row-security"])
def test_pg_dump_refuses_whoever_is_held(plain, option):
    # T73. It wants every row, or none; nor does it run views of others, as the policies' are, since CVE-2024-7348.
    assert SECRET in dump(plain, "campaign_app", option)
    guard(plain)
    assert dump(plain, "campaign_app", option) == "refused"
    # Whom no policy holds gets everything: what becomes of the file is documented.
    assert SECRET in dump(plain, "postgres", option)


def dump(db: Database, user: str, option: str) -> str:
    """Return the clients as pg_dump writes them, or that it does not."""
    command = [db.server.bindir / "pg_dump", option, "--data-only", "-t", "bank.client", "-d", db.dsn(user)]
    result = subprocess.run(command, capture_output=True, text=True)
    assert result.returncode == 0 or result.stdout.count(SECRET) == 0
    return result.stdout if result.returncode == 0 else "refused"

"""What the write-ahead log carries: it is for nobody but those who have REPLICATION, and no policy holds them."""

from __future__ import annotations

import subprocess

import psycopg
import pytest

from catalogue.attacking import SECRET, refused, run
from catalogue.searching import assumed, mended, ways
from guarding import BANK_MAP, apply
from rlsguard.problems import MapError
from servers import Database

CHANGE = "UPDATE bank.client SET birth_number = birth_number WHERE client_id = 1"
SLOT = "SELECT pg_create_logical_replication_slot('spy', 'pgoutput', true)"
CHANGES = (
    "SELECT count(*) FROM pg_logical_slot_peek_binary_changes("
    "'spy', NULL, NULL, 'proto_version', '1', 'publication_names', 'feed') WHERE data LIKE '%700101%'::bytea"
)


def spied(db: Database, user: str, *first: str) -> int:
    """Return how many changes *user* sees of client 1, whom somebody at the counter changes meanwhile."""
    with db.connect(user) as conn:
        for statement in (*first, SLOT):
            conn.execute(statement)
        # Test servers put off what slots read up to.
        run(db, "teller_app", "SET synchronous_commit = on", CHANGE)
        ((count,),) = conn.execute(CHANGES).fetchall()
        return count


def test_nobody_reads_the_log_of_changes(bank):
    # T69. Slots, and the copy of the whole server, are for REPLICATION alone.
    for user in ("campaign_app", "teller_app", "stranger"):
        refused(bank, user, SLOT)
        with pytest.raises(psycopg.OperationalError, match=r"(?i)replication"):
            bank.connect(user, replication="true")


def test_a_role_of_the_map_with_replication_is_refused_and_found(bank):
    # T69. It needs no right to any table, and is shown what others write.
    bank.execute(
        "CREATE PUBLICATION feed FOR TABLE bank.disp, bank.client; REVOKE ALL ON bank.client FROM campaign_app"
    )
    assert ways(bank, "role") == {}
    bank.execute("ALTER ROLE campaign_app REPLICATION")
    assert spied(bank, "campaign_app") > 0
    with pytest.raises(MapError, match="role campaign_app has REPLICATION: it can copy all there is"):
        apply(bank, BANK_MAP)
    assert mended(bank, "role", "role campaign_app").mend == "ALTER ROLE campaign_app NOREPLICATION;"
    refused(bank, "campaign_app", SLOT)


def test_a_member_of_a_role_with_replication_is_found(bank):
    # T69. The attribute is not inherited; it comes with SET ROLE.
    bank.execute(
        "CREATE PUBLICATION feed FOR TABLE bank.client; CREATE ROLE feeder REPLICATION; GRANT feeder TO stranger"
    )
    refused(bank, "stranger", SLOT)
    assert spied(bank, "stranger", "SET ROLE feeder") > 0
    mended(bank, "member", "role stranger")
    refused(bank, "stranger", "SET ROLE feeder")


def test_any_other_login_with_replication_is_named(bank):
    # T69. It copies every row of the server: that no opt-out reaches it is said.
    bank.execute("CREATE ROLE standby LOGIN REPLICATION")
    assert assumed(bank, "role standby") == ["it has REPLICATION: it can copy the whole server."]
    # Control: and it does. What a new standby gets has everybody's rows in it.
    bank.execute("CHECKPOINT")
    ((file,),) = bank.execute("SELECT pg_relation_filepath('bank.client')")
    command = [
        bank.server.bindir / "pg_basebackup",
        "-d",
        bank.dsn("standby"),
        "-D",
        "-",
        "-Ft",
        "-X",
        "none",
        "-c",
        "fast",
    ]
    copied = subprocess.run(command, check=True, capture_output=True).stdout
    assert file.encode() in copied
    assert SECRET.encode() in copied


def test_nobody_else_publishes(bank):
    # T70. Not with the right to make publications: one has to own the tables, or be a superuser.
    bank.execute(f"GRANT CREATE ON DATABASE {bank.name} TO stranger")
    refused(bank, "campaign_app", "CREATE PUBLICATION feed FOR TABLE bank.client")
    for objects in ("TABLE bank.client", "TABLES IN SCHEMA bank", "ALL TABLES"):
        refused(bank, "stranger", f"CREATE PUBLICATION feed FOR {objects}")


def test_a_publication_of_protected_tables_is_found(bank):
    # T70. Policies have no say in what is streamed; where it arrives, there are none.
    bank.execute("CREATE ROLE feeder LOGIN REPLICATION; CREATE PUBLICATION feed FOR TABLE bank.client, bank.trans")
    assert spied(bank, "feeder") > 0
    way = mended(bank, "publication", "publication feed")
    assert way.mend == "ALTER PUBLICATION feed DROP TABLE bank.client, bank.trans;"
    assert spied(bank, "feeder") == 0


def test_the_first_copy_of_a_subscription_is_held(bank):
    # T70. It is a COPY by the role that connects: held to the opt-outs of whoever that is.
    bank.execute("CREATE ROLE feeder LOGIN REPLICATION; GRANT USAGE ON SCHEMA bank TO feeder")
    bank.execute("GRANT SELECT ON bank.client TO feeder")
    with bank.connect("feeder") as conn, conn.cursor().copy("COPY bank.client (client_id) TO STDOUT") as copy:
        assert sorted(int(key) for (key,) in copy.rows()) == [2, 3]


@pytest.mark.parametrize(
    "condition",
    [
        "NOT EXISTS (SELECT FROM rlsguard.opt_out_client AS o WHERE o.subject_key = client_id)",
        "bank.shown(client_id)",
    ],
)
def test_no_row_filter_of_a_publication_asks_for_opt_outs(bank, condition):
    # T70. PostgreSQL takes neither sub-selects nor functions of users there, so nobody relies on one that lags behind.
    bank.execute("CREATE FUNCTION bank.shown(int) RETURNS boolean LANGUAGE sql AS 'SELECT true'")
    refused(
        bank,
        "postgres",
        f"CREATE PUBLICATION feed FOR TABLE bank.client WHERE ({condition})",
        error=psycopg.Error,
        match="invalid publication WHERE expression|subquer",
    )

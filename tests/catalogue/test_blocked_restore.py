"""Dumps and copies: a table that arrives without the guard shows nobody, or is named before anybody relies on it."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from catalogue.attacking import guard, run
from examining import of
from guarding import BANK_MAP, WITHOUT_1, apply, opt_out, visible
from proving import prove_map
from rlsguard.problems import RlsguardError
from servers import Database, Postgres

CLIENTS = "SELECT client_id FROM bank.client"
NAIVE = """
CREATE TABLE bank.refusal (client_id int, purpose text); INSERT INTO bank.refusal VALUES (1);
GRANT SELECT ON bank.refusal TO campaign_app;
ALTER TABLE bank.client ENABLE ROW LEVEL SECURITY;
CREATE POLICY everybody ON bank.client USING (true);
CREATE POLICY naive ON bank.client AS RESTRICTIVE {to} USING
    (NOT EXISTS (SELECT FROM bank.refusal AS r WHERE r.client_id = client.client_id));
"""


@contextmanager
def elsewhere(server: Postgres, archive: bytes, *options: str) -> Iterator[tuple[Database, str]]:
    """Restore an archive into another database as far as it goes, as people in a hurry do; tell what went wrong."""
    with server.database() as copy:
        copy.execute("CREATE SCHEMA IF NOT EXISTS bank; GRANT USAGE ON SCHEMA bank TO PUBLIC")
        command = [copy.server.bindir / "pg_restore", *options, "-d", copy.dsn()]
        result = subprocess.run(command, input=archive, check=False, capture_output=True)
        yield copy, result.stderr.decode()


def dumped(db: Database, *options: str) -> bytes:
    """Return an archive of *db*, or of some of it."""
    command = [db.server.bindir / "pg_dump", "-Fc", *options, "-d", db.dsn()]
    return subprocess.run(command, check=True, capture_output=True).stdout


OWN = "ALTER TABLE bank.client ENABLE ROW LEVEL SECURITY; CREATE POLICY open ON bank.client USING (true)"


@pytest.mark.parametrize("before", ["SELECT", OWN])
def test_one_table_of_a_dump_arrives_shut(plain, server, before):
    # T74. What lets rows be seen names what hides them, so it is not made without that. Where the table had row
    # security of its own, what is left of the guard lets no row be seen unless the policy is there.
    plain.execute(before)
    guard(plain)
    with elsewhere(server, dumped(plain, "-t", "bank.client")) as (copy, errors):
        assert 'relation "rlsguard_views.sight" does not exist' in errors
        assert copy.execute("SELECT count(*) FROM bank.client") == [(3,)]
        for user in ("campaign_app", "teller_app"):
            assert run(copy, user, CLIENTS) == []


def test_control_one_table_with_textbook_policies_arrives_open(plain, server):
    # T74, control: the restrictive policy fails, the permissive one and the rights arrive.
    plain.execute(NAIVE.format(to=""))
    assert run(plain, "campaign_app", CLIENTS) == [2, 3]
    with elsewhere(server, dumped(plain, "-t", "bank.client")) as (copy, errors):
        assert "bank.refusal" in errors
        assert run(copy, "campaign_app", CLIENTS) == [1, 2, 3]


def test_one_table_out_of_a_full_archive_is_named(plain, server):
    # T74. pg_restore -t leaves out row security, policies and rights: nothing in the copy knows of a guard. Whoever
    # proves it is told so; the next apply guards it.
    guard(plain)
    tables = [f"--table={table}" for table in ("client", "account", "disp", "trans")]
    with elsewhere(server, dumped(plain), "-n", "bank", *tables) as (copy, errors):
        assert errors == ""
        copy.execute("GRANT SELECT ON ALL TABLES IN SCHEMA bank TO campaign_app")
        assert run(copy, "campaign_app", CLIENTS) == [1, 2, 3]
        with pytest.raises(RlsguardError, match="the map is not applied here: there is nothing to prove"):
            prove_map(copy, BANK_MAP)
        assert [one.message for one in of(copy, "guard")] == ["rlsguard is not installed in this database."]
        # Keys are left out, too; then the map must say what about rows that lead to nobody.
        copy.execute("ALTER TABLE bank.client ADD PRIMARY KEY (client_id)")
        apply(copy, BANK_MAP)
        assert run(copy, "campaign_app", CLIENTS) == [1, 2, 3]
        opt_out(copy, 1, "marketing")
        assert run(copy, "campaign_app", CLIENTS) == [2, 3]


def test_a_role_that_is_missing_takes_no_policy_along(plain, server):
    # T74. The policies are TO PUBLIC; a purpose whose role is gone leaves its reader a stranger, held to everything.
    guard(plain)
    archive = dumped(plain)
    plain.execute("DROP OWNED BY campaign_app; DROP ROLE campaign_app")
    with elsewhere(server, archive) as (copy, errors):
        assert 'role "campaign_app" does not exist' in errors
        copy.execute("CREATE ROLE newcomer LOGIN; GRANT SELECT ON ALL TABLES IN SCHEMA bank TO newcomer, teller_app")
        copy.execute("GRANT USAGE ON SCHEMA bank TO newcomer, teller_app")
        assert visible(copy, "newcomer") == WITHOUT_1
        assert visible(copy, "teller_app") == WITHOUT_1


def test_control_a_role_that_is_missing_takes_a_textbook_policy_along(plain, server):
    # T74, control: a policy TO a role is not made where the role is not there.
    plain.execute(NAIVE.format(to="TO bi_reader, campaign_app"))
    archive = dumped(plain)
    plain.execute("DROP OWNED BY bi_reader; DROP ROLE bi_reader")
    with elsewhere(server, archive) as (copy, errors):
        assert 'role "bi_reader" does not exist' in errors
        copy.execute("GRANT USAGE ON SCHEMA bank TO campaign_app; GRANT SELECT ON bank.client TO campaign_app")
        assert run(copy, "campaign_app", CLIENTS) == [1, 2, 3]


@pytest.mark.parametrize("mode", ["attribute", "marker"])
def test_only_what_lets_rows_be_seen_names_a_role(plain, mode):
    # T74. Should that role be missing, fewer rows are seen, not more.
    guard(plain, BANK_MAP + f"guard: {{bypass: {mode}}}\n")
    restrictive = "SELECT polname::text FROM pg_policy WHERE NOT polpermissive AND polroles <> '{0}'"
    assert run(plain, "postgres", restrictive) == []

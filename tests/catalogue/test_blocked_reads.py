"""Reads by other doors than SELECT: COPY, and the statistics that the server keeps."""

from __future__ import annotations

import psycopg
import pytest

from catalogue.attacking import SECRET, guard, refused, run
from servers import Database


def copied(db: Database, user: str, what: str) -> str:
    """Return what COPY hands out."""
    with db.connect(user) as conn, conn.cursor().copy(f"COPY {what} TO STDOUT") as copy:
        return b"".join(bytes(part) for part in copy).decode(errors="replace")


@pytest.mark.parametrize(
    "what",
    [
        "bank.client",
        "bank.client (birth_number)",
        "(SELECT birth_number FROM bank.client)",
        "(UPDATE bank.client SET client_id = client_id RETURNING birth_number)",
    ],
)
def test_copy_hands_out_no_hidden_row(plain, what):
    # T25. COPY of a table with row security is a query of it.
    assert SECRET in copied(plain, "campaign_app", what)
    guard(plain)
    seen = copied(plain, "campaign_app", what)
    assert SECRET not in seen
    assert "750202" in seen
    assert SECRET in copied(plain, "teller_app", what)


def test_copy_into_a_guarded_table_is_refused_to_everybody_held(bank):
    # T25. PostgreSQL does not check row by row there, so it refuses: nothing about anybody comes in unchecked.
    copy = "COPY bank.trans FROM STDIN"
    for user in ("campaign_app", "teller_app"):
        refused(bank, user, copy, error=psycopg.errors.FeatureNotSupported, match="row-level security")


STATISTICS = "SELECT count(*) FROM pg_stats WHERE tablename = 'client' AND attname = 'birth_number'"
# Of these, PostgreSQL shows anything to the owner alone.
EXTENDED = [
    "SELECT count(*) FROM pg_stats_ext WHERE statistics_name = 'pair' AND most_common_vals IS NOT NULL",
    "SELECT count(*) FROM pg_stats_ext_exprs WHERE statistics_name = 'expression'",
]


@pytest.mark.parametrize(
    ("user", "query"),
    [
        ("campaign_app", STATISTICS),
        ("teller_app", STATISTICS),
        ("bank_owner", STATISTICS),
        ("bank_owner", EXTENDED[0]),
        ("bank_owner", EXTENDED[1]),
    ],
)
def test_statistics_of_guarded_tables_are_shown_to_nobody_held(plain, user, query):
    # T53. Samples of values, hidden ones too: the views leave out tables whose row security holds who asks, the owner
    # included, since it is forced.
    plain.execute("CREATE ROLE bank_owner LOGIN; GRANT USAGE ON SCHEMA bank TO bank_owner")
    plain.execute("ALTER TABLE bank.client OWNER TO bank_owner")
    plain.execute("INSERT INTO bank.client SELECT n, '700101' FROM generate_series(1001, 1100) AS n")
    plain.execute("CREATE STATISTICS bank.pair (mcv) ON client_id, birth_number FROM bank.client")
    plain.execute("CREATE STATISTICS bank.expression ON (upper(birth_number)) FROM bank.client")
    plain.execute(
        "ALTER STATISTICS bank.pair OWNER TO bank_owner; ALTER STATISTICS bank.expression OWNER TO bank_owner"
    )
    plain.execute("ANALYZE bank.client")
    assert run(plain, user, query) == [1]
    guard(plain)
    assert run(plain, user, query) == [0]
    # Control: to whom no policy holds they are shown.
    assert run(plain, "postgres", query) == [1]


def test_statistics_of_the_list_of_opt_outs_are_shown_to_nobody(bank):
    # T53. The samples of the state are keys of people who opted out.
    bank.execute("ANALYZE")
    query = "SELECT count(*) FROM pg_stats WHERE schemaname = 'rlsguard'"
    for user in ("campaign_app", "teller_app", "stranger"):
        assert run(bank, user, query) == [0]
    assert run(bank, "postgres", query)[0] > 0

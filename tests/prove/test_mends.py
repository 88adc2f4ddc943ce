"""What a proof says to do ends what it found, to the letter, also where a right was passed on or comes by a detour."""

from __future__ import annotations

from dataclasses import dataclass

import psycopg
import pytest

from catalogue.searching import mended, ways
from guarding import BANK, BANK_MAP, apply, opt_out
from servers import Database


@dataclass(frozen=True)
class Made:
    """What is made, the way around that must be found, how its mend begins, and what `stranger` does until then."""

    make: str
    check: str
    about: str
    mend: str
    read: tuple[str, ...]


COPY = "CREATE MATERIALIZED VIEW bank.copy AS SELECT * FROM bank.trans;"
PASSED = "SET ROLE clerk; GRANT {0} TO stranger; RESET ROLE"
MADE = {
    "a copy that belongs to its reader": Made(
        COPY + "ALTER MATERIALIZED VIEW bank.copy OWNER TO stranger",
        "materialised-view", "materialised view bank.copy", "ALTER MATERIALIZED VIEW bank.copy OWNER TO postgres;",
        ("SELECT 1 FROM bank.copy",),
    ),
    "a copy read by a view": Made(
        COPY + "CREATE VIEW bank.over AS SELECT * FROM bank.copy; GRANT SELECT ON bank.over TO stranger",
        "materialised-view", "materialised view bank.copy", "REVOKE SELECT ON bank.over FROM stranger;",
        ("SELECT 1 FROM bank.over",),
    ),
    "a copy read by its reader's own view": Made(
        COPY + "GRANT SELECT ON bank.copy TO stranger; CREATE VIEW bank.over AS SELECT * FROM bank.copy;"
        "ALTER VIEW bank.over OWNER TO stranger",
        "materialised-view", "materialised view bank.copy",
        "REVOKE SELECT ON bank.copy FROM stranger;\nALTER VIEW bank.over OWNER TO postgres;",
        ("SELECT 1 FROM bank.over",),
    ),
    "a copy passed on": Made(
        COPY + "GRANT SELECT ON bank.copy TO clerk WITH GRANT OPTION;" + PASSED.format("SELECT ON bank.copy"),
        "materialised-view", "materialised view bank.copy",
        "REVOKE SELECT ON bank.copy FROM clerk, stranger CASCADE;  -- clerk passed it on",
        ("SELECT 1 FROM bank.copy",),
    ),
    "a right to triggers passed on by a bypasser": Made(
        "ALTER ROLE clerk BYPASSRLS; GRANT TRIGGER ON bank.trans TO clerk WITH GRANT OPTION;"
        + PASSED.format("TRIGGER ON bank.trans"),
        "privilege", "TRIGGER of stranger",
        "REVOKE TRIGGER ON bank.trans FROM clerk, stranger CASCADE;  -- clerk passed it on",
        ("CREATE TRIGGER t BEFORE UPDATE ON bank.trans EXECUTE FUNCTION suppress_redundant_updates_trigger()",),
    ),
    "a right to empty a table passed on": Made(
        "GRANT TRUNCATE ON bank.disp TO clerk WITH GRANT OPTION;" + PASSED.format("TRUNCATE ON bank.disp"),
        "privilege", "TRUNCATE of clerk, stranger on bank.disp",
        "REVOKE TRUNCATE ON bank.disp FROM clerk, stranger CASCADE;  -- clerk passed it on",
        ("TRUNCATE bank.disp",),
    ),
    "a function passed on": Made(
        "GRANT EXECUTE ON FUNCTION pg_read_file(text) TO clerk WITH GRANT OPTION;"
        + PASSED.format("EXECUTE ON FUNCTION pg_read_file(text)"),
        "server-function", "function pg_read_file(text)",
        "REVOKE EXECUTE ON FUNCTION pg_read_file(text) FROM clerk, stranger CASCADE;  -- clerk passed it on",
        ("SELECT pg_read_file('PG_VERSION')",),
    ),
    "statistics passed on": Made(
        "GRANT SELECT ON pg_statistic TO clerk WITH GRANT OPTION;" + PASSED.format("SELECT ON pg_statistic"),
        "statistics", "catalog pg_statistic",
        "REVOKE SELECT ON pg_catalog.pg_statistic FROM clerk, stranger CASCADE;  -- clerk passed it on",
        ("SELECT stavalues1 FROM pg_statistic",),
    ),
    "a setting passed on": Made(
        "GRANT SET ON PARAMETER session_replication_role TO clerk WITH GRANT OPTION;"
        + PASSED.format("SET ON PARAMETER session_replication_role"),
        "parameter", "parameter session_replication_role",
        "REVOKE SET, ALTER SYSTEM ON PARAMETER session_replication_role FROM clerk, stranger CASCADE;",
        ("SET session_replication_role = replica",),
    ),
    "the right to change what is loaded": Made(
        "GRANT ALTER SYSTEM ON PARAMETER archive_library TO stranger", "parameter", "parameter archive_library",
        "REVOKE SET, ALTER SYSTEM ON PARAMETER archive_library FROM stranger;",
        ("ALTER SYSTEM RESET archive_library",),
    ),
    "a membership passed on": Made(
        "CREATE ROLE high BYPASSRLS; GRANT high TO clerk WITH ADMIN OPTION;" + PASSED.format("high"),
        "member", "role stranger", "REVOKE high FROM stranger", ("SET ROLE high",),
    ),
}  # fmt: skip


@pytest.fixture
def bank(db: Database) -> Database:
    db.execute(BANK)
    apply(db, BANK_MAP)
    opt_out(db, 1, "marketing")
    db.execute("CREATE ROLE clerk; GRANT USAGE ON SCHEMA bank TO clerk")
    return db


@pytest.mark.by_turns
@pytest.mark.parametrize("name", MADE)
def test_a_mend_ends_it(bank: Database, name: str) -> None:
    made = MADE[name]
    bank.execute(made.make)
    _do(bank, made.read)
    way = ways(bank, made.check)[made.about]
    assert "stranger" in way.roles
    assert way.mend.startswith(made.mend)
    mended(bank, made.check, made.about)
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        _do(bank, made.read)


def _do(db: Database, statements: tuple[str, ...]) -> None:
    """As `stranger`, and without a trace; ALTER SYSTEM alone does not go in a transaction."""
    with db.connect("stranger", autocommit=any("SYSTEM" in one for one in statements)) as conn:
        for statement in statements:
            conn.execute(statement)
        conn.rollback()


def test_who_passed_a_membership_on_loses_what_others_have_by_it(bank: Database) -> None:
    """From PostgreSQL 16 on it is refused without CASCADE; and each grant is its grantor's to take back."""
    bank.execute(
        "ALTER ROLE clerk LOGIN; CREATE ROLE high BYPASSRLS; GRANT high TO clerk WITH ADMIN OPTION;"
        + PASSED.format("high")
    )
    mends = {about: way.mend for about, way in ways(bank, "member").items()}
    if bank.major >= 16:
        assert mends == {
            "role clerk": "REVOKE high FROM clerk CASCADE;  -- clerk passed it on",
            "role stranger": "REVOKE high FROM stranger GRANTED BY clerk;",
        }
        mended(bank, "member", "role clerk")
        assert ways(bank, "member") == {}
    else:
        assert mends == {f"role {who}": f"REVOKE high FROM {who};" for who in ("clerk", "stranger")}
        mended(bank, "member", "role clerk")
        mended(bank, "member", "role stranger")


@pytest.mark.parametrize(
    "of",
    [
        "TABLE bank.payment",
        "TABLE bank.payment_1",
        "TABLE bank.payment, bank.payment_1, bank.client WITH (publish_via_partition_root)",
        "TABLE bank.payment, TABLES IN SCHEMA bank",
        "TABLE bank.client, TABLES IN SCHEMA far",
    ],
)
def test_a_publication_of_partitions(bank: Database, of: str) -> None:
    text = BANK_MAP + "  bank.payment: {holds: [financial], subject: {client: client_id}}\n"
    bank.execute(
        "CREATE TABLE bank.payment (payment_id int, client_id int NOT NULL) PARTITION BY RANGE (payment_id);"
        "CREATE TABLE bank.payment_1 PARTITION OF bank.payment FOR VALUES FROM (1) TO (10);"
        "CREATE SCHEMA far; CREATE TABLE far.payment_2 PARTITION OF bank.payment FOR VALUES FROM (10) TO (20)"
    )
    apply(bank, text)
    bank.execute(f"CREATE PUBLICATION feed FOR {of}")
    assert bank.execute("SELECT FROM pg_publication_tables") != []
    mended(bank, "publication", "publication feed", text)
    assert bank.execute("SELECT FROM pg_publication_tables") == []


def test_a_membership_by_two_grantors(bank: Database) -> None:
    """What one of them gave goes with the other's; to take it again is no error."""
    bank.execute(
        "ALTER ROLE clerk LOGIN; CREATE ROLE high BYPASSRLS; GRANT high TO clerk, stranger WITH ADMIN OPTION;"
        + PASSED.format("high")
        + ";SET ROLE stranger; GRANT high TO stranger; RESET ROLE"
    )
    _do(bank, ("SET ROLE high",))
    mended(bank, "member", "role stranger")
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        _do(bank, ("SET ROLE high",))
    mended(bank, "member", "role clerk")


def test_mends_say_who_needs_rights_then(bank: Database) -> None:
    """A view or function that read for its readers is closed to those who have no right to the table themselves."""
    bank.execute(
        "REVOKE SELECT ON bank.trans FROM stranger;"
        "CREATE VIEW bank.every_one AS SELECT * FROM bank.trans; GRANT SELECT ON bank.every_one TO stranger;"
        "CREATE FUNCTION bank.every() RETURNS SETOF bank.trans LANGUAGE sql STABLE SECURITY DEFINER"
        " AS 'SELECT * FROM bank.trans'"
    )
    for check, about, read in (
        ("view", "view bank.every_one", "SELECT 1 FROM bank.every_one"),
        ("definer", "function bank.every()", "SELECT 1 FROM bank.every()"),
    ):
        _do(bank, (read,))
        assert mended(bank, check, about).mend.endswith("then need rights to read")
        with pytest.raises(psycopg.errors.InsufficientPrivilege, match="trans"):
            _do(bank, (read,))
    bank.execute("GRANT SELECT ON bank.trans TO stranger")
    with bank.connect("stranger") as conn:
        assert conn.execute("SELECT trans_id FROM bank.every_one").fetchall() == [(1002,)]

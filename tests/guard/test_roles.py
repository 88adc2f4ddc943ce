"""Who is held to which opt-outs."""

from __future__ import annotations

import psycopg
import pytest

from guarding import ALL, BANK, BANK_MAP, WITHOUT_1, apply, column, opt_in, opt_out, small_bank, visible
from rlsguard.problems import RlsguardError


@pytest.fixture
def bank(template_db):
    return small_bank(template_db, BANK_MAP)


def test_an_opt_out_hides_from_its_purpose_only(bank):
    opt_out(bank, 1, "marketing")
    assert visible(bank, "campaign_app") == WITHOUT_1
    assert visible(bank, "bi_reader") == ALL
    assert visible(bank, "teller_app") == ALL
    assert visible(bank, "sox_auditor") == ALL
    # A role that the map does not name is held to every opt-out.
    assert visible(bank, "stranger") == WITHOUT_1
    opt_in(bank, 1, "marketing")
    assert visible(bank, "campaign_app") == ALL
    assert visible(bank, "stranger") == ALL


def test_an_opt_out_is_not_in_force_before_its_commit(bank):
    with bank.connect(autocommit=False) as conn:
        conn.execute("SELECT * FROM rlsguard.opt_out('client', '1', '{marketing}', 'a', 'r')")
        assert visible(bank, "campaign_app") == ALL
        conn.rollback()
    assert visible(bank, "campaign_app") == ALL
    assert column(bank, "SELECT count(*) FROM rlsguard.opt_out_event") == [0]


def test_a_role_of_several_purposes_is_held_to_their_union(bank):
    with bank.connect() as conn:
        conn.execute("GRANT campaign_app, bi_reader TO stranger")
    opt_out(bank, 1, "marketing")
    opt_out(bank, 3, "analytics")
    assert visible(bank, "stranger") == {"client": [2], "disp": [101], "account": [], "trans": []}


def test_a_purpose_that_cannot_be_refused_frees_nobody_from_another(bank):
    with bank.connect() as conn:
        conn.execute("GRANT teller_app, campaign_app TO stranger")
    opt_out(bank, 1, "marketing")
    assert visible(bank, "stranger") == WITHOUT_1


def test_an_exemption_counts_only_where_no_purpose_applies(bank):
    with bank.connect() as conn:
        conn.execute("GRANT campaign_app TO sox_auditor")
    opt_out(bank, 1, "marketing")
    opt_out(bank, 3, "analytics")
    assert visible(bank, "sox_auditor") == WITHOUT_1


def test_an_exemption_ends_with_its_last_day_in_utc_whatever_the_client_sets(db):
    with db.connect() as conn:
        conn.execute(BANK)
        today = conn.execute("SELECT (now() AT TIME ZONE 'UTC')::date").fetchone()[0]
        yesterday = conn.execute("SELECT (now() AT TIME ZONE 'UTC')::date - 1").fetchone()[0]
    apply(db, BANK_MAP.replace("2099-12-31", str(today)))
    opt_out(db, 1, "marketing")
    assert visible(db, "sox_auditor") == ALL
    apply(db, BANK_MAP.replace("2099-12-31", str(yesterday)))
    assert visible(db, "sox_auditor") == WITHOUT_1
    with db.connect("sox_auditor") as conn:
        conn.execute("SET TimeZone = '<late>+167'")
        assert conn.execute("SELECT count(*) FROM bank.client").fetchone() == (2,)


def test_membership_without_inherit_is_no_purpose(bank):
    with bank.connect() as conn:
        conn.execute("CREATE ROLE loner LOGIN NOINHERIT IN ROLE teller_app")
        conn.execute("GRANT USAGE ON SCHEMA bank TO loner; GRANT SELECT ON ALL TABLES IN SCHEMA bank TO loner")
    opt_out(bank, 1, "marketing")
    assert visible(bank, "loner") == WITHOUT_1
    with bank.connect("loner") as conn:
        conn.execute("SET ROLE teller_app")
        assert conn.execute("SELECT count(*) FROM bank.client").fetchone() == (3,)


def test_set_role_and_a_setting_of_the_client_cannot_widen(bank):
    opt_out(bank, 1, "marketing")
    with bank.connect("campaign_app") as conn:
        conn.execute("SELECT set_config('rlsguard.purpose', 'servicing', false)")
        conn.execute("SELECT set_config('rlsguard.writer', 'teller_app', false)")
        assert conn.execute("SELECT count(*) FROM bank.client").fetchone() == (2,)
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            conn.execute("SET ROLE teller_app")


def test_a_renamed_role_is_followed_and_a_dropped_one_matches_nobody(bank):
    opt_out(bank, 1, "marketing")
    with bank.connect() as conn:
        conn.execute("ALTER ROLE teller_app RENAME TO counter_app")
    assert visible(bank, "counter_app") == ALL
    with bank.connect() as conn:
        conn.execute("REASSIGN OWNED BY counter_app TO postgres; DROP OWNED BY counter_app; DROP ROLE counter_app")
    assert visible(bank, "campaign_app") == WITHOUT_1
    assert visible(bank, "stranger") == WITHOUT_1


def test_a_definer_function_reads_as_its_owner(bank):
    opt_out(bank, 1, "marketing")
    with bank.connect() as conn:
        conn.execute(
            "CREATE FUNCTION bank.clients() RETURNS bigint LANGUAGE sql SECURITY DEFINER "
            "AS 'SELECT count(*) FROM bank.client'; ALTER FUNCTION bank.clients() OWNER TO campaign_app"
        )
    assert column(bank, "SELECT bank.clients()", user="teller_app") == [2]


def test_readers_cannot_reach_into_the_guard(bank):
    opt_out(bank, 1, "marketing")
    for query in (
        "SELECT * FROM rlsguard_views.suppressed_client",
        "SELECT * FROM rlsguard.opt_out_client",
        "SELECT * FROM rlsguard.opt_out_event",
        "SELECT * FROM rlsguard.secret",
        "SELECT rlsguard.opt_in('client', '1', '{marketing}', 'me', 'mine')",
    ):
        with bank.connect("campaign_app") as conn, pytest.raises(psycopg.errors.InsufficientPrivilege):
            conn.execute(query)


def test_who_records_and_who_audits_cannot_list_keys_by_the_views_of_policies(bank):
    views = column(bank, "SELECT viewname::text FROM pg_views WHERE schemaname = 'rlsguard_views'")
    assert len(views) == 3
    bank.execute("CREATE ROLE desk LOGIN; GRANT rlsguard_recorder, rlsguard_auditor TO desk")
    for view in views:
        with bank.connect("desk") as conn, pytest.raises(psycopg.errors.InsufficientPrivilege):
            conn.execute(f"SELECT * FROM rlsguard_views.{view}")


def test_roles_made_before_the_guard_by_somebody_else_are_not_taken_over(db):
    db.execute(BANK)
    db.execute("CREATE ROLE mallory LOGIN CREATEROLE")
    with db.connect("mallory") as conn:
        conn.execute("CREATE ROLE rlsguard_owner NOLOGIN")
    if db.major < 16:  # whoever may create roles may join them all there, so there is nothing to win
        apply(db, BANK_MAP)
        return
    with pytest.raises(RlsguardError, match="rlsguard_owner has the member mallory"):
        apply(db, BANK_MAP)
    db.execute("REVOKE rlsguard_owner FROM mallory GRANTED BY postgres")
    apply(db, BANK_MAP)
    with db.connect("mallory") as conn, pytest.raises(psycopg.errors.InsufficientPrivilege):
        conn.execute("GRANT rlsguard_owner TO mallory")


def test_a_superuser_does_not_hand_bypassrls_to_who_administers_the_guard(db):
    """From 16 on, a guard made by an ordinary DBA has that DBA for its administrator."""
    db.execute(BANK)
    for dba in ("dba1", "dba2"):
        db.execute(f"CREATE ROLE {dba} LOGIN CREATEROLE; GRANT CREATE ON DATABASE {db.name} TO {dba}")
    db.execute("CREATE ROLE tables_owner; GRANT tables_owner TO dba1, dba2; ALTER SCHEMA bank OWNER TO tables_owner")
    for table in ("client", "account", "disp", "trans"):
        db.execute(f"ALTER TABLE bank.{table} OWNER TO tables_owner")
    apply(db, BANK_MAP, user="dba1")
    if db.major < 16:
        assert apply(db, BANK_MAP, user="dba2").changes == ()
        return
    with pytest.raises(RlsguardError, match=r"dba2 may not act as rlsguard_owner .*A superuser can let it: GRANT"):
        apply(db, BANK_MAP, user="dba2")
    with pytest.raises(RlsguardError, match="rlsguard_owner has the member dba1"):
        apply(db, BANK_MAP)
    assert column(db, "SELECT rolbypassrls FROM pg_roles WHERE rolname = 'rlsguard_owner'") == [False]
    db.execute("GRANT rlsguard_owner, rlsguard_nobody TO dba2 WITH ADMIN TRUE, INHERIT FALSE, SET FALSE")
    assert apply(db, BANK_MAP, user="dba2").plan.bypass is False
    assert apply(db, BANK_MAP, user="dba1").plan.bypass is False


def test_a_dba_that_does_not_inherit(db):
    db.execute(BANK)
    db.execute(f"CREATE ROLE dba LOGIN CREATEROLE NOINHERIT; GRANT CREATE ON DATABASE {db.name} TO dba")
    db.execute("ALTER SCHEMA bank OWNER TO dba")
    for table in ("client", "account", "disp", "trans"):
        db.execute(f"ALTER TABLE bank.{table} OWNER TO dba")
    if db.major < 16:
        with pytest.raises(RlsguardError, match=r"dba does not inherit, .*\(ALTER ROLE dba INHERIT;\)"):
            apply(db, BANK_MAP, user="dba")
        db.execute("ALTER ROLE dba INHERIT")
    apply(db, BANK_MAP, user="dba")
    assert apply(db, BANK_MAP, user="dba").changes == ()
    opt_out(db, 1, "marketing")
    assert visible(db, "campaign_app") == WITHOUT_1
    with db.connect("dba") as conn, pytest.raises(psycopg.errors.InsufficientPrivilege):
        conn.execute("SET ROLE rlsguard_owner" if db.major >= 16 else "DELETE FROM rlsguard.opt_out_event")


def test_the_owner_of_the_tables_is_held_too(bank):
    with bank.connect() as conn:
        conn.execute("CREATE ROLE bank_owner LOGIN")
        conn.execute("ALTER SCHEMA bank OWNER TO bank_owner; ALTER TABLE bank.client OWNER TO bank_owner")
    opt_out(bank, 1, "marketing")
    assert column(bank, "SELECT client_id FROM bank.client", user="bank_owner") == [2, 3]

"""A guard that cannot see, or whose policies went along with something else, shows nothing; never everything."""

from __future__ import annotations

import psycopg
import pytest

from guarding import ALL, BANK_MAP, HEAD, WITHOUT_1, apply, column, opt_out, small_bank, visible

NOTHING: dict[str, list[int]] = {table: [] for table in ALL}
MODES = ["attribute", "marker"]


@pytest.fixture
def bank(template_db):
    return small_bank(template_db)


def test_the_guard_loses_its_attribute(bank):
    apply(bank, BANK_MAP)
    opt_out(bank, 1, "marketing")
    bank.execute("ALTER ROLE rlsguard_owner NOBYPASSRLS")
    for statement in (
        "SELECT * FROM bank.trans",
        "UPDATE bank.trans SET amount = 0",
        "DELETE FROM bank.trans WHERE trans_id = 1000",
    ):
        with (
            bank.connect("campaign_app") as conn,
            pytest.raises(psycopg.errors.ObjectNotInPrerequisiteState, match="opt-outs cannot be enforced"),
        ):
            conn.execute(statement)
    with (
        bank.connect("campaign_app") as conn,
        pytest.raises(psycopg.errors.ObjectNotInPrerequisiteState),
        conn.cursor().copy("COPY bank.trans TO STDOUT") as out,
    ):
        list(out)
    bank.execute("ALTER ROLE rlsguard_owner BYPASSRLS")
    assert visible(bank, "campaign_app") == WITHOUT_1


def test_the_row_is_gone_by_which_policies_know_the_guard(bank):
    apply(bank, BANK_MAP + "guard: {bypass: marker}\n")
    opt_out(bank, 1, "marketing")
    bank.execute("DELETE FROM rlsguard.guard_only")
    with pytest.raises(BLIND, match="opt-outs cannot be enforced"):
        visible(bank, "campaign_app")
    # Nothing but this keeps what is reached over hops from showing.
    bank.execute("ALTER POLICY guard ON rlsguard.hop_like USING (true)")
    assert visible(bank, "campaign_app")["trans"] == ALL["trans"]


BLIND = psycopg.errors.ObjectNotInPrerequisiteState


def test_sessions_that_go_on_while_the_guard_is_blind(bank):
    """A role's attributes are looked at when a query is rewritten, and plans are not made anew when they change."""
    apply(bank, BANK_MAP)
    opt_out(bank, 1, "marketing")
    look, generic = "SELECT trans_id FROM bank.trans", "SELECT trans_id FROM bank.trans WHERE trans_id >= %s"
    with bank.connect("campaign_app", prepare_threshold=0) as conn:
        for _ in range(8):
            assert conn.execute(generic, [1000]).fetchall() == [(1002,)]
        bank.execute("ALTER ROLE rlsguard_owner NOBYPASSRLS")
        # What was rewritten before sees as it did; what comes now does not.
        assert conn.execute(generic, [1000]).fetchall() == [(1002,)]
        for _ in range(2):
            with pytest.raises(BLIND):
                conn.execute(look)
        conn.execute("PREPARE waiting AS SELECT trans_id FROM bank.trans WHERE amount > 0")
        bank.execute("ALTER ROLE rlsguard_owner BYPASSRLS")
        # And what was prepared in the meantime stays refused, until it is rewritten.
        with pytest.raises(BLIND):
            conn.execute("EXECUTE waiting")
        assert conn.execute(look).fetchall() == [(1002,)]
        apply(bank, BANK_MAP + "guard: {bypass: marker}\n")
        apply(bank, BANK_MAP)
        assert conn.execute("EXECUTE waiting").fetchall() == [(1002,)]


def test_the_guard_in_marker_mode_loses_its_policy(bank):
    apply(bank, BANK_MAP + "guard: {bypass: marker}\n")
    opt_out(bank, 1, "marketing")
    assert visible(bank, "campaign_app") == WITHOUT_1
    bank.execute("DROP POLICY guard ON rlsguard.hop_like")
    with bank.connect("campaign_app") as conn, pytest.raises(psycopg.errors.ObjectNotInPrerequisiteState):
        conn.execute("SELECT * FROM bank.trans")
    apply(bank, BANK_MAP + "guard: {bypass: marker}\n")
    assert visible(bank, "campaign_app") == WITHOUT_1


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(
    "sabotage",
    [
        "ALTER TABLE bank.disp DROP COLUMN client_id CASCADE",
        "ALTER TABLE bank.disp DROP COLUMN account_id CASCADE",
        "DROP TABLE bank.disp CASCADE",
    ],
)
def test_row_security_of_their_own_does_not_stand_alone_once_ours_is_gone(bank, mode, sabotage):
    bank.execute(
        """
        ALTER TABLE bank.trans ENABLE ROW LEVEL SECURITY;
        CREATE POLICY theirs ON bank.trans USING (true);
        CREATE ROLE disp_owner LOGIN;
        GRANT USAGE, CREATE ON SCHEMA bank TO disp_owner;
        ALTER TABLE bank.disp OWNER TO disp_owner;
        """
    )
    apply(bank, BANK_MAP + f"guard: {{bypass: {mode}}}\n")
    opt_out(bank, 1, "marketing")
    assert visible(bank, "campaign_app") == WITHOUT_1
    with bank.connect("disp_owner") as conn:
        conn.execute(sabotage)
    for user in ("campaign_app", "teller_app"):
        assert column(bank, "SELECT trans_id FROM bank.trans", user=user) == []
        assert column(bank, "SELECT account_id FROM bank.account", user=user) == []
    assert column(bank, "SELECT client_id FROM bank.client", user="campaign_app") == [2, 3]
    with bank.connect("campaign_app") as conn, pytest.raises(psycopg.errors.InsufficientPrivilege):
        conn.execute("INSERT INTO bank.trans VALUES (1, 10, 1)")


# A table whose own path leads over two others is itself crossed by one.
CHAIN = """
CREATE TABLE bank.note (note_id int PRIMARY KEY, trans_id int NOT NULL REFERENCES bank.trans);
INSERT INTO bank.note VALUES (1, 1000), (2, 1002);
GRANT SELECT ON bank.note TO campaign_app, teller_app;
CREATE TABLE bank.holder (account_id int NOT NULL, client_id int NOT NULL);
INSERT INTO bank.holder SELECT account_id, client_id FROM bank.disp;
"""
CHAIN_MAP = (
    HEAD
    + """
guard: {bypass: marker}
tables:
  bank.trans: {holds: [financial], subject: {client: [account_id = bank.holder.account_id, client_id]}}
  bank.note:
    {holds: [financial],
     subject: {client: [trans_id = bank.trans.trans_id, account_id = bank.disp.account_id, client_id]}}
"""
)


@pytest.mark.parametrize("governed", [False, True])
def test_a_crossed_table_that_is_shut_does_not_blind_the_guard(bank, governed):
    bank.execute(CHAIN)
    if governed:
        bank.execute(
            "ALTER TABLE bank.trans ENABLE ROW LEVEL SECURITY; CREATE POLICY theirs ON bank.trans USING (true)"
        )
    apply(bank, CHAIN_MAP)
    opt_out(bank, 1, "marketing")
    assert column(bank, "SELECT note_id FROM bank.note", user="campaign_app") == [2]
    # What hides transactions goes; what hides notes, over transactions, stays.
    bank.execute("DROP TABLE bank.holder CASCADE")
    assert column(bank, "SELECT trans_id FROM bank.trans", user="campaign_app") == []
    assert column(bank, "SELECT note_id FROM bank.note", user="campaign_app") == [2]
    assert column(bank, "SELECT note_id FROM bank.note", user="teller_app") == [1, 2]


@pytest.mark.parametrize("mode", MODES)
def test_sessions_that_switch_row_security_off_still_record(bank, mode):
    """As pg_restore does: rows are refused rather than left out, but the guard's own are not the session's."""
    apply(bank, BANK_MAP.replace("{holds", "{audit: true, holds") + f"guard: {{bypass: {mode}}}\n")
    bank.execute("CREATE ROLE desk LOGIN; GRANT rlsguard_recorder TO desk; GRANT INSERT ON bank.client TO desk")
    for user, client in (("postgres", 7), ("desk", 8)):
        with bank.connect(user, options="-c row_security=off") as conn:
            conn.execute(f"SELECT * FROM rlsguard.opt_out('client', '{client}', '{{marketing}}', 'a', 'r')")
            conn.execute(f"SELECT * FROM rlsguard.history('client', '{client}')")
    with bank.connect(options="-c row_security=off") as conn:
        conn.execute("INSERT INTO bank.client VALUES (9, 'x'); UPDATE bank.client SET birth_number = 'y'")
    with (
        bank.connect("campaign_app", options="-c row_security=off") as conn,
        pytest.raises(psycopg.errors.InsufficientPrivilege, match="affected by row-level security"),
    ):
        conn.execute("SELECT * FROM bank.client")
    assert column(bank, "SELECT subject_key FROM rlsguard.opt_out_event") == ["7", "8"]
    assert column(bank, "SELECT count(*) FROM rlsguard.change_event") == [5]

"""Apply changes what differs, all or nothing; the second run changes nothing; uninstall leaves no trace."""

from __future__ import annotations

import os
import re
import subprocess
import threading

import psycopg
import pytest
from psycopg.sql import SQL

from guarding import ALL, BANK, BANK_MAP, HEAD, TABLES, WITHOUT_1, apply, column, load, opt_out, small_bank, visible
from rlsguard import apply as applying
from rlsguard.names import Name, QualifiedName
from rlsguard.problems import RlsguardError
from rlsguard.uninstall import uninstall
from servers import dump


@pytest.fixture
def bank(template_db):
    return small_bank(template_db)


def changes(delta) -> list[str]:
    return [str(change) for change in delta.changes]


def test_the_second_apply_changes_nothing_and_locks_nothing(bank):
    first = apply(bank, BANK_MAP)
    assert "create protect bank.trans" in changes(first)
    before = column(bank, "SELECT relname || xmin FROM pg_class")
    # A lock that an idle reader holds stops nobody who has nothing to do.
    with bank.connect("teller_app", autocommit=False) as reader:
        reader.execute("SELECT FROM bank.trans")
        assert changes(apply(bank, BANK_MAP, lock_timeout=0.2, retries=0)) == []
    assert column(bank, "SELECT relname || xmin FROM pg_class") == before


def test_a_dry_run_tells_and_changes_nothing(bank):
    before = dump(bank)
    told = changes(apply(bank, BANK_MAP, dry_run=True))
    assert dump(bank) == before
    assert told == changes(apply(bank, BANK_MAP))


def test_apply_is_all_or_nothing(bank):
    before = dump(bank)
    with bank.connect() as conn:
        conn.execute(
            "CREATE FUNCTION refuse() RETURNS event_trigger LANGUAGE plpgsql AS "
            "$$ BEGIN RAISE 'no policy today'; END $$; "
            "CREATE EVENT TRIGGER refuse ON ddl_command_end WHEN TAG IN ('CREATE POLICY') EXECUTE FUNCTION refuse()"
        )
    with pytest.raises(RlsguardError, match="nothing was changed: no policy today"):
        apply(bank, BANK_MAP)
    with bank.connect() as conn:
        conn.execute("DROP EVENT TRIGGER refuse; DROP FUNCTION refuse()")
    assert dump(bank) == before
    assert column(bank, "SELECT rolname::text FROM pg_roles WHERE rolname ~ '^rlsguard'") == []


def test_apply_waits_for_locks_only_so_long_and_tries_again(bank):
    with bank.connect("teller_app", autocommit=False) as reader:
        reader.execute("SELECT FROM bank.trans")
        with pytest.raises(RlsguardError, match=r"no lock within 0\.1 s, 2 times in a row; nothing was changed"):
            apply(bank, BANK_MAP, lock_timeout=0.1, retries=1)
        release = threading.Timer(0.5, reader.rollback)
        release.start()
        apply(bank, BANK_MAP, lock_timeout=0.1, retries=10)
        release.join()
    assert visible(bank, "campaign_app") == ALL


@pytest.mark.by_turns
@pytest.mark.parametrize(
    ("sabotage", "mended"),
    [
        ("ALTER TABLE bank.trans NO FORCE ROW LEVEL SECURITY", "protect bank.trans"),
        ("ALTER TABLE bank.trans DISABLE ROW LEVEL SECURITY", "protect bank.trans"),
        ('DROP POLICY "!rlsguard" ON bank.trans', "protect bank.trans"),
        ('ALTER POLICY "!rlsguard" ON bank.trans USING (true)', "protect bank.trans"),
        ('ALTER POLICY "!rlsguard" ON bank.trans TO campaign_app', "protect bank.trans"),
        ('ALTER POLICY "rlsguard baseline" ON bank.trans USING (false)', "protect bank.trans"),
        ("ALTER TABLE rlsguard.opt_out_event DISABLE TRIGGER append_only", "guard 060_ledger.sql"),
        ("ALTER TABLE rlsguard.opt_out_client ENABLE TRIGGER append_only", "state client"),
        ("DELETE FROM rlsguard.role_purpose", "map"),
        ("UPDATE rlsguard.exemption SET until = NULL", "map"),
        ("REVOKE SELECT ON rlsguard_views.suppressed_client FROM PUBLIC", "view suppressed_client"),
        ("ALTER VIEW rlsguard_views.suppressed_client SET (security_invoker)", "view suppressed_client"),
        ("REVOKE SELECT (client_id) ON bank.disp FROM rlsguard_owner", "grants"),
        ("GRANT EXECUTE ON FUNCTION rlsguard.history(text, text) TO PUBLIC", "guard 070_opt_out.sql"),
        ("ALTER ROLE rlsguard_owner NOBYPASSRLS", "roles"),
        (
            "CREATE OR REPLACE VIEW rlsguard.current_purpose AS SELECT p.purpose FROM rlsguard.purpose p WHERE false",
            "guard 040_current_purpose.sql",
        ),
    ],
)
def test_apply_mends_what_was_changed_behind_its_back(bank, sabotage, mended):
    apply(bank, BANK_MAP)
    opt_out(bank, 1, "marketing")
    with bank.connect() as conn:
        conn.execute(sabotage)
    assert changes(apply(bank, BANK_MAP)) == [f"replace {mended}"]
    assert visible(bank, "campaign_app") == WITHOUT_1
    assert visible(bank, "teller_app") == ALL
    assert changes(apply(bank, BANK_MAP)) == []


@pytest.mark.by_turns
@pytest.mark.parametrize(
    ("do", "undo"),
    [
        ("ALTER TABLE rlsguard.opt_out_client ADD COLUMN more int", "ALTER TABLE {} DROP COLUMN more"),
        (
            "ALTER TABLE rlsguard.opt_out_event DROP CONSTRAINT opt_out_event_version_check",
            "ALTER TABLE {} ADD CHECK (version > 0)",
        ),
        ("CREATE TABLE bank.child () INHERITS (rlsguard.purpose)", "DROP TABLE bank.child"),
    ],
    ids=["column", "constraint", "child"],
)
def test_apply_does_not_note_as_its_own_what_it_cannot_undo(bank, do, undo):
    apply(bank, BANK_MAP)
    noted = bank.execute("SELECT unit, objects FROM rlsguard.manifest ORDER BY 1")
    bank.execute(do)
    table = re.search(r"rlsguard\.\w+", do)[0]
    with pytest.raises(RlsguardError, match=rf"nothing was changed: {table} is not what it was made"):
        apply(bank, BANK_MAP)
    assert bank.execute("SELECT unit, objects FROM rlsguard.manifest ORDER BY 1") == noted
    bank.execute(undo.format(table))
    assert changes(apply(bank, BANK_MAP)) == []


def test_a_table_that_leaves_the_map_stays_guarded_until_it_is_named(bank):
    apply(bank, BANK_MAP)
    opt_out(bank, 1, "marketing")
    smaller = HEAD + TABLES.split("  bank.trans:")[0]
    delta = apply(bank, smaller)
    assert [str(n) for n in delta.notices if "--prune" in n.text] == [
        "bank.trans: is guarded but no longer in the map; un-guard it with --prune bank.trans"
    ]
    assert visible(bank, "campaign_app") == WITHOUT_1
    with pytest.raises(RlsguardError, match=r"cannot prune bank\.account: it is still in the map"):
        apply(bank, smaller, prune=[QualifiedName("bank", "account")])
    with pytest.raises(RlsguardError, match=r"cannot prune bank\.tran: it is not guarded; did you mean bank\.trans\?"):
        apply(bank, smaller, prune=[QualifiedName("bank", "tran")])
    delta = apply(bank, smaller, prune=[QualifiedName("bank", "trans")])
    assert changes(delta) == ["remove protect bank.trans"]
    assert visible(bank, "campaign_app") == {**WITHOUT_1, "trans": ALL["trans"]}
    assert column(bank, "SELECT relrowsecurity FROM pg_class WHERE oid = 'bank.trans'::regclass") == [False]
    assert changes(apply(bank, smaller)) == []


def test_a_renamed_table_is_followed_and_a_recreated_one_guarded_anew(bank):
    apply(bank, BANK_MAP)
    opt_out(bank, 1, "marketing")
    with bank.connect() as conn:
        conn.execute("ALTER TABLE bank.trans RENAME TO payment")
    apply(bank, BANK_MAP.replace("bank.trans", "bank.payment"))
    assert column(bank, "SELECT trans_id FROM bank.payment", user="campaign_app") == [1002]
    assert changes(apply(bank, BANK_MAP.replace("bank.trans", "bank.payment"))) == []
    with bank.connect() as conn:
        conn.execute(
            "CREATE TABLE bank.copy AS TABLE bank.payment; DROP TABLE bank.payment; "
            "ALTER TABLE bank.copy RENAME TO trans"
        )
        conn.execute("ALTER TABLE bank.trans ALTER account_id SET NOT NULL; GRANT SELECT ON bank.trans TO campaign_app")
    apply(bank, BANK_MAP)
    assert column(bank, "SELECT trans_id FROM bank.trans", user="campaign_app") == [1002]
    assert changes(apply(bank, BANK_MAP)) == []


def test_a_changed_path_replaces_the_policy_and_drops_the_view_it_had(bank):
    apply(bank, BANK_MAP)
    opt_out(bank, 1, "marketing")
    views = "SELECT viewname::text FROM pg_views WHERE schemaname = 'rlsguard_views' AND viewname ~ 'suppressed'"
    before = column(bank, views)
    changed = BANK_MAP.replace("client_id]}}", "client_id]}, joint: all}")
    apply(bank, changed)
    after = column(bank, views)
    assert len(before) == len(after) == 2
    assert before != after
    assert visible(bank, "campaign_app") == {**WITHOUT_1, "account": [10, 20], "trans": ALL["trans"]}


@pytest.mark.parametrize("ledger", ["empty", "kept", "dropped"])
def test_uninstall_leaves_the_schema_as_it_was(bank, ledger):
    with bank.connect() as conn:
        conn.execute("ALTER TABLE bank.account ENABLE ROW LEVEL SECURITY; CREATE POLICY p ON bank.account USING (true)")
        conn.execute("ALTER TABLE bank.disp ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY")
        conn.execute("CREATE POLICY p ON bank.disp AS PERMISSIVE USING (true)")
    before = dump(bank)
    audited = BANK_MAP.replace("  bank.client: {holds", "  bank.client: {audit: true, holds")
    apply(bank, audited)
    assert dump(bank) != before
    if ledger != "empty":
        opt_out(bank, 1, "marketing")
    with bank.connect() as conn:
        removal = uninstall(conn, drop_ledger=ledger == "dropped")
    assert removal.keeps_ledger is (ledger == "kept")
    if ledger == "kept":
        assert dump(bank, "--exclude-schema=rlsguard") == before
        assert column(bank, "SELECT actor FROM rlsguard.opt_out_event") == ["test"]
        with bank.connect() as conn, pytest.raises(psycopg.errors.InsufficientPrivilege):
            conn.execute("DELETE FROM rlsguard.opt_out_event")
        # Coming back, the opt-outs of the kept ledger are in force at once, and versions go on.
        apply(bank, audited)
        assert visible(bank, "campaign_app") == WITHOUT_1
        opt_out(bank, 1, "marketing")
        assert column(bank, "SELECT version FROM rlsguard.opt_out_event") == [1, 2]
    else:
        assert dump(bank) == before
        assert column(bank, "SELECT rolname::text FROM pg_roles WHERE rolname ~ '^rlsguard'") == []


def test_uninstall_stops_at_what_the_user_built_on_the_guard(bank):
    apply(bank, BANK_MAP)
    opt_out(bank, 1, "marketing")
    with bank.connect() as conn:
        conn.execute("CREATE VIEW bank.report AS SELECT count(*) FROM rlsguard.purpose")
    with bank.connect() as conn, pytest.raises(RlsguardError, match=r"nothing was removed: .*bank\.report"):
        uninstall(conn)
    assert visible(bank, "campaign_app") == WITHOUT_1


def test_uninstall_where_nothing_is_installed(bank):
    with bank.connect() as conn, pytest.raises(RlsguardError, match="rlsguard is not installed in this database"):
        uninstall(conn)


def test_two_databases_of_a_server_share_the_roles(bank, server):
    with server.database() as other:
        apply(bank, BANK_MAP)
        with other.connect() as conn:
            conn.execute(BANK.split("CREATE ROLE")[0])
        apply(other, BANK_MAP)
        with bank.connect() as conn:
            removal = uninstall(conn)
        assert set(removal.kept_roles) == {
            "rlsguard_owner", "rlsguard_nobody", "rlsguard_recorder", "rlsguard_auditor", "rlsguard_sealer"
        }  # fmt: skip
        opt_out(other, 1, "marketing")
        with other.connect() as conn:
            uninstall(conn, drop_ledger=True)


def test_generated_files_are_the_same_from_run_to_run_and_do_what_apply_does(bank, tmp_path):
    with bank.connect() as conn:
        first = applying.generate(conn, load(BANK_MAP))
        second = applying.generate(conn, load(BANK_MAP))
    assert first == second
    for name, text in first.items():
        (tmp_path / name).write_text(text)
    env = {**os.environ, "PGOPTIONS": "-c search_path=bank -c timezone=Asia/Tokyo"}
    for _ in range(2):
        command = [bank.server.bindir / "psql", "-X", "-q", "-f", tmp_path / "apply.sql", "-d", bank.dsn()]
        subprocess.run(command, check=True, env=env)
    opt_out(bank, 1, "marketing")
    assert visible(bank, "campaign_app") == WITHOUT_1
    assert changes(apply(bank, BANK_MAP)) == []
    with bank.connect() as conn:
        assert applying.generate(conn, load(BANK_MAP)) == first


@pytest.mark.parametrize("dba", ["dba", 'The "DBA"'])
def test_a_role_that_owns_the_tables_and_may_create_roles_applies_without_a_superuser(bank, dba):
    name = Name(dba)
    with bank.connect() as conn:
        conn.execute(SQL("CREATE ROLE {} LOGIN CREATEROLE").format(name))
        conn.execute(SQL("GRANT CREATE ON DATABASE {} TO {}").format(Name(bank.name), name))
        conn.execute(SQL("ALTER SCHEMA bank OWNER TO {}").format(name))
        for table in ("client", "disp", "account", "trans"):
            conn.execute(SQL("ALTER TABLE {} OWNER TO {}").format(Name("bank", table), name))
        # From 16 on a role names others in grants only where it may administer them; the guard needs none of that.
    delta = apply(bank, BANK_MAP, user=dba)
    assert delta.plan.bypass is False
    assert changes(apply(bank, BANK_MAP, user=dba)) == []
    opt_out(bank, 1, "marketing")
    assert visible(bank, "campaign_app") == WITHOUT_1
    assert visible(bank, "teller_app") == ALL
    usable = "SELECT member::regrole::text FROM pg_auth_members WHERE roleid = 'rlsguard_owner'::regrole" + (
        " AND (inherit_option OR set_option)" if bank.major >= 16 else ""
    )
    assert column(bank, usable) == []
    with bank.connect(dba) as conn:
        uninstall(conn, drop_ledger=True)
    assert visible(bank, "campaign_app") == ALL


def test_a_schema_or_role_that_somebody_else_prepared_is_not_taken_over(bank):
    with bank.connect() as conn:
        conn.execute("CREATE ROLE mallory LOGIN; CREATE SCHEMA rlsguard AUTHORIZATION mallory")
    with pytest.raises(RlsguardError, match="schema rlsguard belongs to mallory, not to rlsguard_owner"):
        apply(bank, BANK_MAP)
    with bank.connect() as conn:
        conn.execute("DROP SCHEMA rlsguard; CREATE ROLE rlsguard_owner LOGIN; GRANT rlsguard_owner TO mallory")
    with pytest.raises(RlsguardError, match="rlsguard_owner has the member mallory"):
        apply(bank, BANK_MAP)
    with bank.connect() as conn:
        conn.execute("REVOKE rlsguard_owner FROM mallory")
    apply(bank, BANK_MAP)
    assert column(bank, "SELECT rolcanlogin FROM pg_roles WHERE rolname = 'rlsguard_owner'") == [False]
    with bank.connect() as conn:
        conn.execute("GRANT rlsguard_owner TO mallory")
    with pytest.raises(RlsguardError, match="rlsguard_owner has the member mallory"):
        apply(bank, BANK_MAP)


def test_concurrent_applies_wait_for_each_other(bank):
    failures: list[BaseException] = []

    def run() -> None:
        try:
            apply(bank, BANK_MAP)
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=run) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert changes(apply(bank, BANK_MAP)) == []


@pytest.mark.by_turns
@pytest.mark.parametrize(
    "setting",
    [
        "standard_conforming_strings = off",
        "search_path = bank",
        "search_path = ''",
        "datestyle = 'German'",
        "bytea_output = escape",
        "quote_all_identifiers = on",
        "client_encoding = 'LATIN1'",
        "default_transaction_isolation = serializable",
        "session_replication_role = replica",
        "transform_null_equals = on",
        "plpgsql.variable_conflict = use_column",
    ],
)
def test_whatever_the_database_is_set_to(bank, setting):
    bank.execute(SQL("ALTER DATABASE {} SET " + setting).format(Name(bank.name)))
    before = dump(bank)
    apply(bank, BANK_MAP)
    assert apply(bank, BANK_MAP).changes == ()
    opt_out(bank, 1, "marketing")
    assert visible(bank, "campaign_app") == WITHOUT_1
    with bank.connect() as conn:
        uninstall(conn, drop_ledger=True)
    assert dump(bank) == before

"""Who one is decides: roles, memberships and settings do not lead past an opt-out."""

from __future__ import annotations

import psycopg
import pytest

from catalogue.attacking import guard, refused, run, undone
from guarding import ALL, BANK_MAP, WITHOUT_1, apply, opt_out, visible
from rlsguard.problems import MapError, RlsguardError

CLIENTS = "SELECT client_id FROM bank.client"
OWNED = """
CREATE ROLE bank_owner LOGIN;
CREATE ROLE inheritor LOGIN IN ROLE bank_owner;
GRANT USAGE ON SCHEMA bank TO bank_owner;
ALTER TABLE bank.client OWNER TO bank_owner;
"""


@pytest.mark.parametrize("user", ["bank_owner", "inheritor"])
def test_owners_and_their_members_are_held(plain, user):
    # T3. Row security is forced, so the owner is held like anybody.
    plain.execute(OWNED)
    guard(plain)
    assert run(plain, user, CLIENTS) == [2, 3]
    # Control: FORCE is what does it.
    plain.execute("ALTER TABLE bank.client NO FORCE ROW LEVEL SECURITY")
    assert run(plain, user, CLIENTS) == [1, 2, 3]
    apply(plain, BANK_MAP)
    assert run(plain, user, CLIENTS) == [2, 3]


def test_whoever_may_create_roles_does_not_become_the_guard(plain):
    # T5. From 16 on, CREATEROLE reaches only the roles that one has made.
    plain.execute("CREATE ROLE mallory LOGIN CREATEROLE; GRANT USAGE ON SCHEMA bank TO mallory")
    plain.execute("GRANT SELECT ON bank.client TO mallory")
    guard(plain)
    joins = "GRANT rlsguard_owner TO mallory"
    if plain.major >= 16:
        refused(plain, "mallory", joins)
        refused(plain, "mallory", "GRANT teller_app TO mallory")
        assert run(plain, "mallory", CLIENTS) == [2, 3]
    else:
        # Before 16 nothing can be done about it: the next apply refuses to go on beside such a member, and names it.
        run(plain, "mallory", joins)
        with pytest.raises(RlsguardError, match="rlsguard_owner has the member mallory"):
            apply(plain, BANK_MAP)


def test_nobody_who_could_let_himself_in_is_there_before_the_guard(plain):
    # T6. Apply does not build on an owner role that somebody administers: ADMIN alone is enough to become it.
    options = "ADMIN TRUE, INHERIT FALSE, SET FALSE" if plain.major >= 16 else "ADMIN OPTION"
    plain.execute("CREATE ROLE mallory LOGIN; CREATE ROLE rlsguard_owner")
    plain.execute(f"GRANT rlsguard_owner TO mallory WITH {options}")
    with pytest.raises(RlsguardError, match="rlsguard_owner has the member mallory"):
        apply(plain, BANK_MAP)


def test_a_minted_bypasser_gets_no_purpose(plain):
    # T6. From 16 on, CREATEROLE with BYPASSRLS makes more of its kind: the map refuses them.
    plain.execute("CREATE ROLE mint LOGIN CREATEROLE BYPASSRLS")
    create = "CREATE ROLE minted LOGIN BYPASSRLS"
    if plain.major < 16:
        refused(plain, "mint", create)
    else:
        run(plain, "mint", create)
        with pytest.raises(MapError, match="role minted has BYPASSRLS: row security never holds it"):
            apply(
                plain, BANK_MAP.replace("  bi_reader: [analytics]", "  bi_reader: [analytics]\n  minted: [marketing]")
            )


def test_reset_role_from_a_pool_leads_to_less(bank):
    # T7. The login of a pool is held to every opt-out until it sets the role of a purpose.
    bank.execute(
        "CREATE ROLE pool LOGIN NOINHERIT IN ROLE campaign_app, teller_app; GRANT USAGE ON SCHEMA bank TO pool"
    )
    bank.execute("GRANT SELECT ON bank.client TO pool")
    opt_out(bank, 3, "analytics")
    assert run(bank, "pool", "SET ROLE teller_app", CLIENTS) == [1, 2, 3]
    assert run(bank, "pool", "SET ROLE campaign_app", CLIENTS) == [2, 3]
    assert run(bank, "pool", "SET ROLE campaign_app", "RESET ROLE", CLIENTS) == [2]
    assert run(bank, "pool", "SET ROLE teller_app", "RESET ROLE", CLIENTS) == [2]


def test_a_role_of_another_is_not_taken_by_a_setting(bank):
    # T7. ALTER ROLE ... SET role takes effect for members only.
    bank.execute("ALTER ROLE stranger SET role = 'teller_app'")
    assert run(bank, "stranger", "SELECT current_user::text") == ["stranger"]
    assert run(bank, "stranger", CLIENTS) == [2, 3]
    # Control: for a member it does, by the rights that it was given.
    bank.execute("GRANT teller_app TO stranger")
    assert run(bank, "stranger", CLIENTS) == [1, 2, 3]


@pytest.mark.parametrize("user", ["campaign_app", "bank_owner"])
def test_row_security_off_is_an_error(plain, user):
    # T8.
    plain.execute(OWNED)
    assert run(plain, user, "SET row_security = off", CLIENTS) == [1, 2, 3]
    guard(plain)
    refused(plain, user, "SET row_security = off", CLIENTS, match="row-level security")


@pytest.mark.parametrize(
    "setting",
    [
        "SELECT set_config('rlsguard.purpose', 'servicing', false)",
        "SELECT set_config('rlsguard.purpose', '', false)",
        "SELECT set_config('rlsguard.actor', 'teller_app', false), set_config('rlsguard.writer', 'teller_app', false)",
        "SELECT set_config('rlsguard.release', '{marketing}', false)",
        "SET TimeZone = '<late>+167'",
        "SET search_path = ''",
        "SET plan_cache_mode = force_generic_plan",
    ],
)
def test_no_setting_has_a_say(bank, setting):
    # T37. The purpose comes from the role that reads.
    assert run(bank, "campaign_app", setting, CLIENTS) == [2, 3]


def test_control_a_purpose_in_a_setting_is_anybodys(plain):
    # T37, control: a policy that asks a setting shows the row to whoever sets it, or does not set it at all.
    plain.execute(
        "CREATE TABLE bank.refusal (client_id int, purpose text); INSERT INTO bank.refusal VALUES (1, 'marketing')"
    )
    plain.execute("GRANT SELECT ON bank.refusal TO PUBLIC; ALTER TABLE bank.client ENABLE ROW LEVEL SECURITY")
    plain.execute(
        "CREATE POLICY naive ON bank.client USING (NOT EXISTS (SELECT FROM bank.refusal AS r"
        " WHERE r.client_id = client.client_id AND r.purpose = current_setting('app.purpose', true)))"
    )
    assert run(plain, "campaign_app", "SET app.purpose = 'marketing'", CLIENTS) == [2, 3]
    assert run(plain, "campaign_app", "SET app.purpose = 'servicing'", CLIENTS) == [1, 2, 3]
    assert run(plain, "campaign_app", CLIENTS) == [1, 2, 3]


def test_dropping_what_a_role_owns_leaves_the_policies(bank):
    # T68. The policies are TO PUBLIC: there is no list of roles to lose one from.
    before = bank.execute("SELECT count(*) FROM pg_policy")
    bank.execute("DROP OWNED BY campaign_app, bi_reader, teller_app, sox_auditor")
    assert bank.execute("SELECT count(*) FROM pg_policy") == before
    bank.execute(
        "GRANT USAGE ON SCHEMA bank TO campaign_app; GRANT SELECT ON ALL TABLES IN SCHEMA bank TO campaign_app"
    )
    assert visible(bank, "campaign_app") == WITHOUT_1
    # Made anew, the role is a stranger: held to everything.
    bank.execute("DROP OWNED BY teller_app; DROP ROLE teller_app; CREATE ROLE teller_app LOGIN")
    bank.execute("GRANT USAGE ON SCHEMA bank TO teller_app; GRANT SELECT ON ALL TABLES IN SCHEMA bank TO teller_app")
    assert visible(bank, "teller_app") == WITHOUT_1
    # Control: a policy for one role goes with it.
    bank.execute("CREATE POLICY theirs ON bank.trans AS RESTRICTIVE TO stranger USING (false)")
    assert undone(bank, "postgres", "DROP OWNED BY stranger", "SELECT count(*) FROM pg_policy") == [before[0][0]]


@pytest.mark.parametrize("mode", ["attribute", "marker"])
def test_nobody_can_become_the_owner_of_the_guard(plain, mode):
    # T4. The owner of the guard's tables and views cannot log in, and has no members.
    guard(plain, BANK_MAP + f"guard: {{bypass: {mode}}}\n")
    for user in ("campaign_app", "bi_reader", "teller_app", "sox_auditor", "stranger"):
        refused(plain, user, "SET ROLE rlsguard_owner", match="permission denied to set role")
    with pytest.raises(psycopg.OperationalError, match="not permitted to log in"):
        plain.connect("rlsguard_owner")
    assert visible(plain, "teller_app") == ALL


@pytest.mark.parametrize(
    "statement",
    [
        "ALTER TABLE bank.client DISABLE ROW LEVEL SECURITY",
        "ALTER TABLE bank.client NO FORCE ROW LEVEL SECURITY",
        'DROP POLICY "!rlsguard" ON bank.client',
        'ALTER POLICY "!rlsguard" ON bank.client USING (true)',
        "CREATE POLICY mine ON bank.client USING (true)",
    ],
)
def test_only_the_owner_of_a_table_switches_its_policies_off(plain, statement):
    # T4. Who owns a table is the user's to say: an owner with a login is detected, any other role is refused.
    plain.execute(OWNED)
    guard(plain)
    for user in ("campaign_app", "teller_app", "stranger"):
        refused(plain, user, statement, match="must be owner")
    undone(plain, "bank_owner", statement)

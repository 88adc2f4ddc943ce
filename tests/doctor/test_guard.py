"""Rights, and the guard itself: in each mode, broken in each way, seen by each kind of login."""

from __future__ import annotations

import pytest

from examining import findings, of, verdicts
from guarding import BANK_MAP, apply

MARKER_MAP = BANK_MAP + "guard: {bypass: marker}\n"


def test_a_superuser_may_apply(plain):
    assert verdicts(plain, "rights") == [("ok", "postgres")]
    assert verdicts(plain, "guard") == [("note", "")]


def test_an_ordinary_login_is_told_what_it_lacks_and_then_lacks_nothing(plain):
    plain.execute('CREATE ROLE "The DBA" LOGIN; CREATE ROLE bank_owner; GRANT USAGE ON SCHEMA bank TO "The DBA"')
    for table in ("client", "disp", "account", "trans"):
        plain.execute(f"ALTER TABLE bank.{table} OWNER TO bank_owner")
    lacking = [f for f in of(plain, "rights", user="The DBA") if f.severity == "warning"]
    assert [f.about for f in lacking] == [
        '"The DBA"', '"The DBA"', "bank.account", "bank.client", "bank.disp", "bank.trans", "bank",
    ]  # fmt: skip
    assert lacking[0].advice == 'ALTER ROLE "The DBA" CREATEROLE;'
    assert lacking[2].advice == 'Apply as bank_owner, or GRANT bank_owner TO "The DBA";'
    for advice in {f.advice.removeprefix("Apply as bank_owner, or ") for f in lacking}:
        plain.execute(advice)
    left = of(plain, "rights", user="The DBA")
    assert [(f.severity, f.about) for f in left] == [("ok", '"The DBA"'), ("note", "rlsguard_owner")]
    assert "marker" in left[1].message
    # And it is true: it can, and is told the same afterwards.
    plain.execute('ALTER ROLE "The DBA" RENAME TO the_dba')
    apply(plain, BANK_MAP, user="the_dba")
    assert [f.severity for f in of(plain, "rights", user="the_dba")] == ["ok", "note"]


def test_tables_of_a_superuser_are_not_to_be_had_by_joining_it(plain):
    advice = {f.advice for f in of(plain, "rights", user="stranger") if f.about.startswith("bank.")}
    assert not any("GRANT" in line and "postgres" in line for line in advice)


def test_whoever_can_create_roles_but_not_become_the_owner(bank):
    bank.execute("CREATE ROLE second_dba LOGIN")
    (found,) = [f for f in of(bank, "rights", user="second_dba", text=None) if f.about == "second_dba"]
    assert "rlsguard_owner" in found.message
    bank.execute(found.advice)
    assert [f for f in of(bank, "rights", user="second_dba", text=None) if f.about == "second_dba"] == []
    if bank.server.major >= 16:
        (found,) = of(bank, "guard")
        assert (found.severity, found.about) == ("note", "rlsguard_owner")
        assert found.message.startswith("second_dba can let anybody become rlsguard_owner")
        # Who applies may administer the guard; and needs no more than that.
        apply(bank, BANK_MAP)
    else:
        assert verdicts(bank, "guard") == [("ok", "rlsguard_owner")]


def test_a_map_that_does_not_fit(plain):
    assert verdicts(plain, "map") == []
    (found,) = of(plain, "map", text=BANK_MAP.replace("bank.trans:", "bank.transs:"))
    assert found.severity == "error"
    assert "bank.transs" in found.message


@pytest.mark.parametrize(("text", "mode"), [(BANK_MAP, "attribute"), (MARKER_MAP, "marker")])
def test_both_modes_are_seen_and_work(plain, text, mode):
    apply(plain, text)
    for asked in (text, None):
        assert verdicts(plain, "guard", text=asked) == [("ok", "rlsguard_owner")]
        assert verdicts(plain, "guard-mode", text=asked) == [("ok", mode)]
        assert verdicts(plain, "guard-probe", text=asked) == [("ok", "bank.disp")]
    assert verdicts(plain, "guard-mode", user="stranger") == [("ok", mode)]
    assert verdicts(plain, "guard-probe", user="stranger") == [("note", "")]


def test_the_attribute_is_gone(bank):
    bank.execute("SELECT * FROM rlsguard.opt_out('client', '1', '{marketing}', 'a', 'r')")
    bank.execute("ALTER ROLE rlsguard_owner NOBYPASSRLS")
    assert verdicts(bank, "guard-mode", user="stranger") == [("error", "rlsguard_owner")]
    (found,) = of(bank, "guard-probe")
    assert (found.severity, found.message.split(":")[:2]) == (
        "error",
        ["the guard cannot read bank.disp", " opt-outs cannot be enforced"],
    )


@pytest.mark.parametrize(
    ("damage", "seen"),
    [
        ("ALTER TABLE rlsguard.guard_only FORCE ROW LEVEL SECURITY", "forced"),
        ("ALTER TABLE rlsguard.guard_only DISABLE ROW LEVEL SECURITY", "no row security"),
        ('CREATE POLICY "let\'s see" ON rlsguard.guard_only USING (true)', '"let\'s see"'),
        ("ALTER TABLE rlsguard.guard_only OWNER TO postgres", "belong"),
    ],
)
def test_the_marker_is_broken(plain, damage, seen):
    apply(plain, MARKER_MAP)
    plain.execute(damage)
    (found,) = of(plain, "guard-mode", user="stranger")
    assert (found.severity, found.about) == ("error", "rlsguard.guard_only")
    assert seen in found.message


def test_a_marker_that_is_empty_is_found_by_the_probe(plain):
    apply(plain, MARKER_MAP)
    plain.execute("SELECT * FROM rlsguard.opt_out('client', '1', '{marketing}', 'a', 'r')")
    plain.execute("DELETE FROM rlsguard.guard_only")
    assert verdicts(plain, "guard-mode") == [("ok", "marker")]
    assert verdicts(plain, "guard-probe") == [("error", "bank.disp")]


def test_who_can_become_the_guard(bank):
    bank.execute("GRANT rlsguard_owner TO stranger, teller_app")
    bank.execute("ALTER ROLE rlsguard_owner LOGIN")
    login, members = of(bank, "guard", user="bi_reader")
    assert login.severity == members.severity == "error"
    assert members.advice == "REVOKE rlsguard_owner FROM stranger, teller_app;"
    bank.execute(login.advice)
    bank.execute(members.advice)
    assert verdicts(bank, "guard") == [("ok", "rlsguard_owner")]


def test_a_schema_that_is_somebody_elses(bank):
    bank.execute('CREATE ROLE "some body"; ALTER SCHEMA rlsguard OWNER TO "some body"')
    found = of(bank, "guard", user="stranger")[0]
    assert found.severity == "error"
    assert found.advice.startswith('As "some body" run rlsguard apply')


def test_no_check_is_silent_or_breaks_for_a_login_without_rights(bank):
    bank.execute("CREATE ROLE nobody_at_all LOGIN")
    asked = {f.check for f in findings(bank)}
    assert asked - {f.check for f in findings(bank, user="nobody_at_all")} == set()
    unseen = [f.check for f in findings(bank, user="nobody_at_all") if "could not" in f.message]
    assert unseen == ["guard-probe", "exemptions", "dropped-roles"]

"""Settings, the audit, people, and exemptions: each finding provoked, and gone again."""

from __future__ import annotations

from datetime import date

import psycopg
import pytest
from psycopg import sql

from examining import of, verdicts
from guarding import BANK_MAP, HEAD, apply
from rlsguard.doctor.exempt import exemption

ODD = 'Bob "the\'loader" Łoader'


def test_settings_of_roles_and_databases(bank):
    assert verdicts(bank, "settings", user="stranger") == [("ok", "")]
    bank.execute(sql.SQL("CREATE ROLE {}").format(sql.Identifier(ODD)))
    bank.execute(sql.SQL("ALTER ROLE {} SET row_security = off").format(sql.Identifier(ODD)))
    bank.execute(f"ALTER DATABASE {bank.name} SET session_replication_role = replica")
    bank.execute(f"ALTER ROLE stranger IN DATABASE {bank.name} SET pgaudit.log = 'none'")
    found = of(bank, "settings", user="teller_app")
    assert {(f.severity, f.about) for f in found} == {
        ("warning", "row_security"),
        ("warning", "session_replication_role"),
        ("warning", "pgaudit.log"),
    }
    for finding in found:
        if finding.advice.startswith("ALTER"):
            bank.execute(finding.advice)
    assert verdicts(bank, "settings") == [("ok", "")]


def test_statements_in_the_log(bank):
    bank.execute(f"ALTER DATABASE {bank.name} SET log_statement = 'mod'")
    assert verdicts(bank, "settings") == [("note", "log_statement")]


def test_jit(bank):
    ((available,),) = bank.execute("SELECT pg_jit_available()")
    assert verdicts(bank, "jit") == [("note" if available else "ok", "jit")]
    bank.execute(f"ALTER DATABASE {bank.name} SET jit = off")
    assert verdicts(bank, "jit") == [("ok", "jit")]


def test_pgaudit_step_by_step(bank):
    loaded = bank.execute("SELECT EXISTS (SELECT FROM pg_settings WHERE name = 'pgaudit.role')") == [(True,)]
    first = of(bank, "pgaudit", user="stranger")
    if not loaded:
        assert [(f.severity, f.about) for f in first] == [("warning", "")]
        assert "not loaded" in first[0].message
        # A setting of that name is no pgaudit.
        bank.execute(f"ALTER DATABASE {bank.name} SET pgaudit.role = 'bi_reader'")
        assert of(bank, "pgaudit", user="stranger") == first
        return
    assert [f.about for f in first] == ["", "pgaudit.role"]
    bank.execute(first[0].advice)
    assert verdicts(bank, "pgaudit") == [("warning", "pgaudit.role")]
    bank.execute(f"ALTER DATABASE {bank.name} SET pgaudit.role = 'Watch Man'")
    assert "no role" in of(bank, "pgaudit")[0].message
    bank.execute('CREATE ROLE "Watch Man" LOGIN; GRANT SELECT ON bank.client, bank.disp, bank.account TO "Watch Man"')
    silent, login = of(bank, "pgaudit", user="stranger")
    assert (silent.about, login.about) == ("bank.trans", "Watch Man")
    bank.execute(login.advice)
    bank.execute('GRANT SELECT (amount) ON bank.trans TO "Watch Man"')
    assert verdicts(bank, "pgaudit", user="stranger") == [("ok", "Watch Man")]


def test_who_stands_above_the_policies(bank):
    assert "postgres" in of(bank, "superusers", user="stranger")[0].message
    assert verdicts(bank, "bypassrls") == [("ok", "")]
    bank.execute('CREATE ROLE "see all" BYPASSRLS NOLOGIN')
    assert verdicts(bank, "bypassrls") == [("ok", "")]
    bank.execute('GRANT "see all" TO teller_app; CREATE ROLE etl LOGIN BYPASSRLS')
    (found,) = of(bank, "bypassrls", user="stranger")
    assert found.severity == "note"
    assert ": etl, teller_app." in found.message
    bank.execute("CREATE ROLE root2 NOLOGIN SUPERUSER; GRANT root2 TO bi_reader")
    assert "bi_reader" in of(bank, "superusers", user="stranger")[0].message


def test_create_role_before_16(bank):
    assert verdicts(bank, "createrole") == []
    bank.execute("ALTER ROLE stranger CREATEROLE")
    assert verdicts(bank, "createrole") == ([("note", "")] if bank.major < 16 else [])


def test_owners_with_a_login(bank):
    assert verdicts(bank, "table-owners") == [("ok", "")]
    bank.execute("CREATE ROLE bank_owner; ALTER TABLE bank.trans OWNER TO bank_owner")
    assert verdicts(bank, "table-owners") == [("ok", "")]
    bank.execute("GRANT bank_owner TO teller_app")
    (found,) = of(bank, "table-owners", user="stranger", text=None)
    assert (found.severity, found.about) == ("note", "bank_owner")
    assert ": teller_app." in found.message


def test_loaders_are_named_and_really_refused(bank):
    found = {f.about: f.message for f in of(bank, "copy-from", user="stranger")}
    assert list(found) == ["bank.account", "bank.client", "bank.disp", "bank.trans"]
    with bank.connect("teller_app") as conn, pytest.raises(psycopg.errors.FeatureNotSupported):
        conn.cursor().copy("COPY bank.trans FROM STDIN").__enter__()
    bank.execute(
        "REVOKE INSERT ON ALL TABLES IN SCHEMA bank FROM campaign_app, bi_reader, teller_app, sox_auditor, stranger"
    )
    assert verdicts(bank, "copy-from") == [("ok", "")]
    name = sql.Identifier(ODD)
    bank.execute(sql.SQL("CREATE ROLE {0}; GRANT INSERT (amount) ON bank.trans TO {0}").format(name))
    (one,) = of(bank, "copy-from", text=None)
    assert one.about == "bank.trans"
    assert '"Bob ""the\'loader"" Łoader"' in one.message
    bank.execute("GRANT pg_write_all_data TO stranger")
    assert all("stranger" in f.message for f in of(bank, "copy-from"))


def test_whoever_may_truncate(bank):
    assert verdicts(bank, "truncate") == [("ok", "")]
    bank.execute('CREATE ROLE "e t l"; GRANT TRUNCATE ON bank.trans TO "e t l", PUBLIC')
    (found,) = of(bank, "truncate", user="stranger", text=None)
    assert (found.severity, found.about) == ("warning", "bank.trans")
    bank.execute(found.advice)
    assert verdicts(bank, "truncate") == [("ok", "")]


@pytest.mark.parametrize(
    ("until", "severity", "advised"),
    [
        (date(2026, 6, 14), "warning", True),
        (date(2026, 6, 15), "note", True),
        (date(2026, 7, 15), "note", True),
        (date(2026, 7, 16), "note", False),
        (None, "note", False),
    ],
)
def test_exemptions_by_their_end(until, severity, advised):
    found = exemption("Odd One", "SOX", until, date(2026, 6, 15))
    assert (found.severity, bool(found.advice)) == (severity, advised)
    assert '"Odd One"' in found.message
    assert ("ended" in found.message) == (severity == "warning")


def test_exemptions_in_the_database(plain):
    assert verdicts(plain, "exemptions") == []
    apply(plain, BANK_MAP.replace("2099-12-31", "2020-01-31"))
    assert verdicts(plain, "exemptions") == [("warning", "sox_auditor")]
    assert verdicts(plain, "exemptions", user="stranger") == [("note", "")]
    plain.execute("GRANT rlsguard_auditor TO stranger")
    assert verdicts(plain, "exemptions", user="stranger", text=None) == [("warning", "sox_auditor")]
    apply(plain, BANK_MAP.replace(HEAD, HEAD[: HEAD.index("exempt:")]))
    assert verdicts(plain, "exemptions") == [("ok", "")]


def test_roles_that_were_dropped(bank):
    assert verdicts(bank, "dropped-roles") == [("ok", "")]
    for role in ("bi_reader", "sox_auditor"):
        bank.execute(f"DROP OWNED BY {role}; DROP ROLE {role}")
    (found,) = of(bank, "dropped-roles", text=None)
    assert found.severity == "warning"
    assert "analytics" in found.message
    (found,) = of(bank, "exemptions", text=None)
    assert (found.severity, "was dropped" in found.message) == ("warning", True)
    assert verdicts(bank, "map") == [("error", "")]

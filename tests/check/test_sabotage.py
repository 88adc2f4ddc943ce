"""What weakens a guard, done one thing at a time: each is found, named, and ended by what the check says."""

from __future__ import annotations

import pytest

from check.test_innocence import remembering
from check.test_mutations import found, of_this_version
from guarding import BANK, apply, load, opt_out
from prove.test_sabotage import MAP, PARTITIONED
from prove.test_sabotage import SABOTAGES as WAYS_AROUND
from rlsguard.check import check
from rlsguard.check.model import Finding
from servers import Database

# Beyond those that a proof is tried on: what is done, and the finding.
SABOTAGES = {
    "table made anew": (
        "CREATE TABLE bank.fresh (LIKE bank.trans INCLUDING ALL); DROP TABLE bank.trans;"
        "ALTER TABLE bank.fresh RENAME TO trans",
        "RG103 protect bank.trans",
    ),
    "table swapped": (
        "CREATE TABLE bank.fresh (LIKE bank.trans INCLUDING ALL); ALTER TABLE bank.trans RENAME TO old_trans;"
        "ALTER TABLE bank.fresh RENAME TO trans",
        "RG103 protect bank.trans",
    ),
    "copy of a table": ("CREATE TABLE bank.copy AS SELECT * FROM bank.trans", "RG301 table bank.copy"),
    "table with a person": (
        "CREATE TABLE bank.letter (letter_id int PRIMARY KEY, to_whom int REFERENCES bank.client)",
        "RG301 table bank.letter",
    ),
    "guard dropped with CASCADE": (
        "DROP VIEW rlsguard_views.suppressed_client CASCADE", "RG107 relation rlsguard_views.suppressed_client",
    ),
    "policy gone": ('DROP POLICY "!rlsguard" ON bank.trans', "RG105 policy bank.trans !rlsguard"),
    "policy and manifest": (
        """
        ALTER POLICY "!rlsguard" ON bank.trans USING (true);
        UPDATE rlsguard.manifest AS m
        SET objects = m.objects || jsonb_build_object('policy bank.trans !rlsguard', (
            SELECT encode(sha256(convert_to(concat_ws(E'\\n', 'AS RESTRICTIVE', 'FOR ALL', 'TO PUBLIC',
                'USING ' || pg_get_expr(p.polqual, p.polrelid),
                'WITH CHECK ' || pg_get_expr(p.polwithcheck, p.polrelid)), 'UTF8')), 'hex')
            FROM pg_policy AS p WHERE p.polrelid = 'bank.trans'::regclass AND p.polname = '!rlsguard'))
        WHERE unit = 'protect bank.trans'
        """,
        "RG122 policy bank.trans !rlsguard",
    ),
    "nothing left of the manifest": (
        'DELETE FROM rlsguard.manifest; ALTER POLICY "!rlsguard" ON bank.trans USING (true)',
        "RG101 protect bank.trans",
    ),
    "opt-outs made up": (
        "INSERT INTO rlsguard.opt_out_client (subject_key, purpose, in_force, version)"
        " VALUES (2, 'marketing', true, 1)",
        "RG120 rlsguard.opt_out_client",
    ),
    "superuser": ("CREATE ROLE back_door LOGIN SUPERUSER", "RG222 role back_door"),
    "BYPASSRLS by another login": ("CREATE ROLE back_door LOGIN BYPASSRLS", "RG222 role back_door"),
    "REPLICATION": ("CREATE ROLE back_door LOGIN REPLICATION", "RG223 role back_door"),
    "restrictive policy that is asked first": (
        'CREATE POLICY "!!" ON bank.trans AS RESTRICTIVE USING (true)', 'RG204 policy "!!" on bank.trans',
    ),
    "guard's role by name": ("GRANT rlsguard_owner TO stranger", "RG214 role stranger"),
    "planner's statistics": ("GRANT SELECT ON pg_statistic TO stranger", "RG219 catalog pg_statistic"),
    "reading files": (
        "GRANT EXECUTE ON FUNCTION pg_read_file(text) TO stranger", "RG218 function pg_read_file(text)",
    ),
    "TRUNCATE of a link table": ("GRANT TRUNCATE ON bank.disp TO stranger", "RG211 TRUNCATE of stranger on bank.disp"),
    "member of a role that is exempt": ("GRANT sox_auditor TO stranger", "RG213 role stranger"),
    "rights to what the guard makes": (
        "ALTER DEFAULT PRIVILEGES FOR ROLE rlsguard_owner GRANT SELECT ON TABLES TO stranger",
        "RG118 default privileges of rlsguard_owner",
    ),
    "rights to what it makes in its schema": (
        "ALTER DEFAULT PRIVILEGES FOR ROLE rlsguard_nobody IN SCHEMA rlsguard GRANT EXECUTE ON FUNCTIONS TO PUBLIC",
        "RG118 default privileges of rlsguard_nobody",
    ),
    "everything read": ("GRANT pg_read_all_data TO stranger", "RG215 role stranger"),
}  # fmt: skip


@pytest.fixture
def bank(db: Database) -> Database:
    db.execute(BANK)
    db.execute(PARTITIONED)
    apply(db, MAP)
    opt_out(db, 3, "marketing")
    return db


def keys(findings: list[Finding]) -> set[str]:
    return {finding.key for finding in findings}


def test_sabotage_is_found_and_mended(bank: Database, request: pytest.FixtureRequest) -> None:
    datamap, expect = load(MAP), remembering()
    every = {name: (one.do, "") for name, one in WAYS_AROUND.items()} | SABOTAGES
    missed: dict[str, object] = {}
    lasting: dict[str, object] = {}
    with bank.connect(autocommit=False) as conn:
        assert found(conn, datamap, expect) == []
        for name, (do, key) in of_this_version(every, bank, request).items():
            with conn.transaction(force_rollback=True):
                conn.execute(do)
                seen = found(conn, datamap, expect)
                if not seen or (key and key not in keys(seen)):
                    missed[name] = keys(seen)
                # What is mended by an apply needs a connection of its own: it is shown elsewhere, object by object.
                mends = {f.key: f.mend for f in seen if not f.mend.startswith(("rlsguard ", "Put ", "DELETE "))}
                for mend in mends.values():
                    conn.execute(mend)
                if left := mends.keys() & keys(found(conn, datamap, expect)):
                    lasting[name] = left
    assert missed == {}
    assert lasting == {}
    assert len(every) > 50


@pytest.mark.parametrize(
    ("do", "about", "why"),
    [
        (
            "ALTER TABLE bank.payment DROP CONSTRAINT payment_pkey; CREATE FOREIGN DATA WRAPPER nowhere;"
            "CREATE SERVER far FOREIGN DATA WRAPPER nowhere; CREATE FOREIGN TABLE bank.payment_9"
            " PARTITION OF bank.payment FOR VALUES FROM (900) TO (999) SERVER far",
            "tables.bank.payment",
            "which cannot carry a policy",
        ),
        ("DROP TABLE bank.trans", "tables.bank.trans", "table bank.trans is not in the database"),
        ("DROP OWNED BY bi_reader; DROP ROLE bi_reader", "roles.bi_reader", "role bi_reader is not in the database"),
    ],
    ids=["foreign partition", "table gone", "role gone"],
)
def test_a_map_that_does_not_fit_any_more_is_found(bank: Database, do: str, about: str, why: str) -> None:
    bank.execute(do)
    with bank.connect() as conn:
        outcome = check(conn, load(MAP))
    assert [(f.kind.id, f.about) for f in outcome.findings] == [("RG125", about)]
    assert why in outcome.findings[0].why
    assert outcome.fails("error")

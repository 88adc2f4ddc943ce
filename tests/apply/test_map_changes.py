"""Changes of the map by which opt-outs in force would end, or become other people's, are refused."""

from __future__ import annotations

import subprocess

import pytest

from guarding import ALL, BANK_MAP, WITHOUT_1, apply, column, load, opt_in, opt_out, small_bank, visible
from rlsguard import apply as applying
from rlsguard.check import check
from rlsguard.names import QualifiedName
from rlsguard.problems import RlsguardError
from rlsguard.uninstall import uninstall

pytestmark = pytest.mark.by_turns

RENAMED_KIND = BANK_MAP.replace("  client: {", "  customer: {").replace("{client:", "{customer:")
GONE = BANK_MAP.replace("marketing", "advertising")
COMPULSORY = BANK_MAP.replace("marketing: {description: Campaigns}", "marketing: {opt_out: false}")


CRM_NO = """
ALTER TABLE bank.client ADD crm_no int UNIQUE;
UPDATE bank.client SET crm_no = 4 - client_id;
ALTER TABLE bank.client ALTER crm_no SET NOT NULL;
"""


@pytest.fixture
def bank(template_db):
    db = small_bank(template_db, BANK_MAP, more=CRM_NO)
    opt_out(db, 1, "marketing")
    return db


@pytest.mark.parametrize(("text", "lacks"), [(RENAMED_KIND, "client"), (GONE, "marketing"), (COMPULSORY, "marketing")])
@pytest.mark.parametrize("dry_run", [False, True])
def test_what_has_opt_outs_in_force_goes_only_when_it_is_named(bank, text, lacks, dry_run):
    with pytest.raises(RlsguardError, match=f"the data map lacks {lacks}, and 1 of kind client .* of marketing"):
        apply(bank, text, dry_run=dry_run)
    with pytest.raises(RlsguardError, match=f"apply with --release {lacks}"):
        apply(bank, text, dry_run=dry_run, release=["analytics"])
    assert visible(bank, "campaign_app") == WITHOUT_1
    delta = apply(bank, text, dry_run=dry_run, release=[lacks])
    assert delta.ending == (("client", "marketing", 1),)
    assert "marketing: opt-outs of kind client that end: 1; they stay in the ledger." in [str(n) for n in delta.notices]
    assert visible(bank, "campaign_app") == (WITHOUT_1 if dry_run else ALL)
    if not dry_run:
        assert apply(bank, text).changes == ()
        # The opt-outs are not forgotten: should the purpose come back, they are in force again.
        apply(bank, BANK_MAP)
        assert visible(bank, "campaign_app") == WITHOUT_1


def test_what_is_released_must_be_known(bank):
    with pytest.raises(RlsguardError, match=r"cannot release marketng: there is .*; did you mean marketing\?"):
        apply(bank, GONE, release=["marketng"])
    # What was released before still is: whoever says it again is not wrong.
    apply(bank, GONE, release=["marketing"])
    apply(bank, GONE, release=["marketing"])


def test_what_has_no_opt_outs_in_force_may_go(bank):
    opt_in(bank, 1, "marketing")
    apply(bank, GONE)
    assert column(bank, "SELECT purpose FROM rlsguard.purpose WHERE opt_out") == ["advertising", "analytics"]


def test_a_kind_that_goes_takes_its_state_along(bank):
    def told(text):
        with bank.connect() as conn:
            return {finding.kind.id for finding in check(conn, load(text)).findings}

    assert told(RENAMED_KIND) == {"RG101", "RG102", "RG119", "RG128"}
    apply(bank, RENAMED_KIND, release=["client"])
    assert told(RENAMED_KIND) == set()
    assert bank.execute("SELECT to_regclass('rlsguard.opt_out_client'), kind FROM rlsguard.subject") == [
        (None, "customer")
    ]
    # The ledger has all of it.
    apply(bank, BANK_MAP)
    assert visible(bank, "campaign_app") == WITHOUT_1
    opt_out(bank, 1, "marketing")
    assert column(bank, "SELECT version FROM rlsguard.opt_out_event") == [1, 2]


def test_tables_that_stay_guarded_keep_the_state_that_they_ask(bank):
    text = RENAMED_KIND[: RENAMED_KIND.index("tables:")]
    apply(bank, text, release=["client"])
    with bank.connect() as conn:
        found = check(conn, load(text)).findings
    assert [f.mend for f in found if f.kind.id == "RG128"] == [
        "rlsguard apply MAP --prune bank.account --prune bank.client --prune bank.disp --prune bank.trans"
    ]
    assert {f.kind.id for f in found} == {"RG121", "RG128", "RG301"}
    apply(bank, text, prune=[entry.table for entry in load(BANK_MAP).tables.values()])
    assert column(bank, "SELECT unit FROM rlsguard.manifest WHERE unit ~ '^(state|view) '") == ["state customer"]


def test_a_table_is_let_go_under_the_name_that_it_has_now(bank):
    bank.execute("ALTER TABLE bank.trans RENAME TO movement")
    text = BANK_MAP[: BANK_MAP.index("  bank.trans:")]
    apply(bank, text, prune=[QualifiedName("bank", "movement")])
    assert bank.execute("SELECT relrowsecurity FROM pg_class WHERE oid = 'bank.movement'::regclass") == [(False,)]


def test_files_run_by_psql_refuse_as_well(bank, tmp_path):
    with bank.connect() as conn:
        for name, text in applying.generate(conn, load(GONE)).items():
            (tmp_path / name).write_text(text)
    command = [bank.server.bindir / "psql", "-X", "-q", "-d", bank.dsn(), "-f", tmp_path / "apply.sql"]
    result = subprocess.run(command, capture_output=True, text=True)
    assert result.returncode != 0
    assert "the data map lacks marketing" in result.stderr
    assert visible(bank, "campaign_app") == WITHOUT_1
    released = {"PGOPTIONS": "-c rlsguard.release={marketing}"}
    subprocess.run(command, check=True, env=released, capture_output=True)
    assert visible(bank, "campaign_app") == ALL


@pytest.mark.parametrize("dry_run", [False, True])
def test_the_key_is_another_column(bank, dry_run):
    with pytest.raises(
        RlsguardError, match=r"recorded by bank\.client\.client_id; by bank\.client\.crm_no they would be"
    ):
        apply(bank, BANK_MAP.replace("key: client_id", "key: crm_no"), dry_run=dry_run, release=["client"])
    assert visible(bank, "campaign_app") == WITHOUT_1


def test_the_key_is_the_same_column_under_another_name(bank):
    bank.execute("ALTER TABLE bank.client RENAME client_id TO id; ALTER TABLE bank.client RENAME TO person")
    text = BANK_MAP.replace("key: client_id", "key: id").replace("bank.client", "bank.person")
    apply(
        bank,
        text.replace(
            "bank.person: {holds: [personal], subject: {client: client_id}}",
            "bank.person: {holds: [personal], subject: {client: id}}",
        ),
    )
    assert column(bank, "SELECT id FROM bank.person", user="campaign_app") == [2, 3]


def test_the_name_of_the_key_has_passed_to_another_column(bank):
    bank.execute(
        "ALTER TABLE bank.client RENAME client_id TO old_id; ALTER TABLE bank.client RENAME crm_no TO client_id"
    )
    with pytest.raises(
        RlsguardError, match=r"recorded by bank\.client\.old_id; by bank\.client\.client_id they would be"
    ):
        apply(bank, BANK_MAP)


def test_the_name_of_a_key_that_is_gone_has_passed_to_another_column(bank):
    apply(bank, _NO_TABLES, prune=load(BANK_MAP).tables)
    bank.execute("ALTER TABLE bank.client DROP client_id CASCADE; ALTER TABLE bank.client RENAME crm_no TO client_id")
    with pytest.raises(RlsguardError, match=r"recorded by bank\.client\.client_id, which is gone; by .* they would be"):
        apply(bank, BANK_MAP)


_NEW_ID = """
CREATE FUNCTION bank.any_equal(bigint, int) RETURNS boolean IMMUTABLE LANGUAGE sql RETURN true;
CREATE OPERATOR bank.= (FUNCTION = bank.any_equal, LEFTARG = bigint, RIGHTARG = int);
ALTER TABLE bank.client ADD new_id bigint UNIQUE;
UPDATE bank.client SET new_id = client_id;
ALTER TABLE bank.client ALTER new_id SET NOT NULL;
"""
_BY_NEW_ID = """
version: 1
subjects: {client: {table: bank.client, key: new_id}}
purposes: {marketing: {}}
roles: {campaign_app: [marketing]}
tables: {bank.client: {holds: [personal], subject: {client: new_id}, when_unknown: show}}
"""
_EQUAL = "ADD CHECK (new_id = client_id)"


@pytest.mark.by_turns(False)
@pytest.mark.parametrize(
    "made",
    [
        f"{_EQUAL} NOT VALID",
        f"{_EQUAL} NOT ENFORCED",
        f"{_EQUAL}, ALTER new_id DROP NOT NULL",
        f"{_EQUAL}, ALTER new_id DROP NOT NULL, ADD NOT NULL new_id NOT VALID",
        # 0.1 and 0.10 are equal, and are two texts
        f"ALTER new_id TYPE numeric, {_EQUAL}",
        "ADD CHECK (new_id >= client_id)",
        "ADD CHECK (new_id = client_id OR new_id > 3)",
        "ADD CHECK (new_id OPERATOR(bank.=) client_id)",
    ],
)
def test_another_column_is_not_known_to_be_the_same_key(bank, made):
    if bank.major < 18 and ("ENFORCED" in made or "NOT NULL new_id NOT VALID" in made):
        pytest.skip("PostgreSQL before 18 does not have this")
    apply(bank, _NO_TABLES, prune=load(BANK_MAP).tables)
    bank.execute(_NEW_ID + f"ALTER TABLE bank.client {made}")
    with pytest.raises(RlsguardError, match=r"recorded by bank\.client\.client_id; by bank\.client\.new_id they would"):
        apply(bank, _BY_NEW_ID)


@pytest.mark.by_turns(False)
@pytest.mark.parametrize("made", [_EQUAL, "ADD CHECK (client_id = new_id)"])
def test_another_column_is_the_same_key_where_a_check_says_that_both_are_equal(bank, made):
    apply(bank, _NO_TABLES, prune=load(BANK_MAP).tables)
    bank.execute(_NEW_ID + f"ALTER TABLE bank.client {made}")
    apply(bank, _BY_NEW_ID)
    assert column(bank, "SELECT new_id FROM bank.client", user="campaign_app") == [2, 3]
    opt_out(bank, 2, "marketing")
    # And back, with what was recorded meanwhile.
    apply(bank, _NO_TABLES.replace("client_id", "new_id"), prune=load(_BY_NEW_ID).tables)
    apply(bank, BANK_MAP)
    assert column(bank, "SELECT client_id FROM bank.client", user="campaign_app") == [3]


_NO_TABLES = "version: 1\nsubjects: {client: {table: bank.client, key: client_id}}\npurposes: {marketing: {}}\n"


def test_the_key_has_a_type_in_which_it_reads_the_same(bank):
    apply(bank, _NO_TABLES, prune=[load(BANK_MAP).tables[name].table for name in load(BANK_MAP).tables])
    bank.execute("ALTER TABLE bank.client ALTER client_id TYPE bigint")
    bank.execute("ALTER TABLE bank.disp ALTER client_id TYPE bigint")
    apply(bank, BANK_MAP)
    assert visible(bank, "campaign_app") == WITHOUT_1
    opt_out(bank, 5_000_000_000, "marketing")


def test_the_key_has_a_type_in_which_it_reads_differently(bank):
    apply(bank, _NO_TABLES, prune=[load(BANK_MAP).tables[name].table for name in load(BANK_MAP).tables])
    for table in ("client", "disp"):
        bank.execute(f"ALTER TABLE bank.{table} ALTER client_id TYPE numeric(12, 2)")
    # 1 is 1 as a numeric too. What reads differently is a date.
    apply(bank, _NO_TABLES)
    bank.execute("ALTER TABLE bank.disp DROP CONSTRAINT disp_client_id_fkey")
    for table in ("client", "disp"):
        bank.execute(f"ALTER TABLE bank.{table} ALTER client_id TYPE date USING date '2026-01-01' + client_id::int")
    with pytest.raises(RlsguardError, match=r"opt-outs of client are recorded as numeric; .* is date now"):
        apply(bank, BANK_MAP)
    with pytest.raises(RlsguardError, match="recorded as numeric"):
        apply(bank, _NO_TABLES)


def test_a_ledger_that_outlived_the_guard_is_not_forgotten(bank):
    with bank.connect() as conn:
        uninstall(conn)
    with pytest.raises(RlsguardError, match="the data map lacks marketing, and 1 of kind client"):
        apply(bank, GONE)
    apply(bank, BANK_MAP)
    assert visible(bank, "campaign_app") == WITHOUT_1

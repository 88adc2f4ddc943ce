"""Good maps: what is read from them, and where it stands."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from guarding import load
from rlsguard import datamap
from rlsguard.datamap.model import Audit, Exemption, Hop, Join, Purpose, Role, Subject, SubjectPath, Waiver
from rlsguard.names import QualifiedName
from rlsguard.problems import Position

BANK = """\
version: 1
subjects:
  client: {table: bank.client, key: client_id}
purposes:
  marketing: {description: Campaigns and cross-selling}
  analytics: {}
  servicing: {opt_out: false, description: Running the account is a contract}
roles:                      # database role -> its purposes
  campaign_app: [marketing]
  bi_reader: [analytics]
  teller_app: [servicing]
exempt:
  sox_auditor: {reason: SOX 404 testing, until: 2027-06-30}
tables:
  bank.client: {holds: [personal], subject: {client: client_id}, columns: {birth_number: user.demographic}}
  bank.disp:   {holds: [personal], subject: {client: client_id}}
  bank.account: {holds: [financial], subject: {client: [account_id = bank.disp.account_id, client_id]}, joint: any}
  bank.trans:   {holds: [financial], subject: {client: [account_id = bank.disp.account_id, client_id]}, joint: any, audit: true}
  bank.card:    {holds: [financial], subject: {client: [disp_id = bank.disp.disp_id, client_id]}}
  bank.district: {holds: []}          # reviewed: no person
"""  # noqa: E501


def path_of(read: datamap.DataMap, table: str) -> SubjectPath:
    """Return the only path of *table*, a table of the schema bank."""
    (path,) = read.tables[QualifiedName("bank", table)].paths
    return path


def test_the_bank(tmp_path: Path) -> None:
    file = tmp_path / "map.yaml"
    file.write_text(BANK)
    read = datamap.load(file)
    assert read.subjects == {
        "client": Subject("client", QualifiedName("bank", "client"), "client_id", ("subjects", "client"))
    }
    assert list(read.purposes.values()) == [
        Purpose("marketing", True, "Campaigns and cross-selling", ("purposes", "marketing")),
        Purpose("analytics", True, "", ("purposes", "analytics")),
        Purpose("servicing", False, "Running the account is a contract", ("purposes", "servicing")),
    ]
    assert list(read.roles.values()) == [
        Role("campaign_app", ("marketing",), ("roles", "campaign_app")),
        Role("bi_reader", ("analytics",), ("roles", "bi_reader")),
        Role("teller_app", ("servicing",), ("roles", "teller_app")),
    ]
    assert read.exempt == {
        "sox_auditor": Exemption("sox_auditor", "SOX 404 testing", date(2027, 6, 30), ("exempt", "sox_auditor"))
    }
    assert read.bypass is None
    assert [str(name) for name in read.tables] == [
        "bank.client",
        "bank.disp",
        "bank.account",
        "bank.trans",
        "bank.card",
        "bank.district",
    ]
    client, _, account, trans, _, district = read.tables.values()
    assert (client.holds, client.columns) == (("personal",), {"birth_number": "user.demographic"})
    assert (account.joint, account.when_unknown, account.existing_policies, account.audit) == ("any", None, None, None)
    assert trans.audit == Audit((), (), ("tables", "bank.trans", "audit"))
    assert (district.holds, district.paths) == ((), ())
    assert path_of(read, "client") == SubjectPath("client", (), "client_id", (*client.location, "subject", "client"))
    here = ("tables", "bank.account", "subject", "client")
    hop = Hop(QualifiedName("bank", "disp"), (Join("account_id", "account_id"),), (*here, 0))
    assert path_of(read, "account") == SubjectPath("client", (hop,), "client_id", here)
    assert read.position(hop.location) == Position(str(file), 17, 57)
    assert read.position(("tables", "bank.district", "not", "there")) == Position(str(file), 20, 3)


def test_the_map_of_the_demo() -> None:
    read = datamap.load(Path(__file__).parents[2] / "policies" / "berka.yaml")
    assert len(read.tables) == 8
    assert QualifiedName("bank", "order") in read.tables


def test_the_least_map() -> None:
    read = load("version: 1\n")
    assert (read.subjects, read.purposes, read.roles, read.exempt, read.tables) == ({}, {}, {}, {}, {})


@pytest.mark.parametrize(
    "text",
    [
        "\ufeff" + BANK,
        BANK.replace("\n", "\r\n"),
        "%YAML 1.2\n---\n" + BANK + "...\n",
        BANK.replace("\n", "   # a comment\n\n# and another\n"),
        '{"version": 1, "subjects": {"client": {"table": "bank.client", "key": "client_id"}}, '
        '"purposes": {"marketing": {"description": "Campaigns and cross-selling"}, "analytics": {}, '
        '"servicing": {"opt_out": false, "description": "Running the account is a contract"}}}',
    ],
    ids=["byte order mark", "Windows line ends", "document marks", "comments", "JSON"],
)
def test_other_ways_to_write_it(tmp_path: Path, text: str) -> None:
    (tmp_path / "map.yaml").write_text(text, encoding="utf-8", newline="")
    read, plain = datamap.load(tmp_path / "map.yaml"), load(BANK)
    assert (read.subjects, read.purposes) == (plain.subjects, plain.purposes)
    if "tables" in text:
        assert (read.roles, read.exempt, read.tables) == (plain.roles, plain.exempt, plain.tables)


def test_a_folder_is_merged(tmp_path: Path) -> None:
    head, tables = BANK.split("tables:\n")
    lines = tables.splitlines(keepends=True)
    (tmp_path / "a.yaml").write_text(head)
    (tmp_path / "b.yml").write_text("tables:\n" + "".join(lines[:3]))
    (tmp_path / "c.yaml").write_text("version: 1\nguard: {bypass: marker}\ntables:\n" + "".join(lines[3:]))
    (tmp_path / "d.yaml").write_text("version: 1\nguard: {bypass: marker}\n")
    (tmp_path / "notes.txt").write_text("not a map")
    (tmp_path / "old.yaml").mkdir()
    read, whole = datamap.load(tmp_path), load(BANK)
    assert (read.subjects, read.purposes, read.roles, read.exempt, read.tables) == (
        whole.subjects,
        whole.purposes,
        whole.roles,
        whole.exempt,
        whole.tables,
    )
    assert list(read.tables) == list(whole.tables)
    assert read.bypass == "marker"
    assert read.position(("tables", "bank.disp")) == Position(str(tmp_path / "b.yml"), 3, 3)
    assert read.position(("tables", "bank.card")) == Position(str(tmp_path / "c.yaml"), 5, 3)


LONG = "ü" * 31 + "x"  # 63 bytes

NAMES = {
    "bank.order": ("bank", "order"),
    "Bank.Client": ("bank", "client"),
    '\'"Bank"."Client"\'': ("Bank", "Client"),
    'bank."order"': ("bank", "order"),
    'bank."standing order"': ("bank", "standing order"),
    'bank."say ""hello"""': ("bank", 'say "hello"'),
    '\'"a.b"."c = d"\'': ("a.b", "c = d"),
    "bank.müller": ("bank", "müller"),
    # PostgreSQL folds ASCII letters only.
    "bank.MÜLLER": ("bank", "mÜller"),
    "bank.客户": ("bank", "客户"),
    "bank.t$1": ("bank", "t$1"),
    "bank . client": ("bank", "client"),
    '\'"  "." "\'': ("  ", " "),
    f"bank.{LONG}": ("bank", LONG),
    '"bank.\\"line\\nbreak\\""': ("bank", "line\nbreak"),
    "public.t": ("public", "t"),
}


@pytest.mark.parametrize(("written", "name"), NAMES.items(), ids=NAMES)
def test_names_of_tables(written: str, name: tuple[str, str]) -> None:
    read = load(f"version: 1\ntables:\n  {written}: {{holds: []}}\n")
    assert list(read.tables) == [QualifiedName(*name)]


def test_odd_names_in_paths_and_columns() -> None:
    read = load(
        """
version: 1
subjects: {person: {table: '"My Schema"."People"', key: '"Person ID"'}}
tables:
  x.y:
    holds: [personal]
    subject:
      person:
        - '"a = b"="My Schema"."c.d"."e = f"'
        - "Müller =x . Z . \\"say \\"\\"=\\"\\"\\""
        - '"key = key"'
    columns: {'"Birth Number"': user, EMail: user.contact.email}
    audit: {redact: ['"Birth Number"'], hash: [EMail, Plain]}
"""
    )
    subject = read.subjects["person"]
    assert (subject.table, subject.key) == (QualifiedName("My Schema", "People"), "Person ID")
    (entry,) = read.tables.values()
    (path,) = entry.paths
    assert [(hop.table, hop.joins) for hop in path.hops] == [
        (QualifiedName("My Schema", "c.d"), (Join("a = b", "e = f"),)),
        (QualifiedName("x", "z"), (Join("müller", 'say "="'),)),
    ]
    assert path.key == "key = key"
    assert entry.columns == {"Birth Number": "user", "email": "user.contact.email"}
    assert entry.audit is not None
    assert (entry.audit.redact, entry.audit.hash) == (("Birth Number",), ("email", "plain"))


def test_roles_are_taken_as_they_are_written() -> None:
    read = load(
        f"version: 1\npurposes: {{p: {{}}}}\nroles: {{Upper: [p], 'a b\"c': [p], no: [p], 1: [p], {LONG}: [p]}}\n"
    )
    assert list(read.roles) == ["Upper", 'a b"c', "no", "1", LONG]


def test_several_kinds_paths_and_hops() -> None:
    read = load(
        """
version: 1
subjects:
  client: {table: bank.client, key: client_id}
  staff: {table: hr.person, key: person_no}
tables:
  bank.gift:
    holds: [personal, financial]
    subject:
      client:
        paths:
          - giver_id
          - [taker_no = bank.card.card_no, disp_id = bank.disp.disp_id, client_id]
      staff: [[bank_no = hr.desk.bank_no, desk_no = hr.desk.desk_no], person_no]
    joint: all
    when_unknown: hide
    existing_policies: wake
    audit: false
"""
    )
    (entry,) = read.tables.values()
    assert (entry.joint, entry.when_unknown, entry.existing_policies, entry.audit) == ("all", "hide", "wake", None)
    first, second, third = entry.paths
    at = ("tables", "bank.gift", "subject")
    assert first == SubjectPath("client", (), "giver_id", (*at, "client", "paths", 0))
    assert (second.kind, second.key, [str(hop.table) for hop in second.hops]) == (
        "client",
        "client_id",
        ["bank.card", "bank.disp"],
    )
    assert read.position(second.hops[1].location).line == 13
    assert (third.kind, third.key) == ("staff", "person_no")
    assert third.hops[0].joins == (Join("bank_no", "bank_no"), Join("desk_no", "desk_no"))
    assert str(third.hops[0].table) == "hr.desk"


def test_an_exempt_role_may_also_have_purposes_that_nobody_can_opt_out_of() -> None:
    read = load(
        "version: 1\npurposes: {servicing: {opt_out: false}}\n"
        "roles: {teller: [servicing]}\nexempt: {teller: {reason: law}}\n"
    )
    assert read.exempt["teller"].until is None
    assert read.roles["teller"].purposes == ("servicing",)


def test_a_date_may_have_quotes_as_in_json() -> None:
    text = '{"version": 1, "exempt": {"sox": {"reason": "a", "until": "2027-06-30"}}}'
    assert load(text).exempt["sox"].until == date(2027, 6, 30)


def test_waivers_are_read_as_they_are_spelled() -> None:
    read = load(
        "version: 1\nwaivers:\n"
        "  RG206 publication feed: {reason: Reviewed, owner: dba team, until: 2027-06-30}\n"
        "  'RG204 policy \" mine\" on bank.trans': {reason: No function, owner: dba team, until: '2027-03-31'}\n"
    )
    assert list(read.waivers.values()) == [
        Waiver(finding, reason, "dba team", until, ("waivers", finding))
        for finding, reason, until in (
            ("RG206 publication feed", "Reviewed", date(2027, 6, 30)),
            ('RG204 policy " mine" on bank.trans', "No function", date(2027, 3, 31)),
        )
    ]
    assert [read.position(waiver.location).line for waiver in read.waivers.values()] == [3, 4]

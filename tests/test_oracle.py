"""The judge judged: every expectation here was worked out by hand."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any

import pytest

from oracle import Entry, Hop, OptOut, Oracle, Path, Role, Rules, char, citext, number, rules
from rlsguard.datamap import model
from rlsguard.names import QualifiedName

# Ann and Bob share account 10, Bob alone has 11, Cem alone has 12, nobody has 13.
ANN, BOB, CEM, DEE = 1, 2, 3, 4
CLIENTS = [{"client_id": ANN}, {"client_id": BOB}, {"client_id": CEM}, {"client_id": DEE}]
DISPS = [
    {"disp_id": 100, "account_id": 10, "client_id": ANN},
    {"disp_id": 101, "account_id": 10, "client_id": BOB},
    {"disp_id": 102, "account_id": 11, "client_id": BOB},
    {"disp_id": 103, "account_id": 12, "client_id": CEM},
]
TRANS = [
    {"id": "a", "account_id": 10},
    {"id": "b", "account_id": 11},
    {"id": "c", "account_id": 12},
    {"id": "d", "account_id": 13},
    {"id": "e", "account_id": None},
]
CARDS = [{"id": "x", "disp_id": 100}, {"id": "y", "disp_id": 103}]
TABLES = {"client": CLIENTS, "disp": DISPS, "trans": TRANS, "card": CARDS, "district": [{"id": "p"}]}

BY_ACCOUNT = Path("client", (Hop("disp", (("account_id", "account_id"),)),), "client_id")
BY_DISP = Path("client", (Hop("disp", (("disp_id", "disp_id"),)),), "client_id")
ITSELF = Path("client", (), "client_id")

ROLES = {
    role.name: role
    for role in (
        Role("campaign_app"),
        Role("bi_reader"),
        Role("teller_app"),
        Role("sox_auditor"),
        Role("stranger"),
        Role("root", superuser=True),
        Role("replicator", bypass_rls=True),
        Role("intern", inherits=frozenset({"campaign_app"})),
        Role("trainee", inherits=frozenset({"intern"})),
        Role("analyst", inherits=frozenset({"campaign_app", "bi_reader"})),
        Role("apart"),  # a member of campaign_app too, but NOINHERIT
        Role("teller_intern", inherits=frozenset({"teller_app", "campaign_app"})),
        Role("audit_trainee", inherits=frozenset({"sox_auditor"})),
        Role("campaigning_auditor", inherits=frozenset({"sox_auditor", "campaign_app"})),
        Role("counter_auditor", inherits=frozenset({"sox_auditor", "teller_app"})),
    )
}
UNTIL = dt.date(2027, 6, 30)
MARKETING = [OptOut("client", ANN, "marketing")]


def rules_with(tables: dict[Any, Entry], **changes: Any) -> Rules:
    said: dict[str, Any] = {
        "subjects": {"client": ("client", "client_id")},
        "purposes": {"marketing": True, "analytics": True, "servicing": False},
        "roles": {"campaign_app": ["marketing"], "bi_reader": ["analytics"], "teller_app": ["servicing"]},
        "exempt": {"sox_auditor": UNTIL},
        "tables": tables,
    }
    return Rules(**{**said, **changes})


def judge(today: dt.date = UNTIL, roles: dict[str, Role] = ROLES, **entry: bool) -> Oracle:
    tables = {
        "client": Entry((ITSELF,), **entry),
        "disp": Entry((ITSELF,), **entry),
        "trans": Entry((BY_ACCOUNT,), **entry),
        "card": Entry((BY_DISP,), **entry),
        "district": Entry(()),
    }
    return Oracle(rules_with(tables), TABLES, roles, today=today)


def ids(oracle: Oracle, role: str, table: str, opt_outs: list[OptOut], key: str = "id") -> list[Any]:
    return [row[key] for row in oracle.visible(role, table, opt_outs)]


@pytest.mark.parametrize(
    ("role", "held"),
    [
        ("campaign_app", {"marketing"}),
        ("bi_reader", {"analytics"}),
        ("teller_app", set()),
        ("sox_auditor", set()),
        ("stranger", {"marketing", "analytics"}),
        ("intern", {"marketing"}),
        ("trainee", {"marketing"}),
        ("analyst", {"marketing", "analytics"}),
        ("apart", {"marketing", "analytics"}),
        ("teller_intern", {"marketing"}),
        ("audit_trainee", set()),
        ("campaigning_auditor", {"marketing"}),
        ("counter_auditor", set()),
    ],
)
def test_what_a_role_is_held_to(role: str, held: set[str]) -> None:
    assert judge().held(role) == held


def test_an_exemption_ends_with_its_last_day() -> None:
    after = UNTIL + dt.timedelta(days=1)
    assert judge(today=UNTIL).held("sox_auditor") == set()
    assert judge(today=after).held("sox_auditor") == {"marketing", "analytics"}
    assert judge(today=after).held("audit_trainee") == {"marketing", "analytics"}
    # ... but a role with a purpose of its own falls back to that alone
    assert judge(today=after).held("counter_auditor") == set()


def test_an_exemption_without_an_end_does_not_end() -> None:
    oracle = Oracle(rules_with({}, exempt={"sox_auditor": None}), {}, ROLES, today=dt.date(2999, 1, 1))
    assert oracle.held("sox_auditor") == set()


def test_a_role_named_with_no_purpose_is_held_to_all() -> None:
    oracle = Oracle(rules_with({}, roles={"campaign_app": []}), {}, ROLES)
    assert oracle.held("campaign_app") == {"marketing", "analytics"}


def test_today_is_the_day_in_utc() -> None:
    before = dt.datetime.now(dt.UTC).date()
    assert before <= Oracle(rules_with({}), {}, {}).today <= dt.datetime.now(dt.UTC).date()


# Ann is opted out of marketing: her client row, her disp row, what is on the account she shares, her card.
@pytest.mark.parametrize("role", ["campaign_app", "stranger", "trainee", "analyst", "apart", "teller_intern"])
def test_who_is_held_sees_no_row_of_hers(role: str) -> None:
    oracle = judge()
    assert ids(oracle, role, "client", MARKETING, "client_id") == [BOB, CEM, DEE]
    assert ids(oracle, role, "disp", MARKETING, "disp_id") == [101, 102, 103]
    assert ids(oracle, role, "trans", MARKETING) == ["b", "c", "d", "e"]
    assert ids(oracle, role, "card", MARKETING) == ["y"]
    assert ids(oracle, role, "district", MARKETING) == ["p"]


@pytest.mark.parametrize("role", ["bi_reader", "teller_app", "sox_auditor", "audit_trainee", "root", "replicator"])
def test_who_is_not_held_sees_everything(role: str) -> None:
    oracle = judge()
    assert ids(oracle, role, "client", MARKETING, "client_id") == [ANN, BOB, CEM, DEE]
    assert ids(oracle, role, "trans", MARKETING) == ["a", "b", "c", "d", "e"]
    assert ids(oracle, role, "card", MARKETING) == ["x", "y"]


def test_an_opt_out_of_a_purpose_nobody_may_opt_out_of_hides_nothing() -> None:
    servicing = [OptOut("client", who, "servicing") for who in (ANN, BOB, CEM, DEE)]
    for role in ("teller_app", "campaign_app", "stranger"):
        assert ids(judge(), role, "client", servicing, "client_id") == [ANN, BOB, CEM, DEE]


def test_a_superuser_who_inherits_a_held_role_sees_everything() -> None:
    roles = {**ROLES, "boss": Role("boss", frozenset({"campaign_app"}), superuser=True)}
    assert ids(judge(roles=roles), "boss", "trans", MARKETING) == ["a", "b", "c", "d", "e"]


def test_bypassing_row_security_is_not_inherited() -> None:
    roles = {**ROLES, "helper": Role("helper", frozenset({"root", "replicator"}))}
    assert ids(judge(roles=roles), "helper", "trans", MARKETING) == ["b", "c", "d", "e"]


def test_joint_any_hides_when_one_of_two_opted_out() -> None:
    assert ids(judge(), "campaign_app", "trans", [OptOut("client", BOB, "marketing")]) == ["c", "d", "e"]


def test_joint_all_hides_when_both_opted_out() -> None:
    oracle = judge(joint_all=True)
    ann, bob = OptOut("client", ANN, "marketing"), OptOut("client", BOB, "marketing")
    assert ids(oracle, "campaign_app", "trans", [ann]) == ["a", "b", "c", "d", "e"]
    assert ids(oracle, "campaign_app", "trans", [bob]) == ["a", "c", "d", "e"]
    assert ids(oracle, "campaign_app", "trans", [ann, bob]) == ["c", "d", "e"]


def test_joint_all_takes_for_each_person_the_union_of_the_purposes() -> None:
    oracle = judge(joint_all=True)
    mixed = [OptOut("client", ANN, "marketing"), OptOut("client", BOB, "analytics")]
    assert ids(oracle, "campaign_app", "trans", mixed) == ["a", "b", "c", "d", "e"]
    assert ids(oracle, "bi_reader", "trans", mixed) == ["a", "c", "d", "e"]
    assert ids(oracle, "analyst", "trans", mixed) == ["c", "d", "e"]
    assert ids(oracle, "stranger", "trans", mixed) == ["c", "d", "e"]


@pytest.mark.parametrize("joint_all", [False, True])
def test_rows_of_nobody(joint_all: bool) -> None:
    show, hide = judge(joint_all=joint_all), judge(joint_all=joint_all, hide_unknown=True)
    # d reaches an account that nobody has, e reaches no account
    assert ids(show, "campaign_app", "trans", []) == ["a", "b", "c", "d", "e"]
    assert ids(hide, "campaign_app", "trans", []) == ["a", "b", "c"]
    assert ids(hide, "stranger", "trans", []) == ["a", "b", "c"]
    for free in ("teller_app", "sox_auditor", "root", "replicator"):
        assert ids(hide, free, "trans", []) == ["a", "b", "c", "d", "e"]


def test_a_null_key_at_the_end_of_the_path_is_nobody() -> None:
    tables = {"note": [{"id": 1, "who": ANN}, {"id": 2, "who": None}, {"id": 3, "who": BOB}]}
    path = Path("client", (), "who")
    for hide, expected in ((False, [2, 3]), (True, [3])):
        oracle = Oracle(rules_with({"note": Entry((path,), hide_unknown=hide)}), tables, ROLES)
        assert ids(oracle, "campaign_app", "note", MARKETING) == expected


def test_null_beside_a_person_is_left_out_of_joint_all() -> None:
    tables = {"trans": TRANS[:1], "disp": [*DISPS[:1], {"disp_id": 9, "account_id": 10, "client_id": None}]}
    oracle = Oracle(rules_with({"trans": Entry((BY_ACCOUNT,), joint_all=True)}), tables, ROLES)
    assert oracle.reached("trans", BY_ACCOUNT) == [frozenset({ANN})]
    assert ids(oracle, "campaign_app", "trans", MARKETING) == []


def test_null_equals_no_null_on_the_way() -> None:
    tables = {
        "note": [{"id": 1, "account_id": None}],
        "disp": [{"account_id": None, "client_id": ANN}],
    }
    oracle = Oracle(rules_with({"note": Entry((BY_ACCOUNT,))}), tables, ROLES)
    assert oracle.reached("note", BY_ACCOUNT) == [frozenset()]
    assert ids(oracle, "campaign_app", "note", MARKETING) == [1]


def test_three_hops_one_of_two_columns() -> None:
    path = Path(
        "client",
        (
            Hop("shipment", (("shipment_id", "id"),)),
            Hop("purchase", (("shop", "shop"), ("number", "number"))),
            Hop("account", (("account", "id"),)),
        ),
        "holder",
    )
    tables = {
        # parcel 1 -> shipment 7 -> purchase (A, 1) -> account 50 -> Ann
        # parcel 2 -> shipment 8 -> purchase (B, 1) -> account 51 -> Bob: only one of two columns is as in Ann's
        # parcel 3 -> shipment 9 -> purchase (A, null): nowhere
        # parcel 4 -> shipment 6: there is none
        "parcel": [{"id": i, "shipment_id": s} for i, s in ((1, 7), (2, 8), (3, 9), (4, 6))],
        "shipment": [
            {"id": 7, "shop": "A", "number": 1},
            {"id": 8, "shop": "B", "number": 1},
            {"id": 9, "shop": "A", "number": None},
        ],
        "purchase": [
            {"shop": "A", "number": 1, "account": 50},
            {"shop": "B", "number": 1, "account": 51},
            {"shop": "A", "number": None, "account": 50},
        ],
        "account": [{"id": 50, "holder": ANN}, {"id": 51, "holder": BOB}],
    }
    oracle = Oracle(rules_with({"parcel": Entry((path,))}), tables, ROLES)
    assert oracle.reached("parcel", path) == [{ANN}, {BOB}, set(), set()]
    assert ids(oracle, "campaign_app", "parcel", MARKETING) == [2, 3, 4]


def test_a_path_can_fan_out_at_every_hop() -> None:
    # one household has two accounts, of which the first has two holders
    path = Path(
        "client",
        (Hop("account", (("household", "household"),)), Hop("disp", (("id", "account_id"),))),
        "client_id",
    )
    tables = {
        "household": [{"household": 1}, {"household": 2}],
        "account": [{"id": 10, "household": 1}, {"id": 12, "household": 1}, {"id": 11, "household": 2}],
        "disp": DISPS,
    }
    oracle = Oracle(rules_with({"household": Entry((path,))}), tables, ROLES)
    assert oracle.reached("household", path) == [{ANN, BOB, CEM}, {BOB}]
    assert ids(oracle, "campaign_app", "household", MARKETING, "household") == [2]


MEETINGS = {
    "client": CLIENTS,
    "agent": [{"agent_id": 1}, {"agent_id": 2}],
    "meeting": [
        {"id": "m", "client_id": ANN, "substitute": None, "agent_id": 1},
        {"id": "n", "client_id": BOB, "substitute": ANN, "agent_id": 2},
        {"id": "o", "client_id": CEM, "substitute": BOB, "agent_id": None},
    ],
}
TWO_KINDS = {"client": ("client", "client_id"), "agent": ("agent", "agent_id")}


def meetings(*paths: Path, **entry: bool) -> Oracle:
    return Oracle(rules_with({"meeting": Entry(paths, **entry)}, subjects=TWO_KINDS), MEETINGS, ROLES)


def test_of_two_kinds_either_hides() -> None:
    oracle = meetings(ITSELF, Path("agent", (), "agent_id"))
    # agent 1 is not client 1
    assert ids(oracle, "campaign_app", "meeting", [OptOut("agent", 2, "marketing")]) == ["m", "o"]
    assert ids(oracle, "campaign_app", "meeting", [OptOut("client", ANN, "marketing")]) == ["n", "o"]
    both = [OptOut("agent", 2, "marketing"), OptOut("client", ANN, "marketing")]
    assert ids(oracle, "campaign_app", "meeting", both) == ["o"]


def test_of_two_kinds_either_hides_under_joint_all_too() -> None:
    oracle = meetings(ITSELF, Path("agent", (), "agent_id"), joint_all=True)
    assert ids(oracle, "campaign_app", "meeting", [OptOut("agent", 2, "marketing")]) == ["m", "o"]


def test_of_two_paths_of_a_kind_either_hides() -> None:
    oracle = meetings(ITSELF, Path("client", (), "substitute"))
    assert ids(oracle, "campaign_app", "meeting", MARKETING) == ["o"]


def test_of_two_paths_one_that_reaches_nobody_hides_if_the_map_says_so() -> None:
    oracle = meetings(ITSELF, Path("agent", (), "agent_id"), hide_unknown=True)
    assert ids(oracle, "campaign_app", "meeting", []) == ["m", "n"]
    assert ids(oracle, "teller_app", "meeting", []) == ["m", "n", "o"]


def test_children_follow_their_parent() -> None:
    tables = {
        **TABLES,
        "trans": TRANS,
        "trans_1993": TRANS[:2],
        "trans_1993_q1": TRANS[:1],
        "trans_1994": TRANS[2:],
        "elsewhere": TRANS,
    }
    parents = {"trans_1993": "trans", "trans_1993_q1": "trans_1993", "trans_1994": "trans"}
    oracle = Oracle(rules_with({"trans": Entry((BY_ACCOUNT,))}), tables, ROLES, parents=parents)
    assert ids(oracle, "campaign_app", "trans", MARKETING) == ["b", "c", "d", "e"]
    assert ids(oracle, "campaign_app", "trans_1993", MARKETING) == ["b"]
    assert ids(oracle, "campaign_app", "trans_1993_q1", MARKETING) == []
    assert ids(oracle, "campaign_app", "trans_1994", MARKETING) == ["c", "d", "e"]
    assert ids(oracle, "campaign_app", "elsewhere", MARKETING) == ["a", "b", "c", "d", "e"]


def test_a_child_may_say_more_than_its_parent_but_not_less() -> None:
    rows = [{"id": 1, "client_id": ANN, "other": BOB}]
    tables = {"parent": rows, "more": rows, "less": rows}
    entries = {
        "parent": Entry((ITSELF,)),
        "more": Entry((Path("client", (), "other"),)),
        "less": Entry(()),
    }
    oracle = Oracle(rules_with(entries), tables, ROLES, parents={"more": "parent", "less": "parent"})
    assert ids(oracle, "campaign_app", "parent", MARKETING) == []
    assert ids(oracle, "campaign_app", "more", MARKETING) == [1]
    assert ids(oracle, "campaign_app", "less", MARKETING) == []


@pytest.mark.parametrize(
    ("same", "stored", "opted_out", "hidden"),
    [
        (citext, "Ann@Example.org", "ann@example.ORG", True),
        (citext, "ann", "anna", False),
        (citext, "\u00c4nn", "\u00e4nn", False),  # locale C folds no umlaut
        (char, "ann  ", "ann", True),
        (char, " ann", "ann", False),
        (char, "ann\t", "ann", False),
        (number, Decimal("1.0"), Decimal("1.00"), True),
        (number, Decimal("1.0"), Decimal("1.01"), False),
        (number, Decimal("NaN"), Decimal("NaN"), True),
        (number, float("nan"), float("nan"), True),
        (number, 0.0, -0.0, True),
        (None, "ann", "Ann", False),
        (None, "ann ", "ann", False),
    ],
)
def test_keys_are_compared_as_their_type_does(same: Any, stored: Any, opted_out: Any, hidden: bool) -> None:
    path = Path("person", (Hop("owns", (("thing", "thing"),)),), "key")
    tables = {"person": [{"key": stored}], "owns": [{"thing": 1, "key": stored}], "thing": [{"id": 1, "thing": 1}]}
    said = rules_with({"thing": Entry((path,))}, subjects={"person": ("person", "key")})
    columns = {("person", "key"): same, ("owns", "key"): same} if same else {}
    oracle = Oracle(said, tables, ROLES, normalise=columns)
    assert ids(oracle, "campaign_app", "thing", [OptOut("person", opted_out, "marketing")]) == ([] if hidden else [1])


def test_joins_are_compared_as_their_type_does_in_children_too() -> None:
    path = Path("client", (Hop("box", (("mail", "mail"),)),), "client_id")
    letters = [{"id": 1, "mail": "A@x"}, {"id": 2, "mail": "b@x"}]
    tables = {"letter": letters, "letter_child": letters, "box": [{"mail": "a@X", "client_id": ANN}]}
    oracle = Oracle(
        rules_with({"letter": Entry((path,))}),
        tables,
        ROLES,
        parents={"letter_child": "letter"},
        normalise={("letter", "mail"): citext, ("box", "mail"): citext},
    )
    assert ids(oracle, "campaign_app", "letter", MARKETING) == [2]
    assert ids(oracle, "campaign_app", "letter_child", MARKETING) == [2]


def test_a_person_who_is_in_no_table_can_opt_out() -> None:
    everybody = [ANN, BOB, CEM, DEE]
    assert ids(judge(), "campaign_app", "client", [OptOut("client", 999, "marketing")], "client_id") == everybody


def test_an_unknown_kind_is_an_error() -> None:
    with pytest.raises(KeyError):
        judge().visible("campaign_app", "client", [OptOut("patient", ANN, "marketing")])


def test_a_data_map_in_the_words_of_the_oracle() -> None:
    here = ("tables",)
    client, disp, trans = (QualifiedName("bank", name) for name in ("client", "disp", "trans"))
    hop = model.Hop(disp, (model.Join("account_id", "account_no"),), here)
    path = model.SubjectPath("client", (hop,), "client_id", here)
    said = rules(
        model.DataMap(
            subjects={"client": model.Subject("client", client, "client_id", here)},
            purposes={
                "marketing": model.Purpose("marketing", True, "", here),
                "servicing": model.Purpose("servicing", False, "", here),
            },
            roles={"campaign_app": model.Role("campaign_app", ("marketing",), here)},
            exempt={"sox_auditor": model.Exemption("sox_auditor", "SOX", UNTIL, here)},
            tables={
                trans: model.TableEntry(trans, ("financial",), (path,), "all", "hide", "lookups", None, {}, None, here)
            },
            waivers={},
            bypass=None,
            event_trigger=False,
            positions={},
        )
    )
    assert said == Rules(
        subjects={"client": (client, "client_id")},
        purposes={"marketing": True, "servicing": False},
        roles={"campaign_app": ("marketing",)},
        exempt={"sox_auditor": UNTIL},
        tables={
            trans: Entry(
                (Path("client", (Hop(disp, (("account_id", "account_no"),)),), "client_id"),),
                joint_all=True,
                hide_unknown=True,
            )
        },
    )

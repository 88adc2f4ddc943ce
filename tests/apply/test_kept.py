"""Tables that stay guarded though the map has them no more: their opt-outs hold, whatever it says of the others."""

from __future__ import annotations

import pytest

from guarding import ALL, BANK_MAP, HEAD, WITHOUT_1, apply, column, load, opt_out, small_bank, visible
from rlsguard.check import check
from rlsguard.names import QualifiedName
from rlsguard.problems import MapError

pytestmark = pytest.mark.by_turns

CLIENT = "  bank.client: {holds: [personal], subject: {client: client_id}}\n"
DISP = "  bank.disp: {holds: [personal], subject: {client: client_id}}\n"
TRANS = BANK_MAP[BANK_MAP.index("  bank.trans:") :]
MODES = ("attribute", "marker")
READ_BY_THE_GUARD = """
SELECT DISTINCT c.relname::text
FROM pg_attribute AS a JOIN pg_class AS c ON c.oid = a.attrelid AND c.relnamespace = 'bank'::regnamespace
CROSS JOIN LATERAL aclexplode(a.attacl) AS g
WHERE g.grantee = 'rlsguard_owner'::regrole
"""


@pytest.mark.parametrize("mode", MODES)
def test_no_path_of_the_map_crosses_the_link_table_any_more(template_db, mode):
    """The guard must go on to see all of it, for those that stay guarded: held to its policy it would find nobody."""
    guard = f"guard: {{bypass: {mode}}}\n"
    db = small_bank(template_db, BANK_MAP + guard)
    opt_out(db, 1, "marketing")
    text = HEAD + guard + "tables:\n" + CLIENT + DISP
    apply(db, text)
    assert visible(db, "campaign_app") == WITHOUT_1
    assert column(db, READ_BY_THE_GUARD) == ["disp"]
    assert apply(db, text).changes == ()
    with db.connect() as conn:
        assert {finding.kind.id for finding in check(conn, load(text)).findings} == {"RG121"}
    delta = apply(db, text, prune=[QualifiedName("bank", "account"), QualifiedName("bank", "trans")])
    assert visible(db, "campaign_app") == {**WITHOUT_1, "account": ALL["account"], "trans": ALL["trans"]}
    assert ("replace protect bank.disp" in map(str, delta.changes)) is (mode == "marker")
    assert column(db, READ_BY_THE_GUARD) == []
    assert apply(db, text).changes == ()


@pytest.mark.parametrize("mode", MODES)
def test_a_path_of_the_map_crosses_one_that_is_only_kept(template_db, mode):
    """Its policy is that of before, which may hold the guard."""
    guard = f"guard: {{bypass: {mode}}}\n"
    db = small_bank(template_db, HEAD + guard + "tables:\n" + CLIENT + DISP)
    opt_out(db, 1, "marketing")
    text = HEAD + guard + "tables:\n" + CLIENT + TRANS
    prune = []
    if mode == "marker":
        with pytest.raises(MapError, match=r"a path leads over bank\.disp, which is guarded and not in the map"):
            apply(db, text)
        prune.append(QualifiedName("bank", "disp"))
    apply(db, text, prune=prune)
    assert visible(db, "campaign_app")["trans"] == WITHOUT_1["trans"]

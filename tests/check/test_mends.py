"""What a finding says that ends it ends it, by itself: of each way to change a kind of object, the first."""

from __future__ import annotations

import psycopg
import pytest

from check.mutating import mutations
from check.test_mutations import MAPS, MORE, found, of_this_version, once
from guarding import BANK, apply, load, opt_out
from rlsguard import apply as applying
from rlsguard.check.guard import APPLY
from rlsguard.problems import RlsguardError
from servers import Database

# Beyond those: what a list of all that can be changed about an object leaves out.
BY_HAND = {
    "two members": "GRANT rlsguard_owner TO stranger, bi_reader",
    "row of the marker": "DELETE FROM rlsguard.guard_only",
    "row of sight": "DELETE FROM rlsguard.hop_like",
    "salt": "ALTER TABLE rlsguard.secret DISABLE TRIGGER append_only; UPDATE rlsguard.secret SET value = 'x';"
    "ALTER TABLE rlsguard.secret ENABLE ALWAYS TRIGGER append_only",
    "no salt": "ALTER TABLE rlsguard.secret DISABLE TRIGGER append_only; DELETE FROM rlsguard.secret",
    "salt of a table that is off": "ALTER TABLE rlsguard.secret DISABLE TRIGGER append_only",
    "owner of a key's function": "ALTER FUNCTION rlsguard.key_client(text) OWNER TO rlsguard_owner",
    "increment": "ALTER SEQUENCE rlsguard.change_entry_id_seq INCREMENT 7 MINVALUE -5 START 1",
    "unlogged": "ALTER TABLE rlsguard.manifest SET UNLOGGED",
    "state gone": "DROP TABLE rlsguard.opt_out_client CASCADE",
    "map gone": "DROP TABLE rlsguard.role_purpose CASCADE",
    "manifest gone": "DROP TABLE rlsguard.manifest CASCADE",
    "audit gone": "DROP TABLE rlsguard.change_entry CASCADE",
}
# By another name it is a policy like others that slept, and whether it is to wake the map has to say: apply asks.
LEFT_TO_THE_MAP = 'ALTER POLICY "!rlsguard" ON bank.account RENAME TO another'


def shape(statement: str) -> str:
    """Return what a mutation does, whatever it is done to."""
    return " ".join(word.rstrip(";") for word in statement.split() if word.isupper() or word in ("r", "v"))


def test_every_mend_ends_its_finding(db: Database, request: pytest.FixtureRequest) -> None:
    db.execute(BANK)
    db.execute(MORE)
    apply(db, MAPS["attribute"])
    opt_out(db, 1, "marketing")
    datamap, expect = load(MAPS["attribute"]), once(None)
    lasting: list[str] = []
    tried: set[str] = set()
    with db.connect(autocommit=False) as conn:
        first: dict[str, str] = {}
        for statement in dict(mutations(conn)).values():
            first.setdefault(shape(statement), statement)
        for statement in of_this_version(BY_HAND | first, db, request).values():
            with conn.transaction(force_rollback=True):
                conn.execute(statement)
                for finding in found(conn, datamap, expect):
                    if finding.kind.id == "RG902":
                        continue  # which ends with what else is found
                    with conn.transaction(force_rollback=True):
                        tried.add(finding.kind.id)
                        try:
                            if finding.mend.startswith(APPLY):
                                applying.apply(conn, datamap)
                            else:
                                conn.execute(finding.mend)
                        except (psycopg.Error, RlsguardError) as error:
                            lasting.append(f"{statement}: {finding.key}: {finding.mend}: {error}")
                            continue
                        if finding.key in {one.key for one in found(conn, datamap, expect)}:
                            lasting.append(f"{statement}: {finding.key}: {finding.mend}")
    assert [one for one in lasting if not one.startswith(LEFT_TO_THE_MAP)] == []
    assert all("bank.account has policies that sleep" in one for one in lasting)
    assert tried >= {"RG114", "RG115", "RG123"}

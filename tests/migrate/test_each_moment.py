"""While a guarded database is migrated, nobody sees a row that is hidden before and after, and everybody sees those
that are not: between any two transactions, and any two statements. A plain Python judge says which these are."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import psycopg
import pytest
from psycopg.rows import dict_row

from guarding import BANK_MAP, load, opt_out, small_bank
from migrate.chain import MORE, bank_of, chain
from migrate.migrating import migration, up
from oracle import OptOut, Oracle, Role, Rules, rules
from rlsguard.names import QualifiedName
from rlsguard.server import SUPERUSER
from servers import Database

pytestmark = pytest.mark.by_turns

ROLES = ("campaign_app", "bi_reader", "teller_app", "stranger")
KEYS = {
    QualifiedName("bank", "client"): "client_id",
    QualifiedName("bank", "disp"): "disp_id",
    QualifiedName("bank", "account"): "account_id",
    QualifiedName("bank", "trans"): "trans_id",
    QualifiedName("bank", "payment"): "payment_id",
    QualifiedName("bank", "payment_1"): "payment_id",
    QualifiedName("bank", "parcel"): "parcel_id",
    QualifiedName("hr", "person"): "person_no",
    QualifiedName("hr", "badge"): "badge_id",
    QualifiedName("hr", "door"): "door_id",
}
# Each is recorded as soon as the map has its kind and its purpose.
OPT_OUTS = (OptOut("client", 1, "marketing"), OptOut("client", 3, "analytics"), OptOut("staff", "P1", "marketing"))
Seen = dict[tuple[str, QualifiedName], set[Any]]


class Watched:
    """A database, with a session of each role's that lasts."""

    def __init__(self, db: Database) -> None:
        self.db = db
        self._sessions = {role: db.connect(role, options="-c lock_timeout=1ms") for role in ROLES}
        with db.connect(row_factory=dict_row) as conn:
            self._rows = {table: conn.execute(f"SELECT * FROM {table}").fetchall() for table in KEYS}

    def seen(self, role: str, table: QualifiedName) -> set[Any] | None:
        """Return the keys that *role* sees; None where somebody has locked the table."""
        try:
            return {key for (key,) in self._sessions[role].execute(f"SELECT {KEYS[table]} FROM {table}")}
        except psycopg.errors.LockNotAvailable:
            return None

    def should(self, says: Rules, opt_outs: Sequence[OptOut]) -> Seen:
        """Return who sees what by a map."""
        judge = Oracle(
            says,
            self._rows,
            {role: Role(role) for role in ROLES},
            {QualifiedName("bank", "payment_1"): QualifiedName("bank", "payment")},
        )
        return {
            (role, table): {row[KEYS[table]] for row in judge.visible(role, table, opt_outs)}
            for role in ROLES
            for table in KEYS
        }

    def wrong(self, before: Seen, after: Seen, roles: Sequence[str] = ROLES) -> Iterator[str]:
        """Yield what somebody sees, or does not see, whichever of the two maps is in force."""
        for role in roles:
            for table in KEYS:
                seen = self.seen(role, table)
                was, becomes = before[role, table], after[role, table]
                if seen is not None and not was & becomes <= seen <= was | becomes:
                    yield f"{role} sees {seen} of {table}, and not between {was & becomes} and {was | becomes}"


def in_force(said: Rules, before: Rules, prune: Sequence[str]) -> Rules:
    """Return *said* with the tables that stay guarded though it has them no more."""
    kept = {table: entry for table, entry in before.tables.items() if str(table) not in prune}
    return replace(said, tables={**kept, **said.tables})


def run(watched: Watched, steps: Sequence[Sequence[str]], before: Seen, after: Seen, *, closely: bool) -> list[str]:
    """Run each of *steps* in a transaction and return what is wrong between them; *closely*: and within them."""
    wrong: list[str] = []
    with watched.db.connect(autocommit=False) as conn:
        for step in steps:
            for statement in step:
                conn.execute(statement)
                if closely:
                    wrong += watched.wrong(before, after, ("campaign_app",))
            conn.commit()
            wrong += watched.wrong(before, after)
    return wrong


def test_of_a_migration(template_db):
    db = bank_of(template_db, SUPERUSER)
    watched = Watched(db)
    opt_outs: list[OptOut] = []
    links = chain(events=True)
    said = rules(load(links[0].map))
    up(db, migration(db, links[0].map))
    for link in links[1:-1]:
        for kind, key, purpose in (
            ("client", 1, "marketing"),
            ("client", 3, "analytics"),
            ("staff", "P1", "marketing"),
        ):
            one = OptOut(kind, key, purpose)
            if kind in said.subjects and purpose in said.purposes and one not in opt_outs:
                opt_out(db, key, purpose, kind=kind)
                opt_outs.append(one)
        then = in_force(rules(load(link.map)), said, link.prune)
        before, after = watched.should(said, opt_outs), watched.should(then, opt_outs)
        assert list(watched.wrong(before, before)) == [], link.why
        written = migration(db, link.map, prune=link.prune)
        there = [step.up for step in written.steps]
        back = [step.down for step in reversed(written.steps)]
        assert run(watched, there, before, after, closely=link.why == "joint") == [], link.why
        assert list(watched.wrong(after, after)) == [], link.why
        assert run(watched, back, before, after, closely=link.why == "a table less") == [], link.why
        assert list(watched.wrong(before, before)) == [], link.why
        up(db, written)
        said = then


@pytest.mark.parametrize(
    ("after", "sabotage"),
    [
        # Whoever comes between two transactions in which the policies of a table change sees nothing,
        ('DROP POLICY IF EXISTS "rlsguard owner" ON bank.account', "COMMIT"),
        ('CREATE POLICY "!rlsguard" ON bank.account', "COMMIT"),
        # or everything.
        ("CALL rlsguard.lock_table('bank.account')", "ALTER TABLE bank.account DISABLE ROW LEVEL SECURITY; COMMIT"),
        ("CALL rlsguard.lock_table('bank.account')", "UPDATE rlsguard.opt_out_client SET in_force = false; COMMIT"),
    ],
)
def test_that_it_would_be_noticed(template_db, after, sabotage):
    """The control of the test above: with a statement more it is no longer right."""
    db = small_bank(template_db, BANK_MAP, more=MORE)
    watched = Watched(db)
    opt_out(db, 1, "marketing")
    text = BANK_MAP.replace("bank.account:\n    {", "bank.account:\n    {reads: scans, ")
    should = watched.should(rules(load(text)), [OptOut("client", 1, "marketing")])
    there = [[*step.up] for step in migration(db, text).steps]
    (place,) = [(step, at) for step in there for at, statement in enumerate(step) if after in statement]
    place[0].insert(place[1] + 1, sabotage)
    assert run(watched, there, should, should, closely=True) != []

"""A chain of maps of one bank, each another than the one before in one respect."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from psycopg.sql import SQL

from guarding import small_bank
from rlsguard.names import Name
from rlsguard.server import SUPERUSER
from servers import Clone, Database

MORE = """
CREATE TABLE bank.payment (payment_id int NOT NULL, account_id int NOT NULL REFERENCES bank.account, note text)
    PARTITION BY RANGE (payment_id);
CREATE TABLE bank.payment_1 PARTITION OF bank.payment FOR VALUES FROM (0) TO (100);
CREATE TABLE bank.payment_2 PARTITION OF bank.payment FOR VALUES FROM (100) TO (200);
INSERT INTO bank.payment VALUES (1, 10, 'x'), (101, 20, 'y');
CREATE TABLE bank.parcel (parcel_id int PRIMARY KEY, client_id int, addressee text);
INSERT INTO bank.parcel VALUES (1, 1, 'a'), (2, 3, 'b'), (3, NULL, 'c');
ALTER TABLE bank.parcel ENABLE ROW LEVEL SECURITY;
CREATE POLICY theirs ON bank.parcel USING (true);
CREATE SCHEMA hr;
CREATE DOMAIN hr.person_no AS text COLLATE "C" CHECK (value ~ '^P');
CREATE TABLE hr.person (person_no hr.person_no PRIMARY KEY, born date);
CREATE TABLE hr.badge (badge_id int PRIMARY KEY, person_no hr.person_no NOT NULL REFERENCES hr.person);
CREATE TABLE hr.door (door_id int PRIMARY KEY, badge_id int REFERENCES hr.badge);
CREATE INDEX ON hr.door (badge_id);
INSERT INTO hr.person VALUES ('P1', '1970-01-01'), ('P2', NULL);
INSERT INTO hr.badge VALUES (1, 'P1'), (2, 'P2');
INSERT INTO hr.door VALUES (1, 1), (2, 2), (3, NULL);
GRANT USAGE ON SCHEMA hr TO campaign_app, bi_reader, teller_app, sox_auditor, stranger;
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA bank, hr
    TO campaign_app, bi_reader, teller_app, sox_auditor, stranger;
CREATE ROLE dba LOGIN CREATEROLE;
ALTER SCHEMA bank OWNER TO dba;
ALTER SCHEMA hr OWNER TO dba;
"""
OWNED = """
SELECT format('ALTER TABLE %s OWNER TO dba', c.oid::regclass)
FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
WHERE n.nspname IN ('bank', 'hr') AND c.relkind IN ('r', 'p')
"""

BY_ACCOUNT = "subject: {client: [account_id = bank.disp.account_id, client_id]}"


@dataclass(frozen=True)
class Link:
    """A map, the tables that are un-guarded with it, and whether anything is to be done for it."""

    why: str
    map: str
    prune: tuple[str, ...] = ()
    changes: bool = True


def chain(events: bool) -> list[Link]:
    """Return maps, each another than the one before in one respect."""
    says = {
        "subjects": {"client": "{table: bank.client, key: client_id}"},
        "purposes": {"marketing": "{description: Campaigns}", "servicing": "{opt_out: false}"},
        "roles": {"campaign_app": "[marketing]", "teller_app": "[servicing]"},
        "exempt": {},
        "tables": {
            "bank.client": "{holds: [personal], subject: {client: client_id}}",
            "bank.disp": "{holds: [personal], subject: {client: client_id}}",
            "bank.account": f"{{holds: [financial], {BY_ACCOUNT}}}",
        },
        "guard": {},
    }
    links = []

    def link(why: str, section: str = "", key: str = "", value: str | None = None, **said: Any) -> None:
        if section:
            says[section].pop(key, None)
            if value is not None:
                says[section][key] = value
        lines = ["version: 1"]
        for name, entries in says.items():
            lines += [f"{name}:"] if entries else []
            lines += [f"  {key}: {value}" for key, value in entries.items()]
        links.append(Link(why, "\n".join(lines) + "\n", **said))

    link("the guard itself")
    link("one table more", "tables", "bank.trans", f"{{holds: [financial], {BY_ACCOUNT}}}")
    link("partitions", "tables", "bank.payment", f"{{holds: [financial], {BY_ACCOUNT}, audit: true}}")
    link(
        "policies of its own",
        "tables",
        "bank.parcel",
        "{holds: [personal], subject: {client: client_id}, when_unknown: show}",
    )
    link("audited", "tables", "bank.client", "{holds: [personal], subject: {client: client_id}, audit: true}")
    link(
        "redacted",
        "tables",
        "bank.client",
        "{holds: [personal], subject: {client: client_id}, audit: {redact: [birth_number]}}",
    )
    link("joint", "tables", "bank.account", f"{{holds: [financial], {BY_ACCOUNT}, joint: all}}")
    if events:
        link("kept by event triggers", "guard", "event_trigger", "true")
    link("a purpose more", "purposes", "analytics", "{}")
    link("a role more", "roles", "bi_reader", "[analytics, marketing]")
    link("an exemption more", "exempt", "sox_auditor", "{reason: 'SOX, it''s', until: 2099-12-31}")
    link("a table less", "tables", "bank.trans", None, prune=("bank.trans",))
    # The event triggers guard its partitions no more.
    link("out of the map, but kept", "tables", "bank.payment", None, changes=events)
    link("partitions pruned", prune=("bank.payment",))
    link("unknown", "tables", "bank.parcel", "{holds: [personal], subject: {client: client_id}, when_unknown: hide}")
    link("another kind of person", "subjects", "staff", "{table: hr.person, key: person_no}")
    link("in tables", "tables", "hr.person", "{holds: [personal], subject: {staff: person_no}}")
    link(
        "over a hop",
        "tables",
        "hr.door",
        "{holds: [personal], subject: {staff: [badge_id = hr.badge.badge_id, "
        "person_no]}, when_unknown: hide, reads: scans}",
    )
    if events:
        link("kept by event triggers no more", "guard", "event_trigger", None)
    link(
        "by scans",
        "tables",
        "bank.client",
        "{holds: [personal], subject: {client: client_id}, audit: {redact: [birth_number]}, reads: scans}",
    )
    link("not audited", "tables", "bank.client", "{holds: [personal], subject: {client: client_id}}")
    link("a hop less", "tables", "bank.account", None, prune=("bank.account",))
    link("a known view less", "tables", "hr.door", None, prune=("hr.door",))
    link("nobody of a kind", "tables", "hr.person", None, prune=("hr.person",))
    link("a kind less", "subjects", "staff", None)
    return links


def leaps(links: list[Link], of: int) -> list[Link]:
    """Return each one of so many *links*, and the last, which then differ in more than one respect."""
    if of == 1:
        return links
    found, prune = [], frozenset[str]()
    for number, link in enumerate(links, 1):
        prune |= {*link.prune}
        if number % of == 0 or number == len(links):
            # What the earlier link did not have was never guarded.
            before = found[-1].map if found else ""
            pruned = tuple(sorted(table for table in prune if f"  {table}: " in before))
            found.append(Link(link.why, link.map, pruned))
            prune = frozenset()
    return found


def bank_of(template_db: Clone, user: str) -> Database:
    db = small_bank(template_db, more=MORE)
    db.execute(SQL("GRANT CREATE ON DATABASE {} TO dba").format(Name(db.name)))
    if user != SUPERUSER:
        for (statement,) in db.execute(OWNED):
            db.execute(statement)
        db.execute("ALTER DOMAIN hr.person_no OWNER TO dba")
    return db

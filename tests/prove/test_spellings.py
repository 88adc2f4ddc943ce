"""A person is one, however tables and ledger spell their key."""

from __future__ import annotations

import pytest

from guarding import apply, load, opt_out
from rlsguard.prove import prove

MAP = """
version: 1
subjects: {person: {table: s.person, key: id}}
purposes: {marketing: {}, analytics: {}}
roles: {campaign_app: [marketing, analytics]}
tables:
  s.person: {holds: [personal], subject: {person: id}}
  s.note:
    holds: [personal]
    subject: {person: {paths: [writer, [person = s.person.id, id]]}}
"""


@pytest.mark.parametrize(
    ("key_type", "stored", "elsewhere", "opted_out", "other"),
    [
        ("interval", "1 mon", "30 days", "720:00", "31 days"),
        ("numeric", "1", "1.000", "1.0", "2"),
        ("bytea", "\\x00ff", "\\000\\377", "\\x00FF", "\\x"),
        ("char(5)", "a", "a  ", "a    ", "b"),
        ("integer[]", "{1,2}", "[1:2]={1,2}", "{ 1 , 2 }", "{2,1}"),
        ("double precision", "0", "-0", "0.0", "1.5"),
    ],
)
def test_a_proof_knows_a_person_by_every_spelling(db, key_type, stored, elsewhere, opted_out, other):
    db.execute(f"CREATE SCHEMA s; CREATE TABLE s.person (id {key_type} PRIMARY KEY); CREATE ROLE campaign_app LOGIN")
    db.execute(f"CREATE TABLE s.note (note_id int PRIMARY KEY, writer {key_type} NOT NULL, person {key_type} NOT NULL)")
    db.execute("ALTER TABLE s.note ADD FOREIGN KEY (person) REFERENCES s.person")
    db.execute("GRANT USAGE ON SCHEMA s TO campaign_app; GRANT SELECT ON ALL TABLES IN SCHEMA s TO campaign_app")
    with db.connect() as conn:
        conn.execute("INSERT INTO s.person VALUES (%s), (%s)", [stored, other])
        rows = "INSERT INTO s.note VALUES (1, %(a)s, %(b)s), (2, %(b)s, %(a)s), (3, %(a)s, %(c)s), (4, %(c)s, %(c)s)"
        conn.execute(rows, {"a": elsewhere, "b": stored, "c": other})
    apply(db, MAP)
    for purpose, key in (("marketing", opted_out), ("analytics", stored)):
        with db.connect() as conn:
            before = prove(conn, load(MAP))
        assert before.right, [cell for cell in before.cells.values() if cell.verdict in ("leaked", "over-blocked")]
        opt_out(db, key, purpose, kind="person")
    with db.connect() as conn:
        proof = prove(conn, load(MAP))
    assert proof.right, [cell for cell in proof.cells.values() if cell.verdict in ("leaked", "over-blocked")]

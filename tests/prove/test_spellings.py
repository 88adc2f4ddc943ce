"""A person is one, however tables and ledger spell their key."""

from __future__ import annotations

import pytest

from guarding import apply, load, opt_out
from proving import faults, prove_map
from rlsguard.prove import Proof, prove_on_copy
from servers import Database, has_library

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


def world(db: Database, key_type: str, stored: str, elsewhere: str, other: str) -> None:
    """Make two people and notes about them, whose keys are spelled in two ways."""
    db.execute(f"CREATE SCHEMA s; CREATE TABLE s.person (id {key_type} PRIMARY KEY); CREATE ROLE campaign_app LOGIN")
    db.execute(f"CREATE TABLE s.note (note_id int PRIMARY KEY, writer {key_type} NOT NULL, person {key_type} NOT NULL)")
    db.execute("ALTER TABLE s.note ADD FOREIGN KEY (person) REFERENCES s.person")
    db.execute("GRANT USAGE ON SCHEMA s TO campaign_app; GRANT SELECT ON ALL TABLES IN SCHEMA s TO campaign_app")
    with db.connect() as conn:
        conn.execute("INSERT INTO s.person VALUES (%s), (%s)", [stored, other])
        rows = "INSERT INTO s.note VALUES (1, %(a)s, %(b)s), (2, %(b)s, %(a)s), (3, %(a)s, %(c)s), (4, %(c)s, %(c)s)"
        conn.execute(rows, {"a": elsewhere, "b": stored, "c": other})
    apply(db, MAP)


@pytest.mark.by_turns
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
    world(db, key_type, stored, elsewhere, other)
    for purpose, key in (("marketing", opted_out), ("analytics", stored)):
        assert_right(prove_map(db, MAP))
        opt_out(db, key, purpose, kind="person")
    assert_right(prove_map(db, MAP))


def test_keys_whose_equality_is_an_extensions(db):
    if not has_library(db.server.bindir, "citext"):
        pytest.skip("citext is not installed for this server")
    db.execute("CREATE EXTENSION citext")
    world(db, "citext", "Ann", "ANN", "Bob")
    opt_out(db, "ann", "marketing", kind="person")
    assert_right(prove_map(db, MAP))


@pytest.mark.by_turns
def test_a_copy_has_the_opt_outs_by_keys_that_are_arrays(db):
    world(db, "integer[]", "{1,2}", "[1:2]={1,2}", "{2,1}")
    opt_out(db, "{ 1 , 2 }", "marketing", kind="person")
    with db.connect() as conn:
        assert_right(prove_on_copy(conn, load(MAP)))


def assert_right(proof: Proof) -> None:
    assert faults(proof) == []
    assert proof.ways_around == ()
    assert proof.right

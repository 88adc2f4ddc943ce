"""Names are read and printed as the server reads and prints them."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rlsguard.keywords import KEYWORDS
from rlsguard.names import MAX_IDENTIFIER_BYTES, QualifiedName, quote, split_identifiers
from servers import Postgres

ODD = (
    "plain",
    "Upper",
    "with space",
    'qu"ote',
    "apo'strophe",
    "back\\slash",
    "per%cent",
    "{brace}",
    "$dollar",
    "a$b",
    "1st",
    "order",
    "user",
    "čeština",
    "ČEŠTINA",
    "日本",
    "line\nend",
    "--comment",
    "x" * MAX_IDENTIFIER_BYTES,
    ";drop",
    ".",
    " ",
    "_",
)
# Anything that a name can be: no zero byte, no lone surrogate, at most 63 bytes.
names = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=40).filter(
    lambda name: len(name.encode()) <= MAX_IDENTIFIER_BYTES
)


@pytest.mark.parametrize("name", ODD)
def test_the_server_reads_a_printed_name_as_it_was_meant(server: Postgres, name: str) -> None:
    with server.database() as db:
        cursor = db.conn.execute(f"SELECT 1 AS {quote(name)}".encode())
        assert cursor.description is not None
        assert cursor.description[0].name == name


def test_every_word_that_a_server_wants_quoted_is_known(server: Postgres) -> None:
    with server.database() as db:
        reserved = {word for (word,) in db.execute("SELECT word FROM pg_get_keywords() WHERE catcode <> 'U'")}
    assert reserved
    assert reserved <= KEYWORDS


@given(schema=names, name=names)
def test_what_is_printed_reads_back(schema: str, name: str) -> None:
    assert split_identifiers(str(QualifiedName(schema, name))) == (schema, name)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=200)
@given(name=names)
def test_the_server_agrees_on_any_name(server: Postgres, name: str) -> None:
    row = server._admin.execute(f"SELECT 1 AS {quote(name)}".encode())
    assert row.description is not None
    assert row.description[0].name == name


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("bank.trans", ("bank", "trans")),
        ("Bank.TRANS", ("bank", "trans")),
        ('Bank."TRANS"', ("bank", "TRANS")),
        (' bank . "a.b" ', ("bank", "a.b")),
        ('"a""b"', ('a"b',)),
        # The server folds only ASCII letters in UTF-8.
        ("ČEŠTINA", ("ČeŠtina",)),
    ],
)
def test_names_as_people_write_them(text: str, parts: tuple[str, ...]) -> None:
    assert split_identifiers(text) == parts


@pytest.mark.parametrize("text", ["", ".", "a.", "a b", "1a", '"a', '""', "a..b", "a;b", 'a"b"', "x" * 64, "é" * 32])
def test_what_is_no_name(text: str) -> None:
    with pytest.raises(ValueError, match=r"is not an SQL name|longer than 63 bytes"):
        split_identifiers(text)

"""Types that keys are of, each with a few values and the ways to spell them."""

from __future__ import annotations

from typing import NamedTuple


class KeyType(NamedTuple):
    """A column type.

    Attributes:
        sql: how a column declares it.
        values: distinct values; each is a tuple of spellings that PostgreSQL holds equal. Written down by hand from
            the documentation of the type: what the oracle knows of equality.
        ddl: what has to be run first.
        extension: what has to be installed first, where that comes with the server.
    """

    sql: str
    values: tuple[tuple[str, ...], ...]
    ddl: str = ""
    extension: str | None = None


KEY_TYPES = (
    KeyType("integer", (("7", " 7", "+7", "007"), ("-1",), ("2147483647",))),
    KeyType("bigint", (("7", "7 "), ("9223372036854775807",), ("0", "-0"))),
    KeyType("smallint", (("1",), ("2",), ("3",))),
    KeyType(
        "uuid",
        (
            (
                "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11",
                "A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11",
                "{a0eebc999c0b4ef8bb6d6bb9bd380a11}",
            ),
            ("00000000-0000-0000-0000-000000000000",),
            ("a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a12",),
        ),
    ),
    KeyType("text", (("O'Neil",), ("o'neil",), ("O'Neil ",), ("",), ('a"b\\c%s{}',), ("Žofie 🦉",), ("NULL",))),
    KeyType("character varying(12)", (("a",), ("a ",), ("A",), ("12 characters"[:12],))),
    KeyType("character(6)", (("a", "a  ", "a     "), ("A",), ("", "   "), (" a",))),
    KeyType("numeric", (("1", "1.0", "1.000", "1e0"), ("1.01",), ("NaN", "nan"), ("-12345678901234567890.5",))),
    KeyType("numeric(8,2)", (("5", "5.00", "5e0"), ("5.01",), ("0", "-0"))),
    KeyType("double precision", (("0", "-0", "0.0"), ("1.5", "15e-1"), ("NaN",), ("Infinity", "inf"))),
    KeyType("date", (("2026-11-23", "23-Nov-2026", "20261123"), ("2026-11-24",), ("infinity",))),
    KeyType(
        "timestamp with time zone",
        (("2026-01-01 00:00+00", "2026-01-01 05:30+05:30", "2025-12-31 19:00-05"), ("2026-01-01 00:00:00.000001+00",)),
    ),
    KeyType("interval", (("1 day", "24 hours"), ("1 mon", "30 days", "720:00"), ("31 days",))),
    KeyType("bytea", (("\\x00ff", "\\x00FF", "\\000\\377"), ("\\x",), ("\\x00",))),
    KeyType("inet", (("10.0.0.1", "10.0.0.1/32"), ("10.0.0.1/24",), ("::1", "0:0:0:0:0:0:0:1"))),
    KeyType("boolean", (("true", "t", "yes", "on", "1"), ("false", "f", "no", "0"))),
    KeyType("integer[]", (("{1,2}", "{ 1 , 2 }", "[1:2]={1,2}"), ("{2,1}",), ("{}",), ("{NULL}",))),
    KeyType("jsonb", (('{"a": 1, "b": 2}', '{"b":2,"a":1}', '{"a":9,"a":1,"b":2}'), ('{"a": 1}',), ("null",))),
    KeyType("int4range", (("[1,3)", "[1,2]", "(0,3)"), ("empty", "[1,1)"), ("[1,4)",))),
    KeyType(
        'types."Mood"',
        (("glad",), ("Glad",), ("g,l'ad",)),
        """CREATE TYPE types."Mood" AS ENUM ('glad', 'Glad', 'g,l''ad')""",
    ),
    KeyType("types.number", (("7", " 7"), ("8",)), "CREATE DOMAIN types.number AS int CHECK (VALUE > 0)"),
    KeyType(
        'types."Both Parts"',
        (('(1,"a b")', "(01,a b)", "(1,a b)"), ("(1,A B)",), ("(2,)",)),
        'CREATE TYPE types."Both Parts" AS (branch int, "No." text)',
    ),
    KeyType(
        "types.pair_of_branch",
        (("(1,a)", '(1,"a")'), ("(2,a)",)),
        "CREATE TYPE types.pair AS (branch int, number text);"
        "CREATE DOMAIN types.pair_of_branch AS types.pair CHECK ((VALUE).branch > 0)",
    ),
    KeyType("public.citext", (("Ann", "ann", "ANN"), ("ann ",), ("Žofie", "ŽOFIE"[:1] + "OFIE"), ("",)), "", "citext"),
    KeyType(
        "types.mail",
        (("ann@example.org", "Ann@Example.ORG"), ("bob@example.org",)),
        "CREATE DOMAIN types.mail AS public.citext CHECK (VALUE LIKE '%@%')",
        "citext",
    ),
)

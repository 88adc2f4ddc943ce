"""Column types: spelled without their length, unwrapped from domains, with the `=` that compares them."""

from __future__ import annotations

import psycopg
import pytest
from psycopg import sql

from rlsguard.catalog import load
from rlsguard.catalog.model import Type
from rlsguard.names import QualifiedName
from servers import Database

TYPES = """
CREATE SCHEMA "T y";
CREATE TYPE "T y"."Mood" AS ENUM ('up', 'down');
CREATE TYPE "T y".pair AS (a int, b "T y"."Mood");
CREATE TYPE "T y".opaque AS (a int, b json);
CREATE TYPE "T y".deep AS (a "T y".opaque[]);
CREATE TYPE "T y".span AS RANGE (subtype = date);
CREATE DOMAIN "T y"."user" AS varchar(5) COLLATE "C";
CREATE DOMAIN "T y".nested AS "T y"."user" NOT NULL;
CREATE DOMAIN "T y".doc AS json;
CREATE TABLE "T y".row_type (x int);
"""

PLAIN = [
    ("int", "integer", "integer", "N", "pg_catalog", "integer"),
    ("bigint", "bigint", "bigint", "N", "pg_catalog", "bigint"),
    ("uuid", "uuid", "uuid", "U", "pg_catalog", "uuid"),
    ("text", "text", "text", "S", "pg_catalog", "text"),
    ("varchar(5)", "character varying", "character varying(5)", "S", "pg_catalog", "text"),
    ("varchar", "character varying", "character varying", "S", "pg_catalog", "text"),
    ("char(3)", "bpchar", "character(3)", "S", "pg_catalog", "bpchar"),
    ("char", "bpchar", "character(1)", "S", "pg_catalog", "bpchar"),
    ('"char"', '"char"', '"char"', "Z", "pg_catalog", '"char"'),
    ("name", "name", "name", "S", "pg_catalog", "name"),
    ("numeric(10,2)", "numeric", "numeric(10,2)", "N", "pg_catalog", "numeric"),
    ("bit(4)", '"bit"', "bit(4)", "V", "pg_catalog", '"bit"'),
    ("bit varying(4)", "bit varying", "bit varying(4)", "V", "pg_catalog", "bit varying"),
    ("timestamptz(2)", "timestamp with time zone", "timestamp(2) with time zone", "D", "pg_catalog",
     "timestamp with time zone"),
    ("date", "date", "date", "D", "pg_catalog", "date"),
    ("bytea", "bytea", "bytea", "U", "pg_catalog", "bytea"),
    ("int4range", "int4range", "int4range", "R", "pg_catalog", "int4range"),
    ("int4multirange", "int4multirange", "int4multirange", "R", "pg_catalog", "int4multirange"),
    ("cidr", "cidr", "cidr", "I", "pg_catalog", "inet"),
    ("regclass", "regclass", "regclass", "N", "pg_catalog", "oid"),
    ("text[]", "text[]", "text[]", "A", "pg_catalog", "text[]"),
    ("varchar(5)[]", "character varying[]", "character varying(5)[]", "A", "pg_catalog", "character varying[]"),
    ("json", "json", "json", "U", None, "json"),
    ("xml", "xml", "xml", "U", None, "xml"),
    ("point", "point", "point", "G", None, "point"),
    ("json[]", "json[]", "json[]", "A", None, "json[]"),
]  # fmt: skip
MADE = [
    ('"T y"."Mood"', '"T y"."Mood"', '"T y"."Mood"', "E", "pg_catalog", '"T y"."Mood"'),
    ('"T y".pair', '"T y".pair', '"T y".pair', "C", "pg_catalog", '"T y".pair'),
    ('"T y".opaque', '"T y".opaque', '"T y".opaque', "C", None, '"T y".opaque'),
    ('"T y".deep', '"T y".deep', '"T y".deep', "C", None, '"T y".deep'),
    ('"T y".pair[]', '"T y".pair[]', '"T y".pair[]', "A", "pg_catalog", '"T y".pair[]'),
    ('"T y".span', '"T y".span', '"T y".span', "R", "pg_catalog", '"T y".span'),
    ('"T y".row_type', '"T y".row_type', '"T y".row_type', "C", "pg_catalog", '"T y".row_type'),
    ('"T y"."user"', "character varying", '"T y"."user"', "S", "pg_catalog", "text"),
    ('"T y".nested', "character varying", '"T y".nested', "S", "pg_catalog", "text"),
    ('"T y".doc', "json", '"T y".doc', "U", None, "json"),
    ('"T y".nested[]', '"T y".nested[]', '"T y".nested[]', "A", "pg_catalog", '"T y".nested[]'),
    ('"T y".doc[]', '"T y".doc[]', '"T y".doc[]', "A", None, '"T y".doc[]'),
]
NUMBERED = list(enumerate(PLAIN + MADE))


@pytest.fixture
def typed(db: Database) -> Database:
    """A table with a column of each type, and one of a domain over each."""
    db.execute(TYPES)
    for number, (spelled, *_) in NUMBERED:
        db.execute(sql.SQL('CREATE DOMAIN "T y".over{} AS {}').format(sql.SQL(str(number)), sql.SQL(spelled)))
    columns = [
        sql.SQL("{} {}, {} {}").format(
            sql.Identifier(f"c{n}"), sql.SQL(spelled), sql.Identifier(f"d{n}"), sql.Identifier("T y", f"over{n}")
        )
        for n, (spelled, *_) in NUMBERED
    ]
    db.execute(sql.SQL("CREATE TABLE t ({})").format(sql.SQL(", ").join(columns)))
    return db


def test_types_of_columns(typed: Database) -> None:
    columns = load(typed.conn).tables[QualifiedName("public", "t")].columns
    expected = {f"c{n}": Type(*rest) for n, (_, *rest) in NUMBERED}
    assert {name: column.type for name, column in columns.items() if name in expected} == expected


def test_a_domain_is_like_what_it_is_made_over(typed: Database) -> None:
    columns = load(typed.conn).tables[QualifiedName("public", "t")].columns
    for n, (_, spelled, _, category, equality, comparable) in NUMBERED:
        if category == "E":  # `=` is for the enum alone
            equality = None
        assert columns[f"d{n}"].type == Type(spelled, f'"T y".over{n}', category, equality, comparable)
        assert columns[f"d{n}"].collation == columns[f"c{n}"].collation
    nested = next(n for n, (spelled, *_) in NUMBERED if spelled == '"T y".nested')
    assert columns[f"c{nested}"].collation == QualifiedName("pg_catalog", "C")


# Containers are compared value by value, and only then is it found out that their parts cannot be.
VALUES = {"json[]": "{1}", '"T y".doc[]': "{1}", '"T y".opaque': "(1,1)", '"T y".deep': '("{""(1,1)""}")'}


def test_the_server_agrees_about_equality(typed: Database) -> None:
    """Where a type has an equality, the operator works and the spelling makes a key; elsewhere `=` is an error."""
    for column in load(typed.conn).tables[QualifiedName("public", "t")].columns.values():
        if column.type.equality is None:
            value = sql.SQL("{}::{}").format(sql.Literal(VALUES.get(column.type.sql)), sql.SQL(column.type.declared))
            with pytest.raises(psycopg.errors.UndefinedFunction, match="operator"):
                typed.execute(sql.SQL("SELECT {0} = {0}").format(value))
        else:
            name, spelled = sql.Identifier(column.name), sql.SQL(column.type.sql)
            typed.execute(sql.SQL("CREATE TABLE copy ({} {} PRIMARY KEY)").format(name, spelled))
            compare = sql.SQL("SELECT count(*) FROM t JOIN copy ON t.{0} OPERATOR({1}.=) copy.{0}")
            assert typed.execute(compare.format(name, sql.Identifier(column.type.equality))) == [(0,)]
            typed.execute("DROP TABLE copy")


def test_long_values_are_not_cut(typed: Database) -> None:
    columns = load(typed.conn).tables[QualifiedName("public", "t")].columns
    long = {
        n: columns[f"c{n}"].type.sql for n, (spelled, *_) in NUMBERED if spelled in ("char(3)", "char", "varchar(5)")
    }
    assert len(long) == 3
    for spelled in long.values():
        assert typed.execute(sql.SQL("SELECT '123456789'::{}").format(sql.SQL(spelled))) == [("123456789",)]


def test_citext_elsewhere(db: Database) -> None:
    if not db.execute("SELECT FROM pg_available_extensions WHERE name = 'citext'"):
        pytest.skip(f"PostgreSQL {db.major} here comes without citext")
    db.execute('CREATE SCHEMA "Ext"; CREATE EXTENSION citext SCHEMA "Ext"; CREATE DOMAIN mail AS "Ext".citext')
    db.execute('CREATE TABLE t (a "Ext".citext, b mail, c text, d "Ext".citext[])')
    columns = load(db.conn).tables[QualifiedName("public", "t")].columns
    citext = Type('"Ext".citext', '"Ext".citext', "S", "Ext", '"Ext".citext')
    assert columns["a"].type == citext
    assert columns["b"].type == Type(citext.sql, "public.mail", "S", "Ext", citext.comparable)
    assert columns["c"].type.comparable == "text"
    assert columns["d"].type.equality == "pg_catalog"


def test_a_type_of_ones_own_with_an_operator_of_ones_own(db: Database) -> None:
    """The default operator class decides, wherever its operator lives and whatever else is called `=`."""
    db.execute("""
        CREATE SCHEMA ops; CREATE SCHEMA typ; CREATE TYPE typ.code AS (n int);
        CREATE FUNCTION ops.eq(typ.code, typ.code) RETURNS bool IMMUTABLE LANGUAGE sql AS 'SELECT $1.n = $2.n';
        CREATE FUNCTION ops.lt(typ.code, typ.code) RETURNS bool IMMUTABLE LANGUAGE sql AS 'SELECT $1.n < $2.n';
        CREATE FUNCTION ops.cmp(typ.code, typ.code) RETURNS int IMMUTABLE LANGUAGE sql
            AS 'SELECT btint4cmp($1.n, $2.n)';
        CREATE OPERATOR ops.= (FUNCTION = ops.eq, LEFTARG = typ.code, RIGHTARG = typ.code);
        CREATE OPERATOR ops.< (FUNCTION = ops.lt, LEFTARG = typ.code, RIGHTARG = typ.code);
        CREATE OPERATOR CLASS ops.code_ops DEFAULT FOR TYPE typ.code USING btree AS
            OPERATOR 1 ops.<, OPERATOR 3 ops.=, FUNCTION 1 ops.cmp(typ.code, typ.code);
        CREATE TABLE t (x typ.code)""")
    assert load(db.conn).tables[QualifiedName("public", "t")].columns["x"].type.equality == "ops"

"""Whatever a file holds: findings, or one error that says where. Odd names are the names that they are."""

from __future__ import annotations

import re
import string
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from lint.reading import MAP, read, said
from rlsguard.lint.model import UNKNOWN, SqlError
from rlsguard.names import quote
from rlsguard.problems import Position

same_folder = settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
# Pieces of which SQL and what is in files beside it are made.
WORDS = """
    ALTER TABLE bank.trans bank.disp DISABLE DROP CASCADE POLICY ON CREATE VIEW AS SELECT * FROM ; ( ) , :: = 1 INTO
    DO BEGIN END EXECUTE format( GRANT TO ALL SET search_path bank LANGUAGE plpgsql sql COPY STDIN WITH trans INSERT
    TRUNCATE RENAME COLUMN ADD REFERENCES bank.client ATOMIC f() FUNCTION RETURNS int DEFINER é "!rlsguard" PARTITION
    ' " $$ $a$ -- /* */ \\ \\copy \\gexec \\. :x :'x' :"x" ${a} E' \\' '%I' ROW LEVEL SECURITY OF
"""
PIECES = st.sampled_from([*WORDS.split(), "\n", "\r", "\0", UNKNOWN])


def outcome(file: Path) -> None:
    """Lint *file*; all that is found, and all that is wrong, has its place in it."""
    lines = len(re.split(r"\r\n?|\n", file.read_bytes().decode("utf-8", "replace")))
    try:
        places = [one.position for one in read(file).findings]
    except SqlError as error:
        (problem,) = error.problems
        places = [problem.position if problem.message and "\n" not in problem.message else None]
    for place in places:
        assert isinstance(place, Position)
        assert place.file == str(file)
        assert 1 <= place.line <= lines
        assert place.column >= 1


@same_folder
@given(text=st.lists(PIECES, max_size=40).map(" ".join))
@example(text="SELECT 1 \\; SELECT 2 \\\\ SELECT")
@example(text="DO $$ BEGIN EXECUTE '' || ''; END $$")
@example(text="CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'select'")
@example(text="CREATE FUNCTION f() RETURNS int LANGUAGE c AS 'a', 'b'")
@example(text="DO $$ BEGIN EXECUTE format('%s %9$s %', 1); END $$")
@example(text="SET search_path = 1, default; ALTER ROLE ALL SET role = none")
@example(text="ALTER ROLE CURRENT_USER BYPASSRLS; GRANT a TO SESSION_USER")
@example(text="COPY (VALUES (1)) TO PROGRAM 'cat'; PREPARE p AS SELECT 1; EXPLAIN EXECUTE p")
@example(text="CREATE SCHEMA bank CREATE TABLE card (client_id int) CREATE VIEW v AS TABLE trans")
@example(text="ALTER TABLE ALL IN TABLESPACE a SET TABLESPACE b; ALTER TYPE t ADD ATTRIBUTE a int")
@example(text="DROP OPERATOR CLASS a USING btree; DROP CAST (a AS b); DROP TRANSFORM FOR a LANGUAGE b; DROP LANGUAGE x")
def test_pieces_of_sql(text: str, tmp_path: Path) -> None:
    file = tmp_path / "junk.sql"
    file.write_text(text, encoding="utf-8", newline="")
    outcome(file)


@same_folder
@given(data=st.binary(max_size=60))
def test_bytes(data: bytes, tmp_path: Path) -> None:
    file = tmp_path / "junk.sql"
    file.write_bytes(data)
    outcome(file)


@same_folder
@given(text=st.text(max_size=60))
@example(text='op.execute("SELEC")')
@example(text='def upgrade():\n    op.execute("""\n\n  SELEC""")')
@example(
    text="op.execute()\nop.create_table()\nop.drop_table(*a)\nop.add_column('t')\nop.alter_column('\\0', 'b', type_=c)"
)
@example(text="with op.batch_alter_table() as b:\n    b.drop_column('x')")
@example(text="op.create_foreign_key('a', 'b', 'c', ['d'], ['e'], onupdate='; DROP')")
@example(text="revision = down_revision = 'a'\ndown_revision = revision")
@example(text="(" * 500)
def test_python(text: str, tmp_path: Path) -> None:
    file = tmp_path / "junk.py"
    file.write_text(text, encoding="utf-8", errors="replace", newline="")
    outcome(file)


@pytest.mark.parametrize(
    "chain", ["SELECT " + "1 + " * 30_000 + "1", "SELECT " + "(" * 200_000, "SELECT " + "NOT " * 99_999]
)
def test_however_deep_it_is_nested(chain: str, tmp_path: Path) -> None:
    file = tmp_path / "deep.sql"
    file.write_text(f"{chain};\n", encoding="utf-8")
    outcome(file)


def test_how_long_an_unfinished_text_takes(tmp_path: Path) -> None:
    """No piece of a file is looked at again and again."""
    file = tmp_path / "long.sql"
    for piece in ("'", '"', "$a$ $b$ ", "/**/", "\\copy (", "\\x '", "${", ":'", "E'\\"):
        file.write_text(piece * (100_001 // len(piece)), encoding="utf-8")
        outcome(file)


NAMES = st.text(st.characters(codec="utf-8", exclude_characters="\0\u0294"), min_size=1).filter(
    lambda name: len(name.encode()) <= 63 and not name.startswith(("pg_", "rlsguard", "information_schema"))
)


# To read a map takes longer than to lint.
@settings(same_folder, max_examples=50)
@given(schema=NAMES, table=NAMES, column=NAMES)
@example(schema='a"b', table="Ünï.cod", column="Client ID")
@example(schema="SELECT", table="table", column="user")
@example(schema="a\nb", table="--", column="/*")
def test_odd_names_are_what_they_are(schema: str, table: str, column: str, tmp_path: Path) -> None:
    name = f"{_quoted(schema)}.{_quoted(table)}"
    yaml_name, yaml_column = _yaml(name), _yaml(_quoted(column))
    text = (
        "version: 1\n"
        f"subjects: {{client: {{table: {yaml_name}, key: {yaml_column}}}}}\n"
        "purposes: {marketing: {}}\nroles: {campaign_app: [marketing]}\n"
        f"tables: {{{yaml_name}: {{holds: [personal], subject: {{client: {yaml_column}}}}}}}\n"
    )
    sql = f"ALTER TABLE {name} DISABLE ROW LEVEL SECURITY; ALTER TABLE {name} RENAME COLUMN {_quoted(column)} TO x"
    shown = f"{quote(schema)}.{quote(table)}"
    assert said(sql, tmp_path, text=text) == [f"RG501 table {shown}", f"RG515 column {shown}.{quote(column)}"]


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _yaml(text: str) -> str:
    """Return *text* as YAML that has no character which YAML does not."""
    return '"' + "".join(c if c in string.ascii_letters else f"\\U{ord(c):08X}" for c in text) + '"'


def test_names_are_folded_as_the_server_folds_them(tmp_path: Path) -> None:
    sql = 'ALTER TABLE BANK.Trans DISABLE ROW LEVEL SECURITY; ALTER TABLE bank."Trans" DISABLE ROW LEVEL SECURITY;'
    assert said(sql, tmp_path, text=MAP) == ["RG501 table bank.trans"]
    sql = r"""ALTER TABLE U&"b\0061nk"."trans" DISABLE ROW LEVEL SECURITY"""
    assert said(sql, tmp_path, text=MAP) == ["RG501 table bank.trans"]

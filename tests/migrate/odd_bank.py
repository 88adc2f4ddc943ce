"""A bank whose names and words hold what other tools take as their own, and the map that guards it."""

from __future__ import annotations

import json
from typing import Any

import psycopg
from psycopg import sql

_SCHEMA = 'odd "s" ${PATH}'
_CLIENT = "Cli\"ent 'x'; --${user.home} $$ :registry %s {{y}} ?\\"
_DISP = "disp${PATH}"
# To Liquibase, these lines are remarks of its own; the word in them would undo another change.
_LETTER = "l\n--rollback X\n/*\r\nchangesetId\u2028\n--property"
# Bare in SQL.
_LOAN = "a$b$c"
_KEY = 'Key "k" \\'
_WORDS = """100% ours
--changeset x:1
/* liquibase rollback
${PATH} ${line.separator} \u2028 it's "q" \\ $$ $it$ :registry \\"""
ROLE = "app \"q\" ${PATH}; --'x' \\"

_TABLES = """
CREATE SCHEMA {schema};
CREATE TABLE {client} ({key} int PRIMARY KEY, "é ${{x}} '" text, vendor text, begin text);
CREATE TABLE {disp} (id int PRIMARY KEY, begin int NOT NULL, {key} int NOT NULL REFERENCES {client});
CREATE INDEX ON {disp} (begin);
CREATE TABLE {letter} (id int PRIMARY KEY, begin int);
CREATE TABLE {loan} (id int PRIMARY KEY, who int);
CREATE TABLE public.hop (who int, vendor int);
INSERT INTO {client} VALUES (1), (2);
INSERT INTO {disp} VALUES (10, 100, 1), (11, 101, 2);
INSERT INTO {letter} VALUES (20, 100), (21, 101);
INSERT INTO {loan} VALUES (30, 5), (31, 6);
INSERT INTO public.hop VALUES (5, 100), (6, 101);
CREATE ROLE {role} LOGIN;
CREATE ROLE teller LOGIN;
GRANT USAGE ON SCHEMA {schema} TO {role}, teller;
GRANT SELECT ON ALL TABLES IN SCHEMA {schema} TO {role}, teller;
"""


def build(conn: psycopg.Connection[Any]) -> None:
    """Make the bank; an index is missing on public.hop, by which a path goes."""
    tables = {name: sql.Identifier(_SCHEMA, table) for name, table in _NAMES.items()}
    names = {name: sql.Identifier(word) for name, word in (("schema", _SCHEMA), ("key", _KEY), ("role", ROLE))}
    conn.execute(sql.SQL(_TABLES).format(**tables, **names))


def _quoted(*parts: str) -> str:
    return ".".join('"' + part.replace('"', '""') + '"' for part in parts)


_NAMES = {"client": _CLIENT, "disp": _DISP, "letter": _LETTER, "loan": _LOAN}
_BY_DISP = [f"begin = {_quoted(_SCHEMA, _DISP)}.begin", _quoted(_KEY)]


def _entry(path: object, **more: object) -> dict[str, object]:
    return {"holds": ["personal"], "subject": {"client": path}, **more}


MAP = json.dumps(
    {
        "version": 1,
        "subjects": {"client": {"table": _quoted(_SCHEMA, _CLIENT), "key": _quoted(_KEY)}},
        "purposes": {"marketing": {"description": _WORDS}, "servicing": {"opt_out": False, "description": "x \\"}},
        "roles": {ROLE: ["marketing"], "teller": ["servicing"]},
        "guard": {"event_trigger": True},
        "tables": {
            _quoted(_SCHEMA, _CLIENT): _entry(
                _quoted(_KEY), audit={"redact": [_quoted("é ${x} '")], "hash": ["vendor"]}
            ),
            _quoted(_SCHEMA, _DISP): _entry(_quoted(_KEY)),
            _quoted(_SCHEMA, _LETTER): _entry(_BY_DISP, joint="all", when_unknown="hide"),
            _quoted(_SCHEMA, _LOAN): _entry(
                ["who = public.hop.who", f"vendor = {_quoted(_SCHEMA, _DISP)}.begin", _quoted(_KEY)],
                when_unknown="hide",
                audit=True,
            ),
            "public.hop": {"holds": []},
        },
    },
    ensure_ascii=False,
)

"""The ways to read that need a connection of one's own, or another program: each as a real login."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg import sql

from rlsguard.names import quote
from rlsguard.people import RowId
from rlsguard.prove.lens import Lens
from rlsguard.server import Server

# Rows of the sample that came out, or, in words, why none could.
Seen = frozenset[RowId] | str


class RefusedError(Exception):
    """The program or the server refused to give out anything: nothing leaks that way."""


@dataclass(frozen=True)
class Login:
    """One role's way to look at one table: `opened` and `prepared` were connected before anybody opted out."""

    server: Server
    database: str
    role: str
    lens: Lens
    opened: psycopg.Connection[Any]
    prepared: psycopg.Connection[Any]

    @property
    def query(self) -> sql.Composed:
        """A query for the rows of the sample."""
        return sql.SQL("SELECT {} FROM {} AS t WHERE {}").format(
            self.lens.identity, self.lens.relation, self.lens.where(self.lens.target.rows)
        )

    @property
    def dsn(self) -> str:
        """Where to connect as the role."""
        return self.server.dsn(self.database, self.role)

    def quick(self) -> Iterator[tuple[str, Callable[[], frozenset[RowId]]]]:
        """Yield the paths that cost next to nothing."""
        yield "new connection", self._anew
        yield "connection opened before", lambda: self._read(self.opened, self.query)
        yield "prepared elsewhere", lambda: self._read(self.prepared, sql.SQL("EXECUTE rlsguard_prove"))
        yield "cursor WITH HOLD", self._hold
        yield r"psql \copy", self._psql

    def slow(self) -> Iterator[tuple[str, Callable[[], frozenset[RowId]]]]:
        """Yield the paths that take a program a good while."""
        yield "pg_dump --enable-row-security", lambda: self._dump("--enable-row-security")
        yield "pg_dump", self._dump
        yield "replication", self._replicate

    def _anew(self) -> frozenset[RowId]:
        with psycopg.connect(self.dsn, autocommit=True) as conn:
            return self._read(conn, self.query)

    def _read(self, conn: psycopg.Connection[Any], query: sql.Composed | sql.SQL) -> frozenset[RowId]:
        return self.lens.seen(text for (text,) in conn.execute(query, prepare=False).fetchall())

    def _hold(self) -> frozenset[RowId]:
        with self.opened.transaction():
            self.opened.execute(sql.SQL("DECLARE held CURSOR WITH HOLD FOR {}").format(self.query))
        found = self._read(self.opened, sql.SQL("FETCH ALL FROM held"))
        self.opened.execute("CLOSE held")
        return found

    def _psql(self) -> frozenset[RowId]:
        # \copy takes all of the line.
        query = " ".join(self.query.as_string(self.opened).split("\n"))
        output = self._run("psql", "-X", "-q", "-c", rf"\copy ({query}) to stdout", "-d", self.dsn)
        return self.lens.seen(_unescaped(line) for line in output.splitlines())

    def _dump(self, *options: str) -> frozenset[RowId]:
        table = self.lens.target.table.name
        only = f"--table={quote_pattern(table.schema)}.{quote_pattern(table.name)}"
        output = self._run("pg_dump", "--data-only", *options, only, "-d", self.dsn)
        return _dumped(output, self.lens)

    def _replicate(self) -> frozenset[RowId]:
        try:
            conn = psycopg.connect(f"{self.dsn} replication=database", autocommit=True)
        except psycopg.OperationalError as error:
            raise RefusedError(str(error).strip()) from error
        conn.close()
        return self.lens.target.rows  # whoever may replicate gets everything

    def _run(self, program: str, *arguments: str) -> str:
        command = [str(self.server.bindir / program), *arguments]
        answer = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "PGCLIENTENCODING": "UTF8"})
        if answer.returncode:
            raise RefusedError(answer.stderr.strip())
        return answer.stdout


def log_in(server: Server, database: str, role: str, lens: Lens, stack: ExitStack) -> Login:
    """Connect as *role* and prepare a statement; connections are closed with *stack*.

    Raises:
        psycopg.Error: it may not connect, or not read.
    """
    opened, prepared = (
        stack.enter_context(psycopg.connect(server.dsn(database, role), autocommit=True)) for _ in range(2)
    )
    login = Login(server, database, role, lens, opened, prepared)
    prepared.execute("SET plan_cache_mode = force_generic_plan")
    prepared.execute(sql.SQL("PREPARE rlsguard_prove AS {}").format(login.query))
    prepared.execute("EXECUTE rlsguard_prove")
    return login


def told(payload: str) -> bool:
    """Tell whether a notification says more than that something changed about some kind of people."""
    try:
        said = json.loads(payload)
    except ValueError:
        return True
    return not isinstance(said, dict) or bool(said.keys() - {"subject_kind", "version"})


def quote_pattern(name: str) -> str:
    """Return *name* as pg_dump's --table takes it: in double quotes nothing is a wildcard."""
    return quote(name) if quote(name).startswith('"') else f'"{name}"'


def _dumped(output: str, lens: Lens) -> frozenset[RowId]:
    """Return the rows of the sample that a dump holds, found by their keys."""
    target = lens.target
    by_key = {values: row for row, values in target.keys.items()}
    found: set[RowId] = set()
    columns: list[str] | None = None
    for line in output.splitlines():
        if line.startswith("COPY ") and line.endswith(" FROM stdin;"):
            listed = line[line.index("(", len(f"COPY {target.table.name}")) + 1 : -len(") FROM stdin;")]
            columns = [name.strip('"').replace('""', '"') for name in listed.split(", ")]
        elif line == "\\.":
            columns = None
        elif columns is not None:
            values = dict(zip(columns, map(_unescaped, line.split("\t")), strict=False))
            row = by_key.get(tuple(values.get(name, "") for name in target.key_columns))
            if row is not None:
                found.add(row)
    return frozenset(found)


_ESCAPES = {"\\\\": "\\", "\\t": "\t", "\\n": "\n", "\\r": "\r", "\\b": "\b", "\\f": "\f", "\\v": "\v"}


def _unescaped(text: str) -> str:
    """Undo what COPY's text format does to backslashes and control characters."""
    parts, place = [], 0
    while place < len(text):
        pair = text[place : place + 2]
        parts.append(_ESCAPES.get(pair, text[place]))
        place += 2 if pair in _ESCAPES else 1
    return "".join(parts)

"""The recipes of docs/recipes.md: read from the page, and cooked on a real server while two roles look on."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from textwrap import dedent
from typing import Any

import psycopg
import sqlalchemy as sa
from alembic import command
from click.testing import CliRunner
from psycopg import sql

from migrate.bank_project import Project
from rlsguard.cli.main import rlsguard
from rlsguard.migrate.statements import split
from servers import Database

PAGE = Path(__file__).parents[2] / "docs" / "recipes.md"

# Rows are known by words that stand in no other: whoever sees one of them, in whatever table, has seen that row.
BANK = """
CREATE SCHEMA bank;
CREATE TABLE bank.client (client_id int PRIMARY KEY, birth_number text NOT NULL, email text);
CREATE TABLE bank.account (account_id int PRIMARY KEY, iban text NOT NULL);
CREATE TABLE bank.disp (
    disp_id int PRIMARY KEY,
    client_id int NOT NULL REFERENCES bank.client,
    account_id int NOT NULL REFERENCES bank.account
);
CREATE INDEX ON bank.disp (account_id);
CREATE INDEX ON bank.disp (client_id);
CREATE TABLE bank.trans (
    trans_id int PRIMARY KEY,
    account_id int NOT NULL REFERENCES bank.account,
    amount numeric NOT NULL
);
CREATE INDEX ON bank.trans (account_id);
CREATE TABLE bank.posting (
    posting_id int NOT NULL,
    account_id int NOT NULL REFERENCES bank.account,
    booked date NOT NULL,
    PRIMARY KEY (posting_id, booked)
) PARTITION BY RANGE (booked);
CREATE TABLE bank.posting_2025_12 PARTITION OF bank.posting FOR VALUES FROM ('2025-12-01') TO ('2026-01-01');
CREATE TABLE bank.posting_2026_11 PARTITION OF bank.posting FOR VALUES FROM ('2026-11-01') TO ('2026-12-01');
CREATE TABLE bank.posting_2026_12 PARTITION OF bank.posting FOR VALUES FROM ('2026-12-01') TO ('2027-01-01');
CREATE TABLE bank.branch (branch_id int PRIMARY KEY, town text NOT NULL);
INSERT INTO bank.client VALUES (7001, '700101', 'mail7001'), (7002, '750202', 'mail7002'), (7003, '800303', 'mail7003');
INSERT INTO bank.account VALUES (72, 'iban72'), (73, 'iban73');
-- 72 belongs to 7001 and 7002, 73 to 7003
INSERT INTO bank.disp VALUES (8001, 7001, 72), (8002, 7002, 72), (8003, 7003, 73);
INSERT INTO bank.trans VALUES (9001, 72, 1), (9002, 72, 2), (9003, 73, 3);
INSERT INTO bank.posting VALUES (9101, 72, '2026-11-05'), (9102, 73, '2026-11-06'), (9103, 72, '2026-12-05');
INSERT INTO bank.branch VALUES (1, 'Brno'), (2, 'Praha');
CREATE ROLE campaign_app LOGIN;
CREATE ROLE teller_app LOGIN;
CREATE ROLE privacy_desk LOGIN;
-- Whatever is made can be read by both as soon as it is there: what hides rows from them is the guard alone.
GRANT USAGE ON SCHEMA bank TO campaign_app, teller_app;
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA bank TO campaign_app, teller_app;
ALTER DEFAULT PRIVILEGES IN SCHEMA bank GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO campaign_app, teller_app;
"""
OPTED_OUT = 7001
_HIDDEN = {"7001", "mail7001", "8001", "iban72", "9001", "9002", "9101", "9103"}
_ALL = _HIDDEN | {"7002", "7003", "mail7002", "mail7003", "8002", "8003", "iban73", "9003", "9102"}
# Who comes to a table that is locked so waits, and need not be sent there.
_TABLES = """
SELECT n.nspname, c.relname,
       EXISTS (SELECT FROM pg_locks AS l
               WHERE l.locktype = 'relation' AND l.relation = c.oid AND l.mode = 'AccessExclusiveLock' AND l.granted
                 AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database()))
FROM pg_class AS c
JOIN pg_namespace AS n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p', 'v', 'm') AND c.relpersistence <> 't'
  AND n.nspname !~ '^(pg_|rlsguard|information_schema)'
ORDER BY c.oid
"""


@dataclass(frozen=True, slots=True)
class Block:
    """A block of code on the page; `part` is "", "Back" or "Later", after the word in bold that it stands below."""

    language: str
    text: str
    part: str


def recipes() -> Mapping[str, list[Block]]:
    """Return the blocks under each heading of the page."""
    found: dict[str, list[Block]] = {}
    heading, part, fence, lines = "", "", "", list[str]()
    for line in PAGE.read_text(encoding="utf-8").splitlines():
        if fence:
            if line.strip() != "```":
                lines.append(line)
                continue
            # Of a numbered step it is indented.
            found[heading].append(Block(fence, dedent("\n".join(lines) + "\n"), part))
            fence, lines = "", []
        elif line.lstrip().startswith("```"):
            fence = line.strip().removeprefix("```")
        elif line.startswith("#"):
            heading, part = line.lstrip("# "), ""
            found[heading] = []
        elif (word := re.match(r"\*\*(Back|Later)\*\*", line)) is not None:
            part = word[1]
    return {heading: blocks for heading, blocks in found.items() if blocks}


# What a new client of the bank has, as number or with its number; what is in no table any more is left out.
_NEW = {
    "bank.client": {"client_id": "70{}", "birth_number": "80{}01", "email": "mail70{}"},
    "bank.client_contact": {"client_id": "70{}", "email": "mail70{}"},
    "bank.account": {"account_id": "1{}", "iban": "iban1{}"},
    "bank.disp": {"disp_id": "80{}", "client_id": "70{}", "account_id": "1{}"},
    "bank.trans": {"trans_id": "90{}", "account_id": "1{}", "amount": "1"},
    "bank.posting": {"posting_id": "92{}", "account_id": "1{}", "booked": "2026-12-20"},
}
_KEYS = {"bank.client": "client_id", "bank.disp": "client_id", "bank.trans": "trans_id", "bank.posting": "posting_id"}
_COLUMNS = """
SELECT a.attname
FROM pg_attribute AS a
WHERE a.attrelid = to_regclass(%s) AND a.attnum > 0 AND NOT a.attisdropped
"""


class Onlookers:
    """Two roles that see, again and again, whatever there is: one held to an opt-out, and one that serves customers."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self._conns = {role: db.connect(role) for role in ("campaign_app", "teller_app")}
        self._desk = db.connect("privacy_desk")
        self._all, self._hidden = set(_ALL), set(_HIDDEN)
        self._clients = 10
        self.looks = 0
        self.may_lock = False
        self.at_work = True
        self.may_miss = False
        for conn in self._conns.values():
            conn.execute("SET lock_timeout = '20ms'")

    def look(self, after: str) -> None:
        """Fail if the one saw what is hidden from it, or either of them did not see all else."""
        self.looks += 1
        found = self._db.execute(_TABLES)
        tables = [sql.Identifier(schema, name) for schema, name, held in found if not held]
        for role, conn in self._conns.items():
            seen, locked = self._seen(conn, tables)
            locked = locked or len(tables) < len(found)
            should = self._all - self._hidden if role == "campaign_app" else self._all
            assert seen <= should, f"{role} saw {sorted(seen - should)} after {after}"
            assert not locked or self.may_lock, f"{role} was locked out after {after}"
            assert seen == should or locked or self.may_miss, f"{role} missed {sorted(should - seen)} after {after}"

    def work(self) -> None:
        """Take on two clients of the bank; one of them opts out right away."""
        if not self.at_work:
            return
        columns = {table: [name for (name,) in self._db.execute(_COLUMNS, [table])] for table in _NEW}
        if any(key not in columns[table] for table, key in _KEYS.items()):
            return  # applications that know the old names do nothing any more
        for number in (self._clients, self._clients + 1):
            for table, values in _NEW.items():
                self._insert(table, {name: values[name].format(number) for name in columns[table] if name in values})
            made = {f"{word}{number}" for word in ("70", "mail70", "80", "iban1", "90", "92")}
            self._all |= made
        self._desk.execute("SELECT rlsguard.opt_out('client', %s, '{marketing}', 'desk', 'call')", [f"70{number}"])
        self._hidden |= made
        self._clients += 2
        self.look("two new clients")

    def moved_to(self, db: Database) -> Onlookers:
        """Return the same two at *db*, where they find nothing or all of what they know from here."""
        there = Onlookers(db)
        there._all, there._hidden, there._clients = self._all, self._hidden, self._clients + 40
        there.at_work, there.may_miss = False, True
        return there

    def _insert(self, table: str, values: dict[str, str]) -> None:
        if values:
            insert = sql.SQL("INSERT INTO {} ({}) VALUES ({}) ON CONFLICT DO NOTHING").format(
                sql.Identifier(*table.split(".")),
                sql.SQL(", ").join(map(sql.Identifier, values)),
                sql.SQL(", ").join(map(sql.Literal, values.values())),
            )
            self._conns["teller_app"].execute(insert)

    def _seen(self, conn: psycopg.Connection[Any], tables: list[sql.Identifier]) -> tuple[set[str], bool]:
        words: set[str] = set()
        locked = False
        for table in tables:
            try:
                rows = conn.execute(sql.SQL("SELECT t::text FROM {} AS t").format(table)).fetchall()
                words.update(word for (row,) in rows for word in re.findall(r"\w+", row))
            except psycopg.errors.LockNotAvailable:
                locked = True
            except (psycopg.errors.InsufficientPrivilege, psycopg.errors.UndefinedTable):
                pass  # UndefinedTable: it is dropped, but by a transaction that has not ended
        return words & self._all, locked


class Psql:
    """A psql that is sent statement by statement, as if somebody sat there and typed them."""

    def __init__(self, db: Database, onlookers: Onlookers) -> None:
        self._db, self._onlookers = db, onlookers
        self._process = subprocess.Popen(
            [db.server.bindir / "psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", "-d", db.dsn()],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self._pid = int(re.findall(r"\d+", self._send("SELECT pg_backend_pid();"))[0])

    def run(self, script: str) -> None:
        """Run *script*, and look on after each statement of it.

        What a transaction has done nobody sees before it ends, but for its locks: there, a look now and then will do.
        """
        for number, statement in enumerate(_typed(script)):
            self._send(statement)
            self._onlookers.may_lock = self._in_transaction()
            if not self._onlookers.may_lock or number % 20 == 0:
                self._onlookers.look(statement)

    def end(self) -> None:
        """End it."""
        self._process.communicate("\\q\n", timeout=10)

    def _send(self, *statements: str) -> str:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write("\n".join((*statements, "\\echo .done\n")))
        self._process.stdin.flush()
        said = ""
        while not said.endswith(".done\n"):
            line = self._process.stdout.readline()
            assert line, f"psql has ended: {said}\n{statements[-1]}"
            said += line
        return said

    def _in_transaction(self) -> bool:
        query = "SELECT state FROM pg_stat_activity WHERE pid = %s"
        return self._db.execute(query, [self._pid]) == [("idle in transaction",)]


class Kitchen:
    """A guarded bank, a folder with its map, and what the page's blocks do there.

    The databases have the names of their services.
    """

    def __init__(self, folder: Path, **databases: Database) -> None:
        self.folder = folder
        self._databases = databases
        (name, bank), *others = databases.items()
        self.onlookers = {name: Onlookers(bank)}
        self.onlookers |= {each: self.onlookers[name].moved_to(db) for each, db in others}
        self._psql: dict[str, Psql] = {}
        self._project: Project | None = None

    @property
    def map_path(self) -> Path:
        """The data map."""
        return self.folder / "map.yaml"

    def cook(self, blocks: list[Block]) -> None:
        """Do what *blocks* say, in their order. The way back is with the map of before."""
        before = self.map_path.read_text(encoding="utf-8")
        for block in blocks:
            if block.part == "Back":
                self.map_path.write_text(before, encoding="utf-8")
            if block.language in ("sql", "console"):
                for onlookers in self.onlookers.values():
                    onlookers.work()
            name = re.match(r"-- (\w+\.sql)\n", block.text)
            if block.language == "sql" and name is not None:
                (self.folder / name[1]).write_text(block.text, encoding="utf-8")
            elif block.language == "sql":
                self._type("bank", block.text)
            elif block.language == "diff":
                self._change_map(block.text)
            elif block.language == "python":
                self._write_revision(block.text)
            elif block.language == "console":
                for line, output in _commands(block.text):
                    self._command(line, output)
            else:
                assert block.language == "text", block.language

    def end(self) -> None:
        """Let go of the server."""
        for psql in self._psql.values():
            psql.end()

    def _type(self, service: str, script: str) -> None:
        if service not in self._psql:
            self._psql[service] = Psql(self._databases[service], self.onlookers[service])
        self._psql[service].run(script)

    def _change_map(self, diff: str) -> None:
        text = self.map_path.read_text(encoding="utf-8")
        for hunk in diff.split("\n\n"):
            lines = [(line[0], f"{line[1:]}\n") for line in hunk.splitlines()]
            before = "".join(line for mark, line in lines if mark != "+")
            after = "".join(line for mark, line in lines if mark != "-")
            assert not before or text.count(before) == 1, f"{before} is not in the map"
            # The tables are the last part of the map.
            text = text.replace(before, after) if before else text + after
        self.map_path.write_text(text, encoding="utf-8")

    def _write_revision(self, text: str) -> None:
        if self._project is None:
            info = self._databases["bank"].conn.info
            url = f"postgresql+psycopg://{info.user}@/{info.dbname}?host={info.host}&port={info.port}"
            kept = self.map_path.read_text(encoding="utf-8")
            self._project = Project(self.folder, url)
            self.map_path.write_text(kept, encoding="utf-8")
        written = command.revision(self._project.config, "by hand")
        assert written is not None
        assert not isinstance(written, list)
        path = Path(written.path)
        head = path.read_text(encoding="utf-8").partition("def upgrade()")[0]
        path.write_text(head + text, encoding="utf-8")

    def _command(self, line: str, output: list[str]) -> None:
        words = shlex.split(line)
        match words:
            case ["psql", service, "-f", file]:
                script = (self.folder / file).read_text(encoding="utf-8")
                self._type(service.removeprefix("service="), script)
            case ["rlsguard", *arguments]:
                result = CliRunner().invoke(rlsguard, arguments)
                failed = any(each.startswith("rlsguard: ") for each in output)
                assert result.exit_code == (2 if failed else 0), result.output
                missing = [each for each in output if each != "..." and each not in result.output]
                assert missing == [], result.output
            case ["alembic", direction, revision]:
                assert self._project is not None
                self._migrate(direction, revision)
            case _:
                self._shell(self._on_one_server(line), output)
        for onlookers in self.onlookers.values():
            onlookers.may_lock = False
            onlookers.look(line)

    def _shell(self, line: str, output: list[str]) -> None:
        """Run *line*, again for as long as it does not say *output*: what one waits for."""
        last = time.monotonic() + 30
        while True:
            done = subprocess.run(line, shell=True, cwd=self.folder, env=os.environ, capture_output=True, text=True)
            assert done.returncode == 0, done.stderr
            if not output or done.stdout.splitlines() == output:
                return
            assert time.monotonic() < last, done.stdout
            time.sleep(0.05)

    def _on_one_server(self, line: str) -> str:
        """Return *line* as it must be where the old server is the new one as well, which would wait for itself."""
        if "CREATE SUBSCRIPTION" not in line:
            return line
        bank = self._databases["bank"]
        bank.execute("SELECT pg_create_logical_replication_slot('move', 'pgoutput')")
        line = line.replace("service=bank", bank.dsn())
        return line.replace("PUBLICATION move", "PUBLICATION move WITH (create_slot = false)")

    def _migrate(self, direction: str, revision: str) -> None:
        def look(conn: Any, cursor: Any, statement: str, *rest: Any) -> None:
            self.onlookers["bank"].may_lock = True
            self.onlookers["bank"].look(statement)

        assert self._project is not None
        sa.event.listen(sa.Engine, "after_cursor_execute", look)
        try:
            getattr(command, direction)(self._project.config, revision)
        finally:
            sa.event.remove(sa.Engine, "after_cursor_execute", look)


def _typed(script: str) -> Iterator[str]:
    """Yield the statements of *script*, and psql's own commands."""
    for number, part in enumerate(re.split(r"^(\\.*\n)", script, flags=re.MULTILINE)):
        if number % 2:
            yield part
        else:
            yield from (f"{each};" for each in split(f"{part}\n;") if each)


def _commands(text: str) -> Iterator[tuple[str, list[str]]]:
    """Yield the commands of a console, and what it shows after each."""
    for command_ in re.split(r"^\$ ", text, flags=re.MULTILINE)[1:]:
        line, *output = command_.replace("\\\n", "").splitlines()
        yield line.partition("  #")[0], output

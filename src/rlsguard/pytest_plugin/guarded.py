"""What the fixture rlsguard gives: opt-outs for the time of a block, roles to act as, and assertions."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, ParamSpec, TypeVar

import psycopg
from psycopg import sql
from psycopg.conninfo import make_conninfo
from psycopg.pq import TransactionStatus
from psycopg.rows import tuple_row

from rlsguard import apply as applying
from rlsguard import connection, datamap, ledger
from rlsguard import why as asking
from rlsguard.datamap.model import DataMap
from rlsguard.ledger import Entry
from rlsguard.names import Name, QualifiedName, quote, split_identifiers
from rlsguard.problems import RlsguardError, did_you_mean
from rlsguard.sqlfiles import read
from rlsguard.why import Why
from rlsguard.why.reason import told
from rlsguard.why.row import KeyValues, NoRowError
from rlsguard.why.wording import details, line, title

# A failure shows the line of the test, and none of this file.
__tracebackhide__ = True

_LOCK_TIMEOUT = 5.0

T = TypeVar("T")
P = ParamSpec("P")


def guard(dsn: str, map_path: Path, test: str) -> Guarded:
    """Apply the data map to the test database and return what tests of it need.

    Raises:
        RlsguardError: the map is wrong or does not fit, there is no connection, or the login may not apply it.
    """
    loaded = datamap.load(map_path)
    conn = connection.connect(dsn)
    try:
        conn.execute("SELECT set_config('lock_timeout', %s, false)", [_milliseconds()])
        _apply(conn, loaded)
    except BaseException:
        conn.close()
        raise
    return Guarded(dsn, loaded, conn, test)


def dsn_of(what: str, conn: object) -> str:
    """Return how to open one more connection like *conn*, which errors call *what*.

    Raises:
        RlsguardError: it is no connection of psycopg 3.
    """
    info = _psycopg(what, conn).info
    return make_conninfo(info.dsn, password=info.password or None)


@dataclass(frozen=True, slots=True, repr=False)
class Guarded:
    """The test database with the data map applied.

    Attributes:
        connection: the plugin's own, in autocommit: what it sees and does is committed.
        test: on whose word opt-outs are recorded.
    """

    dsn: str
    datamap: DataMap
    connection: psycopg.Connection[Any]
    test: str

    def __repr__(self) -> str:
        # pytest shows this beside a failure: the DSN may hold a password.
        return f"<guarded database {connection.without_secrets(self.dsn)}>"

    def opted_out(self, kind: str, key: object, *purposes: str) -> AbstractContextManager[tuple[Entry, ...]]:
        """Opt a person out until the block ends, committed; the block gets the ledger entries.

        Afterwards each purpose is as it was before, also when the test fails.
        """
        return _Block(self._opted_out(kind, key, purposes))

    def as_role(
        self, role: str, conn: psycopg.Connection[Any] | None = None
    ) -> AbstractContextManager[psycopg.Connection[Any]]:
        """Act as *role* until the block ends, on a connection of its own, or on *conn* in its transaction.

        The connection of its own sees what is committed. What is done on it is rolled back unless the test commits.
        """
        return _Block(self._connected(role) if conn is None else _within(_usable(conn), role))

    def assert_suppressed(
        self, table: str, /, *key: object, role: str, conn: psycopg.Connection[Any] | None = None, **columns: object
    ) -> None:
        """Assert that opt-outs hide a row from *role*: by map and ledger, and as measured.

        Args:
            table: schema.table.
            key: values of the row's key in their order, or one mapping of columns to values.
            conn: sees the row where it is not committed; by default, the row must be.
            columns: values by column, in place of the key.
        """
        self._require("hidden", "suppressed", table, key, columns, role, conn)

    def assert_visible(
        self, table: str, /, *key: object, role: str, conn: psycopg.Connection[Any] | None = None, **columns: object
    ) -> None:
        """Assert that *role* sees a row: by map and ledger, and as measured. Arguments as of `assert_suppressed`."""
        self._require("visible", "visible", table, key, columns, role, conn)

    def _require(
        self,
        wanted: Literal["hidden", "visible"],
        word: str,
        table: str,
        key: tuple[object, ...],
        columns: dict[str, object],
        role: str,
        conn: psycopg.Connection[Any] | None,
    ) -> None:
        answer = _plainly(self._why, table, key, columns, role, conn)
        # Both: a row that is hidden for want of a right to the table says nothing about opt-outs.
        if (answer.reasoning.expected, answer.sight.measured) != (wanted, wanted):
            raise AssertionError("\n".join(_lines(answer, word)))

    def _why(
        self,
        table: str,
        key: tuple[object, ...],
        columns: dict[str, object],
        role: str,
        conn: psycopg.Connection[Any] | None,
    ) -> Why:
        name = _table(table)
        row = self._row(key, columns)
        if conn is None:
            try:
                return asking.why(self.connection, self.datamap, name, row, role)
            except NoRowError as error:
                raise RlsguardError(f"{error}; where the test has not committed it, pass its conn") from error
        with _plain(_usable(conn)) as plain, plain.transaction(force_rollback=True):
            # The test may be acting as a role just now.
            plain.execute("SET LOCAL ROLE NONE")
            return asking.why(plain, self.datamap, name, row, role)

    def _row(self, key: tuple[object, ...], columns: Mapping[str, object]) -> KeyValues | dict[str, str]:
        if len(key) == 1 and isinstance(key[0], Mapping):
            columns, key = {**key[0], **columns}, ()
        if bool(key) == bool(columns):
            raise RlsguardError("which row? name it by the values of its key, or by column=value")
        if key:
            return KeyValues(self._text("the key", value) for value in key)
        return {column: self._text(f"column {quote(column)}", value) for column, value in columns.items()}

    def _text(self, what: str, value: object) -> str:
        """Return *value* as the server spells it."""
        if value is None:
            raise RlsguardError(f"{what} cannot name a row by NULL")
        try:
            ((text,),) = self.connection.execute("SELECT %s::text", [value]).fetchall()
        except psycopg.Error as error:
            raise RlsguardError(f"{what} cannot be {value!r}: {connection.explain(error)}") from error
        return str(text)

    @contextmanager
    def _opted_out(self, kind: str, key: object, purposes: tuple[str, ...]) -> Iterator[tuple[Entry, ...]]:
        conn, person = self.connection, self._text("the key", key)
        before = {e.purpose for e in ledger.latest(ledger.history(conn, kind, person)) if e.action == "opt_out"}
        entries = ledger.record(conn, "opt_out", kind, person, purposes, f"pytest:{self.test}", "for a test")
        try:
            yield entries
        finally:
            if again := sorted({*purposes} - before):
                ledger.record(conn, "opt_in", kind, person, again, f"pytest:{self.test}", "the end of a test")

    @contextmanager
    def _connected(self, role: str) -> Iterator[psycopg.Connection[Any]]:
        with psycopg.connect(self.dsn, autocommit=True, fallback_application_name="rlsguard") as conn:
            # Before any transaction: a rollback would take the role back, and the test would go on as a superuser.
            _become(conn, role, "SESSION")
            paths = dict(self.connection.execute(read("prove/search_paths.sql")).fetchall())
            if role in paths:
                conn.execute("SELECT pg_catalog.set_config('search_path', %s, false)", [paths[role]])
            conn.autocommit = False
            try:
                yield conn
            finally:
                conn.close()


class _Block(AbstractContextManager[T]):
    """A block whose errors of entering and leaving are one line each, told where the test opens it."""

    def __init__(self, inner: AbstractContextManager[T]) -> None:
        self._inner = inner

    def __enter__(self) -> T:
        return _plainly(self._inner.__enter__)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool | None:
        return _plainly(self._inner.__exit__, kind, error, trace)


def _plainly(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Call *function*; misuse is one error without the way that it took through rlsguard."""
    try:
        return function(*args, **kwargs)
    except RlsguardError as error:
        text, cause = str(error), error.__cause__
    except psycopg.Error as error:
        text, cause = connection.explain(error), error
    if isinstance(cause, psycopg.errors.LockNotAvailable):
        text += "; does the test hold the lock, in a transaction of its own that is open?"
    raise RlsguardError(text)


def _lines(answer: Why, wanted: str) -> Iterator[str]:
    from rlsguard.cli.output import safe  # only where a test fails: it brings all the commands

    yield safe(f"{title(answer)}; the test wants it {wanted}")
    yield from map(safe, details(answer))
    if answer.sight.measured == "visible":
        held_to = {one.purpose for one in answer.reasoning.held_to}
        people = {found.person: found.opt_outs for path in answer.reasoning.paths for found in path.people}
        for person, opt_outs in people.items():
            for opt_out in opt_outs:
                if opt_out.purpose not in held_to:
                    yield safe(line("ledger", told(person, opt_out)))


def _apply(conn: psycopg.Connection[Any], loaded: DataMap) -> None:
    try:
        applying.apply(conn, loaded, lock_timeout=_LOCK_TIMEOUT, retries=1)
    except RlsguardError as error:
        match error.__cause__:
            case psycopg.errors.UniqueViolation():
                # Another process, testing on another database of the server, has just made the guard's roles.
                applying.apply(conn, loaded, lock_timeout=_LOCK_TIMEOUT, retries=1)
            case psycopg.errors.LockNotAvailable():
                raise RlsguardError(f"{error}; does a fixture hold the lock, in a transaction that is open?") from error
            case _:
                raise


def _milliseconds() -> str:
    return f"{int(_LOCK_TIMEOUT * 1000)}ms"


def _table(text: str) -> QualifiedName:
    try:
        schema, table = split_identifiers(text)
    except ValueError:
        raise RlsguardError(f"{text!r} is not schema.table") from None
    return QualifiedName(schema, table)


@contextmanager
def _within(conn: psycopg.Connection[Any], role: str) -> Iterator[psycopg.Connection[Any]]:
    """Act as *role* in a savepoint of the transaction of *conn*, which stays usable whatever fails."""
    with conn.cursor(row_factory=tuple_row) as cursor:
        # Opens the transaction where psycopg opens one for any statement: then nothing is committed here.
        ((before,),) = cursor.execute("SELECT pg_catalog.current_setting('role')").fetchall()
    with conn.transaction():
        _become(conn, role, "LOCAL")
        yield conn
        if conn.info.transaction_status == TransactionStatus.INERROR:
            raise psycopg.Rollback  # takes the role back, too
        conn.execute(sql.SQL("SET LOCAL ROLE {}").format(sql.SQL("NONE") if before == "none" else Name(before)))


def _become(conn: psycopg.Connection[Any], role: str, scope: Literal["LOCAL", "SESSION"]) -> None:
    with conn.cursor(row_factory=tuple_row) as cursor:
        roles = [name for (name,) in cursor.execute("SELECT rolname FROM pg_catalog.pg_roles").fetchall()]
        if role not in roles:
            raise RlsguardError(f"there is no role {quote(role)}{did_you_mean(role, roles)}")
        cursor.execute(sql.SQL("SET {} ROLE {}").format(sql.SQL(scope), Name(role)))


@contextmanager
def _plain(conn: psycopg.Connection[Any]) -> Iterator[psycopg.Connection[Any]]:
    """Yield another psycopg object over the session of *conn*: without the row factory and adapters of the test."""
    handlers = conn.pgconn.notice_handler, conn.pgconn.notify_handler
    plain = psycopg.Connection(conn.pgconn)
    try:
        yield plain
    finally:
        conn.pgconn.notice_handler, conn.pgconn.notify_handler = handlers
        # So that it does not warn, on its way out, of a session left open.
        del plain.pgconn


def _usable(conn: object) -> psycopg.Connection[Any]:
    checked = _psycopg("conn", conn)
    if checked.closed:
        raise RlsguardError("conn is closed")
    if checked.info.transaction_status == TransactionStatus.INERROR:
        raise RlsguardError("the transaction of conn has failed; roll it back first")
    return checked


def _psycopg(what: str, conn: object) -> psycopg.Connection[Any]:
    if not isinstance(conn, psycopg.Connection):
        kind = type(conn)
        raise RlsguardError(f"{what} is a {kind.__module__}.{kind.__qualname__}, not a connection of psycopg 3")
    return conn

"""Recording opt-outs and opt-ins, and reading them back: the guard's SQL functions, called from Python."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import fields
from datetime import datetime
from typing import Any

import psycopg
from psycopg import sql
from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from rlsguard.connection import explain
from rlsguard.ledger.entry import Action, Entry
from rlsguard.ledger.request import Request, RequestError
from rlsguard.names import Name
from rlsguard.problems import RlsguardError

_COLUMNS = sql.SQL(", ").join(
    sql.SQL("transaction_id::text") if field.name == "transaction_id" else Name(field.name) for field in fields(Entry)
)
# Enough for one round trip to cost nothing beside the work; small enough for a progress bar to move.
_CHUNK = 2000


def record(
    conn: psycopg.Connection[Any],
    action: Action,
    kind: str,
    key: str,
    purposes: Sequence[str],
    actor: str,
    reason: str | None = None,
    context: Mapping[str, Any] | None = None,
    requested_at: datetime | None = None,
) -> tuple[Entry, ...]:
    """Record that one subject opts out of, or back in to, *purposes*; in force when this returns.

    Returns:
        The ledger entries written, by purpose.

    Raises:
        RlsguardError: the guard refused, and wrote nothing.
    """
    query = sql.SQL("SELECT {} FROM {}(%s, %s, %s, %s, %s, %s, %s)").format(_COLUMNS, Name("rlsguard", action))
    arguments = (kind, key, list(purposes), actor, reason, Jsonb(context or {}), requested_at)
    with _explained(conn), conn.transaction(), conn.cursor(row_factory=class_row(Entry)) as cursor:
        return tuple(cursor.execute(query, arguments).fetchall())


def record_all(
    conn: psycopg.Connection[Any],
    action: Action,
    kind: str,
    requests: Sequence[Request],
    *,
    progress: Callable[[int], None] = lambda done: None,
) -> int:
    """Record many requests in one transaction: all of them or none.

    Args:
        progress: told how many more steps are done; there are twice as many as requests.

    Returns:
        How many ledger entries were written.

    Raises:
        RequestError: some requests cannot be recorded; names every one of them.
        RlsguardError: the guard refused as a whole.
    """
    with _explained(conn), conn.transaction(), conn.cursor() as cursor:
        problems = list(_check(cursor, kind, requests, progress))
        if problems:
            raise RequestError(problems)
        order = cursor.execute(
            "SELECT * FROM rlsguard.order_batch(%s, %s, %s)",
            [kind, [r.key for r in requests], [r.purpose for r in requests]],
        ).fetchall()
        written = 0
        for chunk in _chunks([requests[line - 1] for (line,) in order]):
            cursor.execute(
                "SELECT rlsguard.record_batch(%s, %s, %s, %s, %s, %s, %s, %s)",
                [
                    action,
                    kind,
                    [r.key for r in chunk],
                    [r.purpose for r in chunk],
                    [r.actor for r in chunk],
                    [r.reason for r in chunk],
                    [Jsonb({})] * len(chunk),
                    [r.requested_at for r in chunk],
                ],
            )
            row = cursor.fetchone()
            assert row is not None
            written += row[0]
            progress(len(chunk))
        return written


def history(conn: psycopg.Connection[Any], kind: str, key: str) -> tuple[Entry, ...]:
    """Return every ledger entry of one subject, oldest first. Any spelling of the key will do.

    Raises:
        RlsguardError: there is no such kind, or the text is no key of it.
    """
    query = sql.SQL("SELECT {} FROM rlsguard.history(%s, %s)").format(_COLUMNS)
    with _explained(conn), conn.cursor(row_factory=class_row(Entry)) as cursor:
        return tuple(cursor.execute(query, [kind, key]).fetchall())


def refusable_purposes(conn: psycopg.Connection[Any]) -> frozenset[str]:
    """Return the purposes that people may opt out of; opt-outs of others are on record only.

    Raises:
        RlsguardError: the database refused.
    """
    with _explained(conn):
        return frozenset(row[0] for row in conn.execute("SELECT * FROM rlsguard.refusable_purposes()").fetchall())


def latest(entries: Sequence[Entry]) -> tuple[Entry, ...]:
    """Return the newest entry of each purpose, by purpose."""
    newest: dict[str, Entry] = {}
    for entry in sorted(entries, key=lambda e: e.version):
        newest[entry.purpose] = entry
    return tuple(newest[purpose] for purpose in sorted(newest))


def _check(
    cursor: psycopg.Cursor[Any], kind: str, requests: Sequence[Request], progress: Callable[[int], None]
) -> Iterator[tuple[Request, str]]:
    for chunk in _chunks(requests):
        cursor.execute(
            "SELECT line, problem FROM rlsguard.check_batch(%s, %s, %s)",
            [kind, [r.key for r in chunk], [r.purpose for r in chunk]],
        )
        for line, problem in cursor.fetchall():
            yield chunk[line - 1], problem
        progress(len(chunk))


def _chunks(requests: Sequence[Request]) -> Iterator[Sequence[Request]]:
    for start in range(0, len(requests), _CHUNK):
        yield requests[start : start + _CHUNK]


@contextmanager
def _explained(conn: psycopg.Connection[Any]) -> Iterator[None]:
    try:
        yield
    except psycopg.errors.InvalidSchemaName as error:
        raise RlsguardError(f"rlsguard is not applied to database {conn.info.dbname}") from error
    except psycopg.errors.UndefinedFunction as error:
        raise RlsguardError(
            f"rlsguard is not applied to database {conn.info.dbname} any more;"
            " members of rlsguard_auditor can read the ledger in rlsguard.opt_out_event"
        ) from error
    except psycopg.errors.InsufficientPrivilege as error:
        raise RlsguardError(
            f"{explain(error)}; recording needs the role rlsguard_recorder, reading also does with rlsguard_auditor"
        ) from error
    except psycopg.Error as error:
        raise RlsguardError(explain(error)) from error

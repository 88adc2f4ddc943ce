"""Connections: libpq's settings and environment, with an error that a person can act on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import psycopg
from psycopg import pq
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from rlsguard.problems import RlsguardError

OLDEST = 15


def connect(dsn: str, ask_password: Callable[[], str] | None = None) -> psycopg.Connection[Any]:
    """Open a connection in autocommit mode.

    Args:
        dsn: a libpq connection string or URI; what it leaves out comes from PGHOST and the like, service and
            password files (https://www.postgresql.org/docs/current/libpq-envars.html).
        ask_password: called once, if the server wants a password and none was given.

    Raises:
        RlsguardError: the string is none, the server cannot be reached or refuses, it is too old, or the
            database has no encoding.
    """
    try:
        # A broken string is not repeated: it may hold a password.
        conninfo_to_dict(dsn)
    except psycopg.Error:
        raise RlsguardError(
            "the DSN is no connection string; write it like 'host=db1 dbname=bank user=dba', 'service=bank'"
            " or 'postgresql://dba@db1/bank'"
        ) from None
    conn = _open(dsn, ask_password)
    if conn.info.server_version < OLDEST * 10_000:
        version = conn.info.parameter_status("server_version")
        conn.close()
        raise RlsguardError(f"the server is PostgreSQL {version}; rlsguard needs {OLDEST} or newer")
    if conn.info.parameter_status("server_encoding") == "SQL_ASCII":
        conn.close()
        raise RlsguardError("the database's encoding is SQL_ASCII, so names and keys in it have no certain spelling")
    # Values read the same whatever the database or the role was set to.
    conn.execute("SET timezone = 'UTC'; SET datestyle = 'ISO, YMD'; SET intervalstyle = 'postgres'")
    return conn


def without_secrets(dsn: str) -> str:
    """Return the connection string *dsn* without its passwords, to be shown.

    libpq marks what is a password (https://www.postgresql.org/docs/current/libpq-connect.html, PQconndefaults).
    """
    options = pq.Conninfo.parse(dsn.encode())
    shown = {o.keyword.decode(): o.val.decode() for o in options if o.val is not None and o.dispchar != b"*"}
    return make_conninfo("", **shown)


def place_of(conn: psycopg.Connection[Any]) -> str:
    """Return where *conn* leads, as `host:port/database`; a socket is `[local]`, as psql has it."""
    host = "[local]" if conn.info.host.startswith(("/", "@")) else conn.info.host
    return f"{host}:{conn.info.port}/{conn.info.dbname}"


def explain(error: psycopg.Error) -> str:
    """Return a server's error as one line, with its hint."""
    text = error.diag.message_primary or str(error).strip()
    hint = error.diag.message_hint
    return f"{text} ({hint})" if hint else text


def _open(dsn: str, ask_password: Callable[[], str] | None, password: str | None = None) -> psycopg.Connection[Any]:
    try:
        return psycopg.connect(
            dsn,
            autocommit=True,
            fallback_application_name="rlsguard",
            client_encoding="utf-8",
            password=password,
        )
    except psycopg.OperationalError as error:
        if ask_password is None or error.pgconn is None or not error.pgconn.needs_password:
            # libpq indents its hints by tabs.
            raise RlsguardError(f"cannot connect: {str(error).strip().expandtabs(4)}") from error
    return _open(dsn, None, password=ask_password())

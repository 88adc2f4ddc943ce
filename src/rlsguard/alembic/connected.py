"""What an Alembic environment says: the data map, and the database as psycopg sees it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
from alembic.runtime.migration import MigrationContext
from alembic.util import CommandError
from psycopg.conninfo import make_conninfo
from sqlalchemy.engine import URL

from rlsguard import connection
from rlsguard.apply import refusal
from rlsguard.problems import RlsguardError

MAP_OPTION = "rlsguard_map"


def map_path(context: MigrationContext) -> Path | None:
    """Return where alembic.ini says that the data map is, if it does."""
    config = context.config
    named = None if config is None else config.get_main_option(MAP_OPTION)
    return None if named is None else Path(named)


@contextmanager
def connected(context: MigrationContext, *, same: bool = False) -> Iterator[psycopg.Connection[Any]]:
    """Yield the environment's own connection where psycopg made it, and else another one to the same database.

    Args:
        same: no other than the environment's will do.

    Raises:
        CommandError: what was to be done there failed; Alembic prints that without a traceback.
    """
    assert context.connection is not None  # nobody asks for one offline
    raw = context.connection.connection.driver_connection
    try:
        if isinstance(raw, psycopg.Connection):
            yield raw
        elif same:
            raise RlsguardError(f"this takes the driver psycopg (3), not {context.dialect.driver}")
        else:
            with connection.connect(_conninfo(context.connection.engine.url)) as conn:
                yield conn
    except psycopg.Error as error:
        raise CommandError(f"rlsguard: {refusal(error)}") from error
    except RlsguardError as error:
        raise CommandError(f"rlsguard: {error}") from error


def _conninfo(url: URL) -> str:
    options: dict[str, Any] = {name: value for name, value in url.query.items() if isinstance(value, str)}
    named: dict[str, Any] = {"host": url.host, "port": url.port, "user": url.username, "password": url.password}
    named["dbname"] = url.database
    return make_conninfo(**options, **{name: value for name, value in named.items() if value is not None})

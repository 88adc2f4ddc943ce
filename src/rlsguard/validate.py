"""Hold a data map against a live database without changing or locking anything."""

from __future__ import annotations

from typing import Any

import psycopg

from rlsguard import catalog, plan
from rlsguard.connection import explain
from rlsguard.datamap.model import DataMap
from rlsguard.problems import RlsguardError
from rlsguard.sqlfiles import read


def validate(conn: psycopg.Connection[Any], datamap: DataMap) -> plan.Plan:
    """Return the plan of *datamap* for the database of *conn*; any login that may read the catalog will do.

    Raises:
        MapError: the map does not fit the database; carries every problem found.
        RlsguardError: the database refused.
    """
    try:
        with conn.transaction(force_rollback=True):
            conn.execute("SET TRANSACTION READ ONLY")
            conn.execute(read("each/session.sql"))
            return plan.build(datamap, catalog.load(conn))
    except psycopg.Error as error:
        raise RlsguardError(explain(error)) from error

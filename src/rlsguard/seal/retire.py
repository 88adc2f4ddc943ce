"""Taking out row changes whose time is over; what they were is gone, and that they were stays proven."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import psycopg

from rlsguard.apply import enter_owner, leave_owner
from rlsguard.seal.log import explained
from rlsguard.sqlfiles import read

# Each is a transaction and an entry of its own: writers and the sealer go on in between.
_BATCH = 100_000


@dataclass(frozen=True, slots=True)
class Retirable:
    """Row changes that are older than a given time.

    Attributes:
        entries: how many of them are sealed, and may go.
        first: when the first of these was made; None where there is none.
        last: when the last of these was made.
        unsealed: how many others are not sealed yet, and stay.
    """

    entries: int
    first: datetime | None
    last: datetime | None
    unsealed: int


def retirable(conn: psycopg.Connection[Any], before: datetime) -> Retirable:
    """Return what there is to retire.

    Raises:
        RlsguardError: the database refused.
    """
    with explained(conn), conn.transaction(force_rollback=True):
        enter_owner(conn)
        return Retirable(*conn.execute(read("seal/retirable.sql"), [before]).fetchall()[0])


def retire(
    conn: psycopg.Connection[Any],
    before: datetime,
    *,
    reason: str,
    most: int,
    batch: int = _BATCH,
    progress: Callable[[int], None] = lambda done: None,
) -> int:
    """Take out at most *most* sealed row changes that are older than *before*, the first ones first, and record that.

    What was done before the database refused stays done, and recorded.

    Args:
        batch: how many of them go in a transaction.
        progress: told how many more have gone.

    Returns:
        How many went: fewer where the others are not what was sealed.

    Raises:
        RlsguardError: the database refused.
    """
    done = 0
    while done < most:
        with explained(conn), conn.transaction():
            enter_owner(conn)
            ((gone,),) = conn.execute(
                "SELECT rlsguard.retire(%s, %s, %s)", [before, reason, min(batch, most - done)]
            ).fetchall()
            leave_owner(conn)
        if not gone:
            break
        done += gone
        progress(gone)
    return done

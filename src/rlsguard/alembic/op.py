"""Operations for revisions that are written by hand."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from alembic import op
from alembic.util import CommandError

from rlsguard import datamap
from rlsguard.alembic.connected import MAP_OPTION, connected, map_path
from rlsguard.apply import execute, leave_owner, look
from rlsguard.migrate.around import resting_on, standing, taking_off
from rlsguard.migrate.statements import split
from rlsguard.migrate.steps import framed, within
from rlsguard.names import QualifiedName, split_identifiers
from rlsguard.sqlfiles import read


@contextmanager
def taken_off(*tables: str) -> Iterator[None]:
    """Take off what names *tables* for the changes in the block, and make the guard what the map asks for after them.

    Until the end of the transaction nobody else gets at the tables, and nobody sees rows of those that have no policy.

    Args:
        tables: as SQL spells them: bank.client.

    Raises:
        CommandError: offline, without a map in alembic.ini, or what the map asks for cannot be made.
    """
    context = op.get_context()
    if context.as_sql:
        raise CommandError("rlsguard: taken_off asks the database; offline, let autogenerate write the SQL")
    path = map_path(context)
    if path is None:
        raise CommandError(f"rlsguard: alembic.ini says no {MAP_OPTION}")
    touched = frozenset((QualifiedName(*split_identifiers(table)), None) for table in tables)
    with connected(context, same=True) as conn:
        units, events = standing(conn)
        for statement in within(framed(list(taking_off(resting_on(units, touched))), 5.0, events, resume=False)):
            conn.execute(statement)
    yield
    keep_settings, give_back_settings = split(read("each/keep_settings.sql"))
    with connected(context, same=True) as conn:
        conn.execute(keep_settings)
        execute(conn, look(conn, datamap.load(path)))
        leave_owner(conn)
        conn.execute(give_back_settings)

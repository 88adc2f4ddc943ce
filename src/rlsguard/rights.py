"""What a role that is no superuser lacks to apply a map, and how it gets that."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg.rows import namedtuple_row

from rlsguard.catalog.model import Catalog, Table
from rlsguard.names import quote
from rlsguard.sqlfiles import read

_OWNER = "rlsguard_owner"


@dataclass(frozen=True, slots=True)
class Missing:
    """A right that the connected role lacks; `about` is what it is a right to."""

    about: str
    message: str
    advice: str


def missing_rights(
    conn: psycopg.Connection[Any],
    live: Catalog,
    tables: Collection[Table],
    schemas: Collection[str],
    *,
    event_triggers: bool = False,
) -> Iterator[Missing]:
    """Yield what the connected role lacks.

    Args:
        tables: those that get policies or triggers.
        schemas: those that the guard is to look into.
        event_triggers: whether event triggers are, or are to be, there.

    Raises:
        psycopg.Error: the database refused.
    """
    role, me = live.roles[live.user], quote(live.user)
    if role.superuser:
        return
    if event_triggers:
        message = f"{me} is no superuser, as event triggers need (guard: {{event_trigger: true}})."
        yield Missing(me, message, "Apply as a superuser, or do without event triggers.")
    (here,) = _rows(conn, "roles")
    if here.missing_roles and not role.create_role:
        message = f"{me} may not create the roles {', '.join(here.missing_roles)}."
        yield Missing(me, message, f"ALTER ROLE {me} CREATEROLE;")
    elif _OWNER not in here.missing_roles and not (here.may_grant_owner or (role.create_role and live.major < 16)):
        yield Missing(me, f"{me} may not act as {_OWNER}.", _become_owner(live, me))
    if here.needs_create:
        advice = f"GRANT CREATE ON DATABASE {quote(live.database)} TO {me};"
        yield Missing(me, f"{me} may not create the guard's schemas.", advice)
    names = {table.oid: table.name for table in tables}
    for row in _rows(conn, "tables", list(names)):
        message = f"{me} does not own {names[row.oid]}; only its owner can add policies."
        yield Missing(str(names[row.oid]), message, _own(live, me, row.owner))
    for row in _rows(conn, "schemas", sorted(schemas)):
        schema = quote(row.schema)
        message = f"{me} may not let the guard into the schema {schema}."
        yield Missing(schema, message, f"GRANT USAGE ON SCHEMA {schema} TO {me} WITH GRANT OPTION;")


def _become_owner(live: Catalog, me: str) -> str:
    if live.major < 16:
        return f"ALTER ROLE {me} CREATEROLE;"
    # By this the role may make itself a member for the time of an apply, and is none in between.
    return f"GRANT {_OWNER}, rlsguard_nobody TO {me} WITH ADMIN TRUE, INHERIT FALSE, SET FALSE;"


def _own(live: Catalog, me: str, owner: str) -> str:
    if live.roles[owner].superuser:
        return "Apply as a superuser, or give the table to a role that is none and apply as that."
    return f"Apply as {quote(owner)}, or GRANT {quote(owner)} TO {me};"


def _rows(conn: psycopg.Connection[Any], name: str, given: list[Any] | None = None) -> list[Any]:
    with conn.cursor(row_factory=namedtuple_row) as cursor:
        return cursor.execute(read(f"rights/{name}.sql"), None if given is None else [given]).fetchall()

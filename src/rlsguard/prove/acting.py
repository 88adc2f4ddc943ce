"""Acting as another role without lending it the login's power.

Reading a table or a view can run code of the users': functions in views, policies, defaults. After SET ROLE such code
may say RESET ROLE, and then has whatever the login has. Inside a SECURITY DEFINER function that is an error
(https://www.postgresql.org/docs/current/sql-set-role.html), so statements run through functions that the role owns.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import psycopg
from psycopg import sql
from psycopg.rows import tuple_row

from rlsguard.names import Name, quote
from rlsguard.problems import RlsguardError

What = Literal["rows", "run"]

# SET search_path FROM CURRENT: inside, names mean what they mean to the role.
_BODIES: dict[What, str] = {
    "rows": "BEGIN RETURN QUERY EXECUTE statement; END",
    "run": "BEGIN EXECUTE statement; END",
}
_RETURNS: dict[What, str] = {"rows": "SETOF pg_catalog.text", "run": "pg_catalog.void"}

_CREATE = sql.SQL("""
CREATE FUNCTION {function}(statement pg_catalog.text) RETURNS {returns}
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS {body};
-- By another role's function, code that runs as one role would run as the other.
REVOKE ALL ON FUNCTION {function}(pg_catalog.text) FROM PUBLIC;
ALTER FUNCTION {function}(pg_catalog.text) OWNER TO {role};
""")
# By default privileges of the login's.
_GRANTEES = sql.SQL("""
SELECT DISTINCT pg_catalog.pg_get_userbyid(g.grantee)
FROM pg_catalog.pg_proc AS p, pg_catalog.aclexplode(p.proacl) AS g
WHERE p.oid OPERATOR(pg_catalog.=) {function}::pg_catalog.regproc AND g.grantee OPERATOR(pg_catalog.<>) p.proowner
""")
# All functions of that name, whatever arguments they take: a call could come to mean any of them.
_THERE = sql.SQL("""
SELECT p.oid, p.xmin::pg_catalog.text
FROM pg_catalog.pg_proc AS p
WHERE p.pronamespace OPERATOR(pg_catalog.=) pg_catalog.pg_my_temp_schema()
  AND p.proname OPERATOR(pg_catalog.=) {name}
""")


@dataclass(frozen=True, slots=True)
class Made:
    """A function as `admit` made it.

    Attributes:
        xmin: the transaction that wrote its row in the catalog. Whatever is changed about a function writes another
            row; that is another transaction's, for whatever is done as a role is done in a savepoint, which counts as
            a transaction of its own here (https://www.postgresql.org/docs/current/subxacts.html).
    """

    name: str
    oid: int
    xmin: str


@dataclass(frozen=True, slots=True)
class Acting:
    """A role being acted as, in a savepoint of the transaction of *conn*.

    Attributes:
        functions: made by `admit`; None where the login can make none, and has become the role.
        ran: which of them have been called. What was done before is undone, so that only these calls can have changed
            what the next one runs by.
    """

    conn: psycopg.Connection[Any]
    role: str
    functions: Mapping[What, Made] | None
    ran: list[What] = field(default_factory=list)

    def rows(self, query: sql.Composable) -> list[str]:
        """Return the one column, of text, that *query* returns.

        Raises:
            psycopg.Error: as the role would get it.
            RlsguardError: code of the role's has changed what the proof runs by.
        """
        return [text for (text,) in self._execute("rows", query)]

    def run(self, statement: sql.Composable) -> None:
        """Run *statement* and let go of what it returns. Errors are those of `rows`."""
        self._execute("run", statement)

    def copy(self, query: sql.Composable) -> list[str]:
        """Return the one column of *query* by COPY TO STDOUT, which no function can: only where no users' code runs."""
        if self.functions is not None:
            self.conn.execute(sql.SQL("SET LOCAL ROLE {}").format(Name(self.role)))
        with self.conn.cursor() as cursor, cursor.copy(sql.SQL("COPY ({}) TO STDOUT").format(query)) as copy:
            copy.set_types(["text"])
            return [text for (text,) in copy.rows()]

    def _execute(self, what: What, statement: sql.Composable) -> list[tuple[Any, ...]]:
        # No parameters: a percent sign in a name stays one.
        with self.conn.cursor(row_factory=tuple_row) as cursor:
            if self.functions is None:
                cursor.execute(sql.Composed([statement]))
                return cursor.fetchall() if what == "rows" else []
            made = self.functions[what]
            if self.ran:
                self._look_first(cursor, made)
            self.ran.append(what)
            text = sql.Literal(statement.as_string(self.conn))
            call = sql.SQL("SELECT * FROM {}({}::pg_catalog.text)").format(Name("pg_temp", made.name), text)
            return cursor.execute(call).fetchall()

    def _look_first(self, cursor: psycopg.Cursor[tuple[Any, ...]], made: Made) -> None:
        # The role owns its functions, so its code could change them, or put others in their place.
        if _there(cursor, made.name) != [made]:
            raise RlsguardError(
                f"code that runs as {quote(self.role)} has changed what it was watched by; nothing was changed"
            )


def admit(conn: psycopg.Connection[Any], role: str, search_path: str, number: int) -> Mapping[What, Made]:
    """Make the functions by which *role* is acted as; they are temporary, and go with the transaction.

    Args:
        number: tells them from those of other roles.

    Raises:
        psycopg.Error: the login is no superuser.
    """
    functions: dict[What, Made] = {}
    with conn.cursor(row_factory=tuple_row) as cursor:
        for what, body in _BODIES.items():
            name = f"rlsguard_{what}_{number}"
            function = Name("pg_temp", name)
            cursor.execute(
                sql.SQL("SELECT pg_catalog.set_config('search_path', {}, true)").format(sql.Literal(search_path))
                + sql.SQL(";")
                + _CREATE.format(
                    function=function,
                    returns=sql.SQL(_RETURNS[what]),
                    body=sql.Literal(body),
                    role=Name(role),
                )
                + sql.SQL("SELECT pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true)")
            )
            for (grantee,) in cursor.execute(_GRANTEES.format(function=sql.Literal(f"pg_temp.{name}"))).fetchall():
                cursor.execute(sql.SQL("REVOKE ALL ON FUNCTION {} FROM {}").format(function, Name(grantee)))
            (functions[what],) = _there(cursor, name)
    return functions


def _there(cursor: psycopg.Cursor[tuple[Any, ...]], name: str) -> list[Made]:
    """Return the temporary functions called *name*."""
    found = cursor.execute(_THERE.format(name=sql.Literal(name))).fetchall()
    return [Made(name, oid, xmin) for oid, xmin in found]

"""Acting as another role without lending it the login's power.

Reading a table or a view can run code of the users': functions in views, policies, defaults. After SET ROLE such code
may say RESET ROLE, and then has whatever the login has. Inside a SECURITY DEFINER function that is an error
(https://www.postgresql.org/docs/current/sql-set-role.html), so statements run through functions that the role owns.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import psycopg
from psycopg import sql
from psycopg.rows import tuple_row

from rlsguard.names import Name, quote
from rlsguard.problems import RlsguardError

# SET search_path FROM CURRENT: inside, names mean what they mean to the role. Bodies are of one line, to be compared.
_BODIES = {"rows": "BEGIN RETURN QUERY EXECUTE statement; END", "run": "BEGIN EXECUTE statement; END"}
_RETURNS = {"rows": "SETOF pg_catalog.text", "run": "pg_catalog.void"}

_CREATE = sql.SQL("""
CREATE FUNCTION {function}(statement pg_catalog.text) RETURNS {returns}
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS {body};
ALTER FUNCTION {function}(pg_catalog.text) OWNER TO {role};
""")
# The role owns its functions, so its code could change them: each call looks first.
_UNTOUCHED = sql.SQL("""
SELECT pg_catalog.count(*) OPERATOR(pg_catalog.=) 1
FROM pg_catalog.pg_proc AS p
WHERE p.pronamespace OPERATOR(pg_catalog.=) pg_catalog.pg_my_temp_schema()
  AND p.proname OPERATOR(pg_catalog.=) {name}
  AND p.prosecdef
  AND p.prosrc OPERATOR(pg_catalog.=) {body}
  AND pg_catalog.pg_get_userbyid(p.proowner) OPERATOR(pg_catalog.=) {role}
""")


@dataclass(frozen=True, slots=True)
class Acting:
    """A role being acted as, in the transaction of *conn*.

    Attributes:
        number: of the functions made by `admit`; None where the login can make none, and has become the role.
    """

    conn: psycopg.Connection[Any]
    role: str
    number: int | None

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
        if self.number is not None:
            self.conn.execute(sql.SQL("SET LOCAL ROLE {}").format(Name(self.role)))
        with self.conn.cursor() as cursor, cursor.copy(sql.SQL("COPY ({}) TO STDOUT").format(query)) as copy:
            copy.set_types(["text"])
            return [text for (text,) in copy.rows()]

    def _execute(self, what: Literal["rows", "run"], statement: sql.Composable) -> list[tuple[Any, ...]]:
        # No parameters: a percent sign in a name stays one.
        with self.conn.cursor(row_factory=tuple_row) as cursor:
            if self.number is None:
                cursor.execute(sql.Composed([statement]))
                return cursor.fetchall() if what == "rows" else []
            self._look_first(cursor, what)
            text = sql.Literal(statement.as_string(self.conn))
            call = sql.SQL("SELECT * FROM {}({}::pg_catalog.text)").format(_function(what, self.number), text)
            return cursor.execute(call).fetchall()

    def _look_first(self, cursor: psycopg.Cursor[tuple[Any, ...]], what: Literal["rows", "run"]) -> None:
        words = {"name": f"rlsguard_{what}_{self.number}", "body": _BODIES[what], "role": self.role}
        untouched = cursor.execute(_UNTOUCHED.format(**{key: sql.Literal(word) for key, word in words.items()}))
        if untouched.fetchone() != (True,):
            raise RlsguardError(
                f"code that runs as {quote(self.role)} has changed what it was watched by; nothing was changed"
            )


def admit(conn: psycopg.Connection[Any], role: str, search_path: str, number: int) -> None:
    """Make the functions by which *role* is acted as; they are temporary, and go with the transaction.

    Raises:
        psycopg.Error: the login is no superuser.
    """
    for what, body in _BODIES.items():
        conn.execute(
            sql.SQL("SELECT pg_catalog.set_config('search_path', {}, true)").format(sql.Literal(search_path))
            + sql.SQL(";")
            + _CREATE.format(
                function=_function(what, number),
                returns=sql.SQL(_RETURNS[what]),
                body=sql.Literal(body),
                role=Name(role),
            )
            + sql.SQL("SELECT pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true)")
        )


def _function(what: str, number: int) -> sql.Identifier:
    return Name("pg_temp", f"rlsguard_{what}_{number}")

"""An entry of the server's log, whatever form it was written in."""

from __future__ import annotations

from typing import NamedTuple


class LogLine(NamedTuple):
    """One entry. A field that the form of the log does not have, or that was empty, is "" (numbers: 0).

    `session_id` and `line_num` name it: %c and %l of log_line_prefix, as the page of runtime-config-logging has them.
    A tuple, for there are millions of them.

    Attributes:
        time: as the log has it, such as `2026-11-26 02:13:00.123 UTC`.
        user: the login role, which stays the same after SET ROLE.
        session_id: when the process began, and its number, both in hex.
        line_num: of the session, from 1.
        severity: LOG, ERROR, ... as the server's language has it in a log in CSV or on standard error.
        sqlstate: five characters; 00000 of what is no error.
        statement: what the client sent, where the entry is about it.
    """

    time: str
    user: str
    database: str
    pid: int
    client: str
    session_id: str
    line_num: int
    command_tag: str
    virtual_transaction: str
    transaction: int
    severity: str
    sqlstate: str
    message: str
    detail: str
    context: str
    statement: str
    application: str
    backend_type: str


class Malformed(NamedTuple):
    """Text that is no entry of a log: kept, and told of, rather than skipped.

    Attributes:
        line: its first line in the file, from 1.
        text: as it stands there.
        why: what is wrong with it.
    """

    line: int
    text: str
    why: str

"""What pgaudit says in a log entry: `AUDIT: OBJECT,1,1,READ,SELECT,TABLE,bank.trans,"SELECT ...",<none>`.

The fields are those of https://github.com/pgaudit/pgaudit, Format, written as CSV; the parameters are CSV within that.
"""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from typing import Literal

PREFIX = "AUDIT: "

# In place of a statement, or of its parameters.
_PREVIOUSLY = "<previously logged>"
_NOT_LOGGED = "<not logged>"
_NONE = "<none>"


@dataclass(frozen=True, slots=True)
class Audited:
    """One line of pgaudit's.

    Attributes:
        by: OBJECT where the role that pgaudit looks at may do it, SESSION where the class is logged.
        statement_id: of the session; substatements, such as those of a function, have their own numbers under it.
        kind: class of the statement, such as READ.
        command: such as SELECT.
        object_type: such as TABLE; "" where the statement is about none.
        object_name: qualified, as SQL spells it.
        statement: None where it is not logged, or is in an earlier line of the same statement and substatement.
        previously: it is in an earlier line.
        parameters: as they were logged, None where they are not. NULL and the empty string look alike; so do none at
            all and a single one that is `<none>`.
        rows: how many there were, where pgaudit.log_rows is on.
    """

    by: Literal["OBJECT", "SESSION"]
    statement_id: int
    substatement_id: int
    kind: str
    command: str
    object_type: str
    object_name: str
    statement: str | None
    previously: bool
    parameters: tuple[str, ...] | None
    rows: int | None


def audited(message: str) -> Audited | None:
    """Return what pgaudit says in *message*; None where it is not of pgaudit's.

    Raises:
        ValueError: it begins as one of pgaudit's and does not go on so.
    """
    if not message.startswith(PREFIX):
        return None
    fields = _fields(message[len(PREFIX) :])
    if len(fields) not in (9, 10):
        raise ValueError(f"a line of pgaudit has 9 fields or 10, not {len(fields)}")
    by, statement_id, substatement_id, kind, command, object_type, object_name, statement, parameters = fields[:9]
    if by not in ("OBJECT", "SESSION"):
        raise ValueError(f"a line of pgaudit begins with OBJECT or SESSION, not {by!r}")
    return Audited(
        by=by,  # type: ignore[arg-type]
        statement_id=int(statement_id),
        substatement_id=int(substatement_id),
        kind=kind,
        command=command,
        object_type=object_type,
        object_name=object_name,
        statement=None if statement in (_PREVIOUSLY, _NOT_LOGGED) else statement,
        previously=statement == _PREVIOUSLY,
        parameters=_parameters(parameters),
        rows=int(fields[9]) if len(fields) == 10 else None,
    )


def _parameters(text: str) -> tuple[str, ...] | None:
    if text in (_PREVIOUSLY, _NOT_LOGGED):
        return None
    if text == _NONE:
        return ()
    return tuple(_fields(text)) if text else ("",)


def _fields(text: str) -> list[str]:
    try:
        rows = list(csv.reader(io.StringIO(text, newline=""), strict=True))
    except csv.Error as error:
        raise ValueError(f"this is no CSV: {error}") from None
    if len(rows) != 1:
        raise ValueError(f"a line of pgaudit is one line of CSV, not {len(rows)}")
    return rows[0]

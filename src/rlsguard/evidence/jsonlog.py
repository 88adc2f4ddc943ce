"""Logs in JSON (`log_destination = jsonlog`, from PostgreSQL 15 on): an object a line.

The keys: https://www.postgresql.org/docs/current/runtime-config-logging.html, "Using JSON-Format Log Output".
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any

from rlsguard.evidence.line import LogLine, Malformed


def read(lines: Iterable[str]) -> Iterator[LogLine | Malformed]:
    """Yield the entries of a log, given line by line; blank lines are none."""
    loads = json.loads
    for number, text in enumerate(lines, 1):
        if text.isspace():
            continue
        try:
            found = loads(text)
            entry = _entry(found)
        except (ValueError, TypeError, AttributeError, RecursionError) as error:
            yield Malformed(number, text, f"this is no entry of a log in JSON: {error}")
            continue
        yield entry


def _entry(found: dict[str, Any]) -> LogLine:
    get = found.get
    host, port = get("remote_host", ""), get("remote_port")
    session_id = get("session_id")
    if session_id is None:
        raise ValueError("there is no session_id")
    return LogLine(
        time=get("timestamp", ""),
        user=get("user", ""),
        database=get("dbname", ""),
        pid=int(get("pid", 0)),
        client=f"{host}:{port}" if port else host,
        session_id=session_id,
        line_num=int(found["line_num"]) if "line_num" in found else 0,
        command_tag=get("ps", ""),
        virtual_transaction=get("vxid", ""),
        transaction=int(get("txid", 0)),
        severity=get("error_severity", ""),
        sqlstate=get("state_code", ""),
        message=get("message", ""),
        detail=get("detail", ""),
        context=get("context", ""),
        statement=get("statement", ""),
        application=get("application_name", ""),
        backend_type=get("backend_type", ""),
    )

"""Log entries and pgaudit's lines, written as the server writes them and read again; torn, forged and foreign ones."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rlsguard.evidence import csvlog, jsonlog
from rlsguard.evidence.audited import audited
from rlsguard.evidence.line import LogLine, Malformed

# What text in a database can hold; with what parsers stumble over more often than chance has it.
_CHARACTERS = st.one_of(
    st.sampled_from('",\n\r\\\t \x0b\x1c\u2028<>'), st.characters(exclude_characters="\0", exclude_categories=["Cs"])
)
TEXTS = st.text(_CHARACTERS, max_size=30)
NAMES = st.text(_CHARACTERS, min_size=1, max_size=10)

ENTRIES = st.builds(
    LogLine,
    time=st.just("2026-11-26 02:13:00.123 UTC"),
    user=TEXTS,
    database=TEXTS,
    pid=st.integers(1, 2**31),
    client=st.sampled_from(["", "[local]", "10.0.0.1:5432", "::1:50000"]),
    session_id=st.sampled_from(["6925f1c0.1a2b", "6925f1c1.3"]),
    line_num=st.integers(1, 2**40),
    command_tag=TEXTS,
    virtual_transaction=st.sampled_from(["", "3/17"]),
    transaction=st.integers(0, 2**32 - 1),
    severity=st.sampled_from(["LOG", "ERROR", "FEHLER"]),
    sqlstate=st.sampled_from(["00000", "42501"]),
    message=TEXTS,
    detail=TEXTS,
    context=TEXTS,
    statement=TEXTS,
    application=TEXTS,
    backend_type=st.just("client backend"),
)


def as_csv(entry: LogLine) -> str:
    """Return an entry as the server writes it: texts in quotes, numbers bare, what is empty left out."""

    def text(value: str) -> str:
        return '"' + value.replace('"', '""') + '"' if value else ""

    columns = [
        entry.time,
        *map(text, (entry.user, entry.database)),
        str(entry.pid),
        text(entry.client),
        entry.session_id,
        str(entry.line_num),
        text(entry.command_tag),
        "2026-11-26 02:00:00 UTC",
        entry.virtual_transaction,
        str(entry.transaction),
        entry.severity,
        entry.sqlstate,
        *map(text, (entry.message, entry.detail, "", "")),
        "",
        *map(text, (entry.context, entry.statement)),
        "",
        "",
        *map(text, (entry.application, entry.backend_type)),
        "",
        "0",
    ]
    return ",".join(columns) + "\n"


def as_json(entry: LogLine) -> str:
    """Return an entry as the server writes it: what is empty is left out."""
    host, _, port = entry.client.rpartition(":") if entry.client.count(":") else (entry.client, "", "")
    found = {
        "timestamp": entry.time,
        "user": entry.user,
        "dbname": entry.database,
        "pid": entry.pid,
        "remote_host": host,
        "remote_port": int(port) if port else None,
        "session_id": entry.session_id,
        "line_num": entry.line_num,
        "ps": entry.command_tag,
        "vxid": entry.virtual_transaction,
        "txid": entry.transaction,
        "error_severity": entry.severity,
        "state_code": entry.sqlstate,
        "message": entry.message,
        "detail": entry.detail,
        "context": entry.context,
        "statement": entry.statement,
        "application_name": entry.application,
        "backend_type": entry.backend_type,
    }
    return json.dumps({key: value for key, value in found.items() if value not in ("", None)}) + "\n"


def lines(text: str) -> Iterator[str]:
    """Return the lines of a file that is opened with newline=""."""
    return iter(io.StringIO(text, newline=""))


@given(st.lists(ENTRIES, max_size=4))
def test_csv_is_read_as_it_was_written(entries: list[LogLine]) -> None:
    assert list(csvlog.read(lines("".join(map(as_csv, entries))))) == entries


@given(st.lists(ENTRIES, max_size=4))
def test_json_is_read_as_it_was_written(entries: list[LogLine]) -> None:
    assert list(jsonlog.read(lines("".join(map(as_json, entries))))) == entries


@given(st.lists(ENTRIES, min_size=1, max_size=3), ENTRIES, st.data())
def test_of_a_torn_log_nothing_is_lost(entries: list[LogLine], torn: LogLine, data: st.DataObject) -> None:
    for write, read in ((as_csv, csvlog.read), (as_json, jsonlog.read)):
        text = write(torn)
        half = text[: data.draw(st.integers(1, len(text) - 2))]
        found = list(read(lines(half + "\n" + "".join(map(write, entries)))))
        assert [each for each in found if isinstance(each, LogLine)][-len(entries) :] == entries
        kept = "".join(each.text for each in found if isinstance(each, Malformed))
        assert kept.strip() == half.strip() or any(isinstance(each, LogLine) for each in found[: -len(entries)])


@given(ENTRIES, ENTRIES)
def test_what_a_client_writes_is_no_entry(entry: LogLine, forged: LogLine) -> None:
    honest = entry._replace(statement=f"SELECT '\n{as_csv(forged)}'", message=f"\n{as_csv(forged)}")
    assert list(csvlog.read(lines(as_csv(honest) + as_csv(entry)))) == [honest, entry]


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=200))
def test_anything_is_read_without_an_error(text: str) -> None:
    for read in (csvlog.read, jsonlog.read):
        found = list(read(lines(text)))
        kept = "".join(each.text for each in found if isinstance(each, Malformed))
        assert kept == "".join(line for line in lines(text) if not line.isspace()) or any(
            isinstance(each, LogLine) for each in found
        )


def pgaudits(values: list[str]) -> str:
    """Return values as pgaudit writes them: in quotes only where they would not be one value otherwise."""
    return ",".join('"' + v.replace('"', '""') + '"' if set(v) & set(',"\n\r') else v for v in values)


@given(NAMES, TEXTS, st.lists(TEXTS, max_size=4), st.sampled_from([None, 0, 17]))
def test_what_pgaudit_says(name: str, statement: str, parameters: list[str], rows: int | None) -> None:
    written = pgaudits(parameters) if parameters else "<none>"
    head = f"AUDIT: OBJECT,12,3,READ,SELECT,TABLE,{pgaudits([name, statement, written])}"
    found = audited(head + ("" if rows is None else f",{rows}"))
    assert found is not None
    assert (found.by, found.statement_id, found.substatement_id) == ("OBJECT", 12, 3)
    assert (found.kind, found.command, found.object_type, found.object_name) == ("READ", "SELECT", "TABLE", name)
    assert found.statement == statement
    assert found.parameters == (() if parameters == ["<none>"] else tuple(parameters))
    assert found.rows == rows


def test_what_pgaudit_leaves_out() -> None:
    once = audited("AUDIT: SESSION,1,1,READ,SELECT,,,<previously logged>,<previously logged>")
    assert once is not None
    assert (once.statement, once.previously, once.parameters) == (None, True, None)
    never = audited("AUDIT: SESSION,1,1,READ,SELECT,,,<not logged>,<not logged>")
    assert never is not None
    assert (never.statement, never.previously, never.parameters) == (None, False, None)
    assert audited("duration: 1 ms") is None


@pytest.mark.parametrize(
    "message", ["AUDIT: ", "AUDIT: OBJECT,1", "AUDIT: X,1,1,A,B,C,D,E,F", "AUDIT: OBJECT,x,1,A,B,C,D,E,F", 'AUDIT: "']
)
def test_what_pgaudit_would_not_write(message: str) -> None:
    with pytest.raises(ValueError, match=r"pgaudit|CSV|invalid literal"):
        audited(message)

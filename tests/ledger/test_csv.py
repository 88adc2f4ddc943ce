"""Many requests from a CSV file: every wrong line is named, and then none is recorded."""

from __future__ import annotations

from pathlib import Path

import pytest

from guarding import ALL, BANK_MAP, column, small_bank, visible
from rlsguard import ledger
from rlsguard.problems import RlsguardError
from servers import Clone, Database

pytestmark = pytest.mark.by_turns


@pytest.fixture
def bank(template_db: Clone) -> Database:
    return small_bank(template_db, BANK_MAP)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "requests.csv"


def errors(file: Path, text: str | bytes, actor: str | None = "desk") -> list[str]:
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(RlsguardError) as caught:
        ledger.read_csv(file, actor=actor)
    return [line.removeprefix(f"{file}:") for line in str(caught.value).splitlines()]


def test_lines_say_more_than_the_options(file: Path) -> None:
    file.write_bytes(
        "\ufeffKey, purpose,actor,reason,requested_at\r\n"
        "1,marketing,,,\r\n\r\n"
        '" x ","marketing",agent:jane,"said ""stop"",\r\ntwice",2026-01-02T03:04:05+01:00\r\n'.encode()
    )
    first, second = ledger.read_csv(file, actor="desk", reason="letters")
    assert (first.key, first.purpose, first.actor, first.reason, first.requested_at) == (
        "1",
        "marketing",
        "desk",
        "letters",
        None,
    )
    assert (second.key, second.actor, second.reason) == (" x ", "agent:jane", 'said "stop",\r\ntwice')
    assert second.requested_at is not None
    assert second.requested_at.isoformat() == "2026-01-02T03:04:05+01:00"
    assert [r.position.line for r in (first, second)] == [2, 4]


def test_every_wrong_line_is_named(file: Path) -> None:
    assert errors(
        file,
        "key,purpose,actor,requested_at\n"
        "1,marketing\n"
        ",marketing,a,\n"
        "2,,a,\n"
        "3,marketing,,\n"
        '"4\n4",marketing,a,yesterday\n'
        "5,marketing,a,2026-01-02\n"
        "6,marketing,a,2999-01-01T00:00:00Z\n"
        "7,mark\0eting,a,\n",
        actor=None,
    ) == [
        "2:1: 2 fields where the header has 4",
        "3:1: the key is missing",
        "4:1: the purpose is missing",
        "5:1: the actor is missing: who asked? Fill the column, or say --actor",
        "6:1: requested_at 'yesterday' is no ISO 8601 time such as 2026-11-23T02:13:00+01:00",
        "8:1: requested_at '2026-01-02' has no UTC offset; write it like 2026-11-23T02:13:00Z",
        "9:1: requested_at '2999-01-01T00:00:00Z' lies in the future",
        "10:1: a zero byte",
    ]


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("", "1:1: the file is empty; its first line names the columns: key,purpose,actor,reason,requested_at"),
        ("\n\n", "1:1: the file is empty; its first line names the columns: key,purpose,actor,reason,requested_at"),
        ("key\n1\n", "1:1: column 'purpose' is missing from the first line"),
        ("key,purpose,key\n", "1:1: column 'key' is there 2 times"),
        (
            "key,purpose,reasons\n",
            "1:1: unknown column 'reasons'; did you mean reason?;"
            " the columns are key, purpose, actor, reason, requested_at",
        ),
        ('key,purpose\n1,"marketing\n', "2:1: not CSV: unexpected end of data"),
        ('key,purpose\n1,"mark"eting\n', "2:1: not CSV: ',' expected after '\"'"),
        (b"key,purpose\n\xff,marketing\n", " not UTF-8 at byte 12"),
    ],
)
def test_a_file_that_is_none(file: Path, text: str | bytes, error: str) -> None:
    assert errors(file, text) == [error]


def test_all_or_none(bank: Database, file: Path) -> None:
    file.write_text("key,purpose\n1,marketing\nx,marketing\n3,sales\n2,analytics\n2,servicing\n")
    requests = ledger.read_csv(file, actor="desk")
    with bank.connect() as conn, pytest.raises(ledger.RequestError) as caught:
        ledger.record_all(conn, "opt_out", "client", requests)
    assert str(caught.value).splitlines() == [
        f"{file}:3:1: 'x' is not the key of a client: invalid input syntax for type integer: \"x\"",
        f"{file}:4:1: there is no purpose 'sales'",
        f"{file}:6:1: nobody may opt out of purpose 'servicing'",
    ]
    assert column(bank, "SELECT count(*) FROM rlsguard.opt_out_event") == [0]
    assert visible(bank, "campaign_app") == ALL


def test_more_than_one_chunk_with_a_person_twice(bank: Database, file: Path) -> None:
    wanted = [(key, purpose) for key in range(1, 2501) for purpose in ("marketing", "analytics")]
    lines = [f"{key},{purpose}" for key, purpose in (*wanted, *wanted[:10])]
    file.write_text("key,purpose,reason\n" + "".join(f"{line},r{i}\n" for i, line in enumerate(lines)))
    requests = ledger.read_csv(file, actor="desk")
    steps: list[int] = []
    with bank.connect() as conn:
        assert ledger.record_all(conn, "opt_out", "client", requests, progress=steps.append) == 5010
        entries = ledger.history(conn, "client", "1")
    assert sum(steps) == 2 * 5010
    assert [(e.purpose, e.version, e.reason) for e in sorted(entries, key=lambda e: (e.purpose, e.version))] == [
        ("analytics", 1, "r1"),
        ("analytics", 2, "r5001"),
        ("marketing", 1, "r0"),
        ("marketing", 2, "r5000"),
    ]
    assert column(bank, "SELECT count(*) FROM rlsguard.opt_out_event") == [5010]
    assert visible(bank, "campaign_app") == {"client": [], "disp": [], "account": [], "trans": []}


def test_what_is_in_force_is_the_newest_of_each_purpose(bank: Database) -> None:
    with bank.connect() as conn:
        ledger.record(conn, "opt_out", "client", "1", ["marketing", "analytics"], "a", requested_at=None)
        ledger.record(conn, "opt_in", "client", "01", ["marketing"], "a")
        entries = ledger.history(conn, "client", "1")
    assert [(e.purpose, e.action, e.version) for e in ledger.latest(entries)] == [
        ("analytics", "opt_out", 1),
        ("marketing", "opt_in", 2),
    ]

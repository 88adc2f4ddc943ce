"""The commands, run as a person runs them: what they print, what they leave, how they end."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import click
import pytest
from click import Context
from click.testing import CliRunner, Result

from guarding import ALL, BANK_MAP, WITHOUT_1, small_bank, visible
from rlsguard.cli import rlsguard
from servers import Clone, Database

pytestmark = pytest.mark.by_turns

Run = Callable[..., Result]


@pytest.fixture
def bank(template_db: Clone) -> Database:
    return small_bank(template_db)


@pytest.fixture
def map_file(tmp_path: Path) -> Path:
    file = tmp_path / "map.yaml"
    file.write_text(BANK_MAP)
    return file


@pytest.fixture
def run(bank: Database) -> Run:
    """Run a command against the bank."""

    def invoke(*args: object, user: str = "postgres", code: int = 0) -> Result:
        result = CliRunner().invoke(rlsguard, [*map(str, args), "--dsn", bank.dsn(user)])
        assert result.exit_code == code, result.output
        assert result.exception is None or isinstance(result.exception, SystemExit)
        return result

    return invoke


@pytest.fixture
def applied(run: Run, map_file: Path) -> Run:
    run("apply", map_file)
    return run


def test_a_map_that_fits(run: Run, map_file: Path) -> None:
    lines = run("validate", map_file).output.splitlines()
    assert lines[-1] == f"{map_file}: 4 tables, 3 purposes, 3 roles; fits the database"
    assert lines[0].startswith("notice  bank.account: a row without a row in bank.disp")


def test_an_exemption_that_has_ended(run: Run, map_file: Path) -> None:
    told = "notice  sox_auditor: the exemption ended with 2025-12-31: opt-outs hide rows from this role, too."
    assert told not in run("validate", map_file).output.splitlines()
    map_file.write_text(BANK_MAP.replace("2099-12-31", "2025-12-31"))
    for command in (("validate",), ("apply", "--dry-run")):
        assert told in run(*command, map_file).output.splitlines()


def test_a_table_that_nothing_resembles(run: Run, bank: Database, map_file: Path) -> None:
    bank.execute("CREATE TABLE bank.order_lines (id int)")
    map_file.write_text(BANK_MAP + "  bank.support_notes: {holds: []}\n")
    assert run("validate", map_file, code=2).stderr.endswith("table bank.support_notes is not in the database\n")


def test_a_login_that_may_nothing_validates_too(run: Run, bank: Database, map_file: Path) -> None:
    bank.execute("CREATE ROLE ci LOGIN")
    bank.execute("ALTER ROLE ci SET default_transaction_read_only = on")
    assert "fits the database" in run("validate", map_file, user="ci").output


def test_a_map_alone(map_file: Path) -> None:
    result = CliRunner().invoke(rlsguard, ["validate", str(map_file)])
    assert result.exit_code == 0
    assert result.output == f"{map_file}: 4 tables, 3 purposes, 3 roles; not held against a database\n"


def test_a_map_that_does_not_fit_the_database(run: Run, map_file: Path) -> None:
    map_file.write_text(BANK_MAP.replace("bank.account:", "bank.acount:"))
    result = run("validate", map_file, code=2)
    assert result.stdout == ""
    assert result.stderr == (
        f"{map_file}:19:3: tables.bank.acount: table bank.acount is not in the database; did you mean bank.account?\n"
    )
    answer = json.loads(run("validate", map_file, "--format", "json", code=2).stdout)
    assert answer["valid"] is False
    assert answer["problems"] == [
        {
            "file": str(map_file),
            "line": 19,
            "column": 3,
            "path": ["tables", "bank.acount"],
            "message": "table bank.acount is not in the database; did you mean bank.account?",
        }
    ]


@pytest.mark.parametrize("command", ["validate", "apply", "generate"])
def test_a_map_that_is_not_there(run: Run, command: str) -> None:
    assert run(command, "nowhere.yaml", code=2).stderr == "rlsguard: nowhere.yaml: No such file or directory\n"


def test_apply_says_what_it_does_and_does_it_once(run: Run, bank: Database, map_file: Path) -> None:
    first = run("apply", map_file).output.splitlines()
    version = re.escape(bank.server.version)
    assert re.fullmatch(rf"database {bank.name} over a socket, PostgreSQL {version}.*, as postgres", first[0])
    assert "create  protect bank.trans  (locks bank.trans)" in first
    assert re.fullmatch(r"\d+ changes made in [\d.]+ s", first[-1])
    second = run("apply", map_file).output.splitlines()
    assert second[-1] == "nothing to change"
    assert not any(line.startswith("create") for line in second)


def test_a_dry_run_changes_nothing(run: Run, bank: Database, map_file: Path) -> None:
    dry = run("apply", map_file, "--dry-run").output.splitlines()
    assert dry[-1].endswith("changes; nothing was changed (--dry-run)")
    assert bank.execute("SELECT to_regnamespace('rlsguard') IS NULL") == [(True,)]
    assert [line for line in run("apply", map_file).output.splitlines() if line.startswith("create")] == [
        line for line in dry if line.startswith("create")
    ]


def test_whoever_cannot_apply_is_told_so_by_a_dry_run_too(run: Run, bank: Database, map_file: Path) -> None:
    lacking = [
        "rlsguard: nothing was changed; rlsguard doctor MAP says what to do about missing rights:",
        "stranger may not create the roles rlsguard_owner, rlsguard_nobody, rlsguard_recorder, rlsguard_auditor,"
        " rlsguard_sealer.",
        "stranger may not create the guard's schemas.",
        *(
            f"stranger does not own bank.{table}; only its owner can add policies."
            for table in ("account", "client", "disp", "trans")
        ),
        "stranger may not let the guard into the schema bank.",
    ]
    for more in (["--dry-run"], []):
        refused = run("apply", map_file, *more, user="stranger", code=2)
        assert refused.stderr.splitlines() == lacking
        assert "create" not in refused.stdout
    run("apply", map_file)
    for command in (("apply", map_file), ("apply", map_file, "--dry-run"), ("generate", map_file), ("uninstall",)):
        error = run(*command, user="stranger", code=2).stderr
        assert "rlsguard doctor MAP says what to do about missing rights" in error
    # Who has nothing but the tables is told the rest.
    run("uninstall", "--drop-ledger")
    bank.execute("CREATE ROLE dba LOGIN; ALTER SCHEMA bank OWNER TO dba")
    for table in ("account", "client", "disp", "trans"):
        bank.execute(f"ALTER TABLE bank.{table} OWNER TO dba")
    assert len(run("apply", map_file, "--dry-run", user="dba", code=2).stderr.splitlines()) == 3
    bank.execute(f'ALTER ROLE dba CREATEROLE; GRANT CREATE ON DATABASE "{bank.name}" TO dba')
    for more in (["--dry-run"], []):
        run("apply", map_file, *more, user="dba")


def test_apply_for_programs(run: Run, map_file: Path) -> None:
    dry = json.loads(run("apply", map_file, "--dry-run", "--format", "json").output)
    assert dry["dry_run"] is True
    assert dry["changed"] is False
    assert {"action": "create", "unit": "protect bank.client", "locks": "bank.client"} in dry["changes"]
    assert json.loads(run("apply", map_file, "--format", "json").output)["changed"] is True
    again = json.loads(run("apply", map_file, "--format", "json").output)
    assert (again["changed"], again["changes"], again["kept"]) == (False, [], [])


def test_a_table_taken_out_of_the_map_stays_guarded_until_it_is_named(applied: Run, map_file: Path) -> None:
    map_file.write_text(re.sub(r"  bank.trans:\n.*\n", "", BANK_MAP))
    kept = applied("apply", map_file).output
    assert "notice  bank.trans: is guarded but no longer in the map; un-guard it with --prune bank.trans" in kept
    assert "nothing to change" in kept
    wrong = applied("apply", map_file, "--prune", "bank.tran", code=2).stderr
    assert wrong == "rlsguard: cannot prune bank.tran: it is not guarded; did you mean bank.trans?\n"
    assert "'trans' is not schema.table" in applied("apply", map_file, "--prune", "trans", code=2).stderr
    assert "remove  protect bank.trans" in applied("apply", map_file, "--prune", "bank.trans").output


def test_one_person_opts_out_and_in_again(applied: Run, bank: Database) -> None:
    out = applied("opt-out", "client", 1, "--purpose", "marketing", "--actor", "agent:jane", "--reason", "phone call")
    assert out.output == "client 1 opted out of marketing: version 1, ledger entry 1, in force\n"
    assert visible(bank, "campaign_app") == WITHOUT_1
    back = applied("opt-in", "client", "1", "--purpose", "marketing", "--actor", "agent:jane", "--format", "json")
    (entry,) = json.loads(back.output)
    assert entry["action"] == "opt_in"
    assert entry["version"] == 2
    assert re.fullmatch(r"[0-9a-f]{64}", entry["leaf_hash"])
    assert visible(bank, "campaign_app") == ALL


def test_status_and_history(applied: Run) -> None:
    assert applied("status", "client", 1).output == "client 1 never opted out of anything\n"
    assert applied("history", "client", 1).output == "client 1 has no ledger entries\n"
    who = ("--actor", "agent:jane", "--reason", "phone call")
    applied(
        "opt-out", "client", 1, "--purpose", "marketing", "--purpose", "analytics", *who,
        "--requested-at", "2026-01-02T03:04:05+01:00", "--context", '{"ticket": 4711}',
    )  # fmt: skip
    applied("opt-in", "client", 1, "--purpose", "analytics", *who)
    # Any spelling of the key will do.
    told = [line.split("  ") for line in applied("status", "client", "+01").output.splitlines()]
    assert [[cell.strip() for cell in line if cell.strip()][:2] for line in told] == [
        ["purpose", "state"],
        ["analytics", "opted in"],
        ["marketing", "opted out"],
    ]
    state = json.loads(applied("status", "client", 1, "--format", "json").output)
    assert [(p["purpose"], p["opted_out"], p["version"]) for p in state["purposes"]] == [
        ("analytics", False, 2),
        ("marketing", True, 1),
    ]
    lines = applied("history", "client", 1).output.splitlines()
    assert len(lines) == 4
    assert "2026-01-02 02:04:05" in lines[1]
    entries = json.loads(applied("history", "client", 1, "--format", "json").output)
    assert [(e["purpose"], e["action"], e["version"]) for e in entries] == [
        ("analytics", "opt_out", 1),
        ("marketing", "opt_out", 1),
        ("analytics", "opt_in", 2),
    ]
    assert entries[0]["context"] == {"ticket": 4711}
    assert entries[0]["actor"] == "agent:jane"
    assert entries[2]["previous_hash"] == entries[0]["leaf_hash"]


def test_opt_outs_that_were_released_are_told_and_shown_as_ended(applied: Run, map_file: Path) -> None:
    for key in (1, 2):
        applied("opt-out", "client", key, "--purpose", "analytics", "--purpose", "marketing", "--actor", "a")
    map_file.write_text(BANK_MAP.replace("  analytics: {}\n", "").replace("[analytics]", "[servicing]"))
    refused = applied("apply", map_file, code=2)
    assert "the data map lacks analytics, and 2 of kind client have opted out of analytics" in refused.stderr
    assert "replace" not in refused.stdout
    told = "notice  analytics: opt-outs of kind client that end: 2; they stay in the ledger."
    for more in (["--dry-run"], []):
        assert told in applied("apply", map_file, "--release", "analytics", *more).output.splitlines()
    assert told not in applied("apply", map_file).output
    ended, marketing = applied("status", "client", 1).output.splitlines()[1:]
    assert re.match(r"analytics +ended: the map lets nobody refuse it ", ended)
    assert re.match(r"marketing +opted out ", marketing)
    state = json.loads(applied("status", "client", 1, "--format", "json").output)
    assert [(p["purpose"], p["opted_out"], p["in_force"]) for p in state["purposes"]] == [
        ("analytics", True, False),
        ("marketing", True, True),
    ]


def test_what_a_person_wrote_does_not_reach_the_terminal_as_it_is(applied: Run) -> None:
    applied("opt-out", "client", 1, "--purpose", "marketing", "--actor", "x", "--reason", "\x1b[2Jgone\u202e[bold]")
    told = applied("history", "client", 1).output
    assert "\\x1b[2Jgone\\u202e[bold]" in told
    assert "\x1b" not in told


@pytest.mark.parametrize(
    ("args", "error"),
    [
        (("client", "1"), "missing: --purpose, --actor"),
        (("client",), "missing: KEY, --purpose, --actor"),
        (("client", "1", "--purpose", "marketing", "--actor", " "), "the actor is missing: who asked?"),
        (("clent", "1", "--purpose", "marketing", "--actor", "a"), "there is no subject kind 'clent' (Known: client)"),
        (("client", "x", "--purpose", "marketing", "--actor", "a"), "'x' is not the key of a client: "),
        (("client", "1", "--purpose", "sales", "--actor", "a"), "there is no purpose 'sales' (Known: analytics, mark"),
        (("client", "1", "--purpose", "servicing", "--actor", "a"), "nobody may opt out of purpose 'servicing'"),
        (("client", "1", "--purpose", "marketing", "--actor", "a", "--context", "[]"), "not a JSON object such as"),
        (("client", "1", "--purpose", "marketing", "--actor", "a", "--context", "{"), "not JSON: "),
        (("client", "1", "--purpose", "marketing", "--actor", "a", "--requested-at", "2026-01-02"), "has no UTC off"),
        (("client", "1", "--purpose", "marketing", "--actor", "a", "--requested-at", "soon"), "is no ISO 8601 time"),
        (("client", "1", "--purpose", "marketing", "--actor", "a", "--requested-at", "2999-01-01T00:00Z"), "future"),
        (("client", "1", "--from-csv", "x.csv"), "with --from-csv, keys, purposes and times come from the file"),
        (("client", "--from-csv", "nowhere.csv"), "nowhere.csv: No such file or directory"),
    ],
)
def test_an_opt_out_that_is_refused(applied: Run, args: tuple[str, ...], error: str, bank: Database) -> None:
    assert error in applied("opt-out", *args, code=2).stderr
    assert bank.execute("SELECT count(*) FROM rlsguard.opt_out_event") == [(0,)]


def test_who_may_not_record_is_told_what_it_takes(applied: Run, bank: Database) -> None:
    refused = applied("opt-out", "client", 1, "--purpose", "marketing", "--actor", "a", user="campaign_app", code=2)
    assert "permission denied" in refused.stderr
    assert "needs the role rlsguard_recorder" in refused.stderr
    bank.execute("GRANT rlsguard_recorder TO teller_app")
    applied("opt-out", "client", 1, "--purpose", "marketing", "--actor", "a", user="teller_app")
    bank.execute("GRANT rlsguard_auditor TO bi_reader")
    assert "opted out" in applied("status", "client", 1, user="bi_reader").output


def test_where_rlsguard_is_not_applied(run: Run, bank: Database) -> None:
    for command in ("status", "history"):
        error = run(command, "client", 1, code=2).stderr
        assert error == f"rlsguard: rlsguard is not applied to database {bank.name}\n"
    assert run("uninstall", code=2).stderr == "rlsguard: rlsguard is not installed in this database\n"


def test_uninstall_says_what_it_does_and_keeps_the_ledger(applied: Run, bank: Database) -> None:
    applied("opt-out", "client", 1, "--purpose", "marketing", "--actor", "a")
    dry = applied("uninstall", "--dry-run").output.splitlines()
    assert dry[-1] == "nothing was removed (--dry-run)"
    assert visible(bank, "campaign_app") == WITHOUT_1
    done = applied("uninstall").output.splitlines()
    assert done[:-1] == dry[:-1]
    assert 'DROP POLICY "!rlsguard" ON bank.trans;' in [line.replace("IF EXISTS ", "") for line in done]
    assert "the ledger stays: 1 entry in rlsguard.opt_out_event" in done
    assert visible(bank, "campaign_app") == ALL
    assert "the ledger stays: 1 entry in rlsguard.opt_out_event" in applied("uninstall").output
    answer = json.loads(applied("uninstall", "--drop-ledger", "--format", "json").output)
    assert (answer["ledger_entries"], answer["keeps_ledger"]) == (1, False)
    assert bank.execute("SELECT to_regnamespace('rlsguard') IS NULL") == [(True,)]


@pytest.mark.parametrize(
    ("dsn", "error"),
    [
        ("password=secret sauce", "the DSN is no connection string"),
        ("postgresql://u:secret@[::1", "the DSN is no connection string"),
        ("host=/nowhere dbname=x password=secret", "cannot connect: "),
    ],
)
def test_no_connection(dsn: str, error: str) -> None:
    result = CliRunner().invoke(rlsguard, ["status", "client", "1", "--dsn", dsn])
    assert result.exit_code == 2
    assert error in result.stderr
    assert "secret" not in result.output
    assert "--dsn" not in result.output


def test_a_dsn_that_was_forgotten_is_named() -> None:
    result = CliRunner(env={"RLSGUARD_DSN": None, "PGHOST": "/nowhere"}).invoke(rlsguard, ["status", "client", "1"])
    assert result.exit_code == 2
    assert "cannot connect: " in result.stderr
    assert "neither --dsn nor RLSGUARD_DSN was given" in result.stderr


@pytest.mark.parametrize("command", rlsguard.list_commands(Context(rlsguard)))
def test_every_command_explains_itself_with_an_example(command: str) -> None:
    found = rlsguard.get_command(click.Context(rlsguard), command)
    parts = [[command]] if not isinstance(found, click.Group) else [[command, part] for part in found.commands]
    for part in parts:
        result = CliRunner().invoke(rlsguard, [*part, "--help"])
        assert result.exit_code == 0
        assert f"Example: rlsguard {' '.join(part)}" in result.output


def test_pgaudit_is_printed_or_written(map_file: Path, tmp_path: Path) -> None:
    printed = CliRunner().invoke(rlsguard, ["pgaudit", str(map_file)])
    assert printed.exit_code == 0
    assert printed.stdout.startswith("# pgaudit.conf\n")
    folder = tmp_path / "pgaudit"
    written = CliRunner().invoke(rlsguard, ["pgaudit", str(map_file), "--target", "alter-system", "-o", str(folder)])
    assert written.exit_code == 0
    assert {Path(line) for line in written.stdout.splitlines()} == set(folder.iterdir())
    assert "('bank.trans', NULL)" in (folder / "pgaudit.sql").read_text()


def test_the_doctor_ends_with_1_where_something_is_wrong(applied: Run, bank: Database, map_file: Path) -> None:
    bank.execute("GRANT TRUNCATE ON bank.trans TO campaign_app")
    text = applied("doctor", map_file, code=1).output.splitlines()
    assert any(line.startswith("warning truncate bank.trans: ") for line in text)
    assert re.fullmatch(r"\d+ errors?, \d+ warnings?, \d+ notes?", text[-1])
    findings = json.loads(applied("doctor", "--format", "json", code=1).output)
    assert {"check", "severity", "about", "message", "advice"} == set(findings[0])
    assert "guard" in {finding["check"] for finding in findings if finding["severity"] == "ok"}

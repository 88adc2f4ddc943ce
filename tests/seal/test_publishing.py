"""Who may seal and verify, where checkpoints go, and what is needed to read them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from functools import partial
from pathlib import Path

import psycopg
import pytest
from click.testing import CliRunner

from check.starting import run, running
from rlsguard import seal as sealing
from rlsguard.cli import rlsguard
from rlsguard.problems import RlsguardError
from rlsguard.seal.places import Folder, place
from rlsguard.tlog import Keys, verify_checkpoint
from seal.sealing import KEY, Log, wrong
from tlog.signing import ORIGIN, key

pytestmark = pytest.mark.by_turns

RLSGUARD = Path(sys.executable).with_name("rlsguard")
LOGINS = """
CREATE ROLE sealer LOGIN; GRANT rlsguard_sealer TO sealer;
CREATE ROLE verifier LOGIN; GRANT rlsguard_auditor TO verifier;
CREATE ROLE recorder LOGIN; GRANT rlsguard_recorder TO recorder;
"""


def test_a_sealer_seals_and_an_auditor_verifies(sealed: Log) -> None:
    sealed.db.execute(LOGINS)
    sealed.record(5)
    assert sealed.seal(user="sealer").head.sealed == 1
    assert wrong(sealed.verify(user="verifier")) == []
    with sealed.db.connect("verifier") as conn:
        assert sealing.receipt(conn, 6).to_bytes()


@pytest.mark.parametrize("user", ["verifier", "recorder", "stranger"])
def test_nobody_else_seals(sealed: Log, user: str) -> None:
    sealed.db.execute(LOGINS)
    with pytest.raises(RlsguardError, match="sealing needs the role rlsguard_sealer"):
        sealed.seal(user=user)
    with sealed.db.connect(user) as conn:
        for call in ("open_epoch('a', NULL)", "keep_checkpoint(1, 6, '\\x00')"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                conn.execute(f"SELECT rlsguard.{call}")


@pytest.mark.parametrize("user", ["sealer", "recorder", "stranger"])
def test_nobody_else_verifies(sealed: Log, user: str) -> None:
    sealed.db.execute(LOGINS)
    with pytest.raises(RlsguardError, match="verifying rlsguard_auditor"):
        sealed.verify(user=user)


FORBIDDEN = [
    "SELECT FROM rlsguard.opt_out_event",
    "SELECT FROM rlsguard.erasure",
    "SELECT FROM rlsguard.opt_out_client",
    "SELECT FROM bank.client",
    "SELECT rlsguard.opt_out('client', '1', '{marketing}', 'a', 'b')",
    "SELECT rlsguard.history('client', '1')",
    "SELECT rlsguard.erase('client', '1', true, 'why', '{}', '{}')",
    "INSERT INTO rlsguard.log_leaf VALUES (1, 6, 'opt_out_event', 9, sha256(''))",
    "INSERT INTO rlsguard.log_seal (epoch, size, snapshot) VALUES (1, 9, '1:1:')",
    "UPDATE rlsguard.log_seal SET size = 9",
    "DELETE FROM rlsguard.log_checkpoint",
    "TRUNCATE rlsguard.log_node",
    "ALTER TABLE rlsguard.log_leaf DISABLE TRIGGER append_only",
]


@pytest.mark.parametrize("statement", FORBIDDEN)
def test_a_sealer_can_do_nothing_else(sealed: Log, statement: str) -> None:
    sealed.db.execute(LOGINS)
    with sealed.db.connect("sealer") as conn, pytest.raises(psycopg.errors.InsufficientPrivilege):
        conn.execute(statement)


def test_a_hot_standby_verifies(sealed: Log, base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sealed.db.execute(LOGINS)
    bindir = sealed.db.server.bindir
    backup = [bindir / "pg_basebackup", "-D", base / "standby", "-R", "-X", "stream", "-c", "fast"]
    run(base, *backup, "-d", sealed.db.dsn())
    with running(bindir, base, "standby") as server:
        dsn = psycopg.conninfo.make_conninfo(server, dbname=sealed.db.name)
        auditor = psycopg.conninfo.make_conninfo(dsn, user="verifier")
        assert wrong(sealed.verify(dsn=auditor)) == []
        with pytest.raises(RlsguardError, match="read-only"):
            sealed.seal(dsn=dsn)
        with psycopg.connect(dsn, autocommit=True) as standby:
            standby.execute("SELECT pg_wal_replay_pause()")
            sealed.record(5)
            sealed.seal()
            # It is behind what was published, and that is waited for.
            later = threading.Timer(0.5, lambda: standby.execute("SELECT pg_wal_replay_resume()"))
            later.start()
            verdict = sealed.verify(dsn=auditor)
            later.join()
            assert (wrong(verdict), verdict.entries) == ([], 7)
            # For some time. It might never come.
            standby.execute("SELECT pg_wal_replay_pause()")
            sealed.record(6)
            sealed.seal()
            monkeypatch.setitem(sealing.verify.__globals__, "_LAG_SECONDS", 0.1)
            (named,) = wrong(sealed.verify(dsn=auditor))
            assert named.startswith("tree 1: 8 entries were published, and the database has 7: ")
            assert "lags behind" in named


# What a key can be called, and a folder perhaps not.
NAMES = [
    "a",
    "a/b",
    "a_2fb",
    "../../etc",
    "..",
    ".",
    "-",
    "_2f",
    "é",
    "e\u0301",
    "a\u202eb",
    "x" * 60,
    "C:\\x",
    "a'b;c",
]


def test_every_log_has_a_folder_of_its_own(tmp_path: Path) -> None:
    folder = Folder(tmp_path / "published")
    for name in NAMES:
        folder.publish(name, 7, name.encode())
    for name in NAMES:
        assert list(folder.checkpoints(name)) == [name.encode()]
    assert [path.name for path in tmp_path.iterdir()] == ["published"]
    assert len(list((tmp_path / "published").iterdir())) == len(NAMES)


@pytest.mark.parametrize("name", ["../../etc", "é", "a'b;c"])
def test_a_log_with_an_odd_name(log: Log, name: str) -> None:
    odd = Log(log.db, log.folder, key(name))
    odd.record(1)
    odd.seal()
    assert [file.parents[2] for file in odd.files(name)] == [log.folder]
    verdict = odd.verify()
    assert (wrong(verdict), verdict.covered) == ([], 2)


def test_a_checkpoint_is_never_written_over(sealed: Log) -> None:
    *_, last = sealed.files()
    before = last.read_bytes()
    sealed.published.publish(ORIGIN, 6, b"another")
    assert last.read_bytes() == before


def test_many_sealers_publish_whole_files(sealed: Log, tmp_path: Path) -> None:
    note = b"x" * 100_000
    folders = [Folder(tmp_path / "many") for _ in range(8)]
    threads = [threading.Thread(target=folder.publish, args=("log", 1, note)) for folder in folders]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert list(folders[0].checkpoints("log")) == [note]
    assert [file.name for file in (tmp_path / "many" / "log").glob("*/*")] == ["00000000000000000001"]


def test_a_folder_that_is_a_file(sealed: Log, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with sealed.db.connect() as conn, pytest.raises(RlsguardError, match="file"):
        sealing.publish(conn, KEY, [Folder(tmp_path / "file")])


def git(*arguments: str | Path) -> str:
    return subprocess.run(["git", *arguments], check=True, capture_output=True, text=True).stdout


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A clone of a bare repository."""
    for name in ("AUTHOR", "COMMITTER"):
        monkeypatch.setenv(f"GIT_{name}_NAME", "sealer")
        monkeypatch.setenv(f"GIT_{name}_EMAIL", "sealer@bank.example")
    git("init", "-q", "--bare", "-b", "main", tmp_path / "origin")
    git("clone", "-q", tmp_path / "origin", tmp_path / "clone")
    git("-C", tmp_path / "clone", "commit", "-q", "--allow-empty", "-m", "first")
    git("-C", tmp_path / "clone", "push", "-q", "-u", "origin", "HEAD")
    return tmp_path / "clone"


def test_a_git_repository(log: Log, repository: Path, tmp_path: Path) -> None:
    with log.db.connect() as conn:
        where = place(f"git:{repository}/logs")
        for key_ in (1, 2):
            log.record(key_)
            sealing.publish(conn, KEY, [where])
        assert sealing.verify(conn, KEY.verifier, [where]).wrong == ()
        subjects = git("-C", tmp_path / "origin", "log", "--format=%s", "main").splitlines()
        assert subjects == [f"{ORIGIN}: 3 entries", f"{ORIGIN}: 2 entries", "first"]
        # A push that fails is made up for.
        (tmp_path / "origin").rename(tmp_path / "away")
        log.record(3)
        with pytest.raises(RlsguardError, match=r"^git push in "):
            sealing.publish(conn, KEY, [where])
        (tmp_path / "away").rename(tmp_path / "origin")
        assert sealing.publish(conn, KEY, [where]).fresh
        assert not sealing.publish(conn, KEY, [where]).fresh
        assert git("-C", tmp_path / "origin", "log", "--format=%s", "main").startswith(f"{ORIGIN}: 4 entries\n")


def test_a_git_repository_that_goes_nowhere(log: Log, repository: Path, tmp_path: Path) -> None:
    with log.db.connect() as conn:
        with pytest.raises(RlsguardError, match="not a git repository"):
            sealing.publish(conn, KEY, [place(f"git:{tmp_path}/none")])
        git("-C", repository, "branch", "-q", "--unset-upstream")
        log.record(1)
        sealing.publish(conn, KEY, [place(f"git:{repository}")])
        assert git("-C", repository, "log", "-1", "--format=%s") == f"{ORIGIN}: 2 entries\n"


@pytest.fixture
def keys(tmp_path: Path) -> list[str]:
    """The options of the command that seals, but for the place."""
    (tmp_path / "ledger.key").write_text(KEY.reveal())
    return ["--key", str(tmp_path / "ledger.key")]


def test_standard_output_has_the_checkpoint_and_nothing_else(log: Log, keys: list[str]) -> None:
    log.record(1)
    command = [RLSGUARD, "ledger", "seal", *keys, "--publish", "-", "--dsn", log.db.dsn()]
    done = subprocess.run(command, capture_output=True, check=True)
    assert done.stderr == b""
    note, end = done.stdout[:-1], done.stdout[-1:]
    assert end == b"\n"
    assert verify_checkpoint(note, Keys(ORIGIN, (KEY.verifier,))).checkpoint.size == 2
    # Nothing of that can be read back: verify has nothing to hold the log against.
    assert wrong_with(log, "-") == ["tree 1: no checkpoint of it is in standard output: nothing proves what it holds."]


def wrong_with(log: Log, text: str) -> list[str]:
    with log.db.connect() as conn:
        return [str(one) for one in sealing.verify(conn, KEY.verifier, [place(text)]).wrong]


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
def test_sealing_again_and_again(sealed: Log, keys: list[str], how: signal.Signals) -> None:
    process = subprocess.Popen(
        [RLSGUARD, "ledger", "seal", *keys, "--publish", sealed.folder, "--every", "0.1"],
        env={**os.environ, "RLSGUARD_DSN": sealed.db.dsn()},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # What runs in the background of a shell ignores it, and would hand that down.
        preexec_fn=partial(signal.signal, signal.SIGINT, signal.SIG_DFL),
    )
    assert process.stdout is not None
    for number in (5, 6):
        sealed.record(number)
        # It tells what it published, and not that there was nothing to do.
        assert "  1 entry sealed, " in process.stdout.readline()
    process.send_signal(how)
    out, err = process.communicate(timeout=20)
    assert [int(file.name) for file in sealed.files()] == [2, 4, 6, 7, 8]
    assert out == ""
    assert "Traceback" not in err
    assert wrong(sealed.verify()) == []


def test_a_place_must_be_named(sealed: Log, keys: list[str]) -> None:
    done = CliRunner().invoke(rlsguard, ["ledger", "seal", *keys, "--dsn", sealed.db.dsn()])
    assert done.exit_code == 2
    assert "In the database alone they prove nothing" in done.stderr


def test_the_command_that_verifies(sealed: Log) -> None:
    def verify(*options: str) -> tuple[int, str]:
        command = ["ledger", "verify", "--key", str(KEY.verifier), "--publish", str(sealed.folder), *options]
        done = CliRunner().invoke(rlsguard, [*command, "--dsn", sealed.db.dsn()])
        return done.exit_code, done.stdout

    sealed.record(5)
    told = "6 entries recomputed, 6 of them covered by 3 checkpoints; 1 not sealed yet\n"
    assert verify() == (0, told)
    sealed.tamper("UPDATE rlsguard.opt_out_event SET actor = 'x' WHERE id = 2")
    named = "opt_out_event 2 (leaf 2): its columns do not say what was sealed: actor."
    assert verify() == (1, f"wrong  {named}\n{told}")
    code, out = verify("--format", "json")
    assert (code, json.loads(out)["wrong"][0]["about"]) == (1, "opt_out_event 2 (leaf 2)")


def receipt_file(log: Log, folder: Path) -> Path:
    with log.db.connect() as conn:
        (folder / "receipt.json").write_bytes(sealing.receipt(conn, 2).to_bytes())
    return folder / "receipt.json"


def test_a_receipt_is_verified_without_a_database(sealed: Log, tmp_path: Path) -> None:
    # No server, no program of PostgreSQL's, no network: the environment has nothing of these.
    file = receipt_file(sealed, tmp_path)
    command = [RLSGUARD, "receipt", "verify", file, "--key", str(KEY.verifier)]
    nothing = {"PATH": "", "PGHOST": "/nowhere", "PGSERVICEFILE": "/nowhere"}
    done = subprocess.run(command, capture_output=True, text=True, env=nothing)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(f"{file} holds: leaf 2 of 6 in the log {ORIGIN}\n")
    file.write_bytes(file.read_bytes().replace(b'"2"', b'"3"'))
    assert subprocess.run(command, capture_output=True, env=nothing).returncode == 2


def test_what_reads_receipts_has_no_need_of_psycopg(sealed: Log, tmp_path: Path) -> None:
    # The command brings it along as all commands do; the library that a verifier would take does not.
    script = (
        "import sys; sys.modules['psycopg'] = None\n"
        "from pathlib import Path\n"
        "from rlsguard.tlog import Keys, VerifierKey, verify_receipt\n"
        "key = VerifierKey.parse(sys.argv[2])\n"
        "print(verify_receipt(Path(sys.argv[1]).read_bytes(), Keys(key.name, (key,))).disclosed['subject_key'])\n"
    )
    command = [sys.executable, "-c", script, receipt_file(sealed, tmp_path), str(KEY.verifier)]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == "2\n"

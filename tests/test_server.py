"""Throw-away servers: they start, they are private, and they leave nothing behind."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psycopg
import pytest

from rlsguard import server as servers
from rlsguard.problems import RlsguardError
from servers import Database, Postgres

pytestmark = pytest.mark.by_turns


@pytest.fixture
def bindir(server: Postgres) -> Path:
    return server.server.bindir


def gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


@pytest.mark.by_turns(False)
def test_starts_serves_and_leaves_nothing(bindir: Path) -> None:
    with servers.start(bindir, settings={"search_path": "it's\\a", "work_mem": "5MB"}) as started:
        with psycopg.connect(started.dsn()) as conn:
            assert conn.info.server_version // 10000 == started.major
            assert conn.execute("SHOW search_path").fetchone() == ("it's\\a",)
            assert conn.execute("SHOW work_mem").fetchone() == ("5MB",)
            assert conn.execute("SHOW server_encoding").fetchone() == ("UTF8",)
        assert not gone(started.pid)
        assert started.sockets.stat().st_mode & 0o077 == 0
    assert gone(started.pid)
    assert not started.data.exists()
    assert not started.sockets.parent.exists()


def test_data_elsewhere(bindir: Path) -> None:
    elsewhere = Path(tempfile.mkdtemp())
    elsewhere.chmod(0o755)
    with servers.start(bindir, data_in=elsewhere) as started:
        assert started.data.parent == elsewhere
    elsewhere.rmdir()


def test_no_one_gets_in_over_tcp_without_a_password(server: Postgres) -> None:
    with pytest.raises(psycopg.OperationalError, match="no password supplied"):
        psycopg.connect(host="127.0.0.1", port=server.server.port, user="postgres", dbname="postgres")


def test_a_role_with_a_password_gets_in_over_tcp(db: Database) -> None:
    db.execute("CREATE ROLE remote LOGIN PASSWORD 'x'")
    with psycopg.connect(host="127.0.0.1", port=db.server.port, user="remote", password="x", dbname=db.name) as conn:
        assert conn.execute("SELECT host(inet_client_addr())").fetchone() == ("127.0.0.1",)


def test_error_in_the_block_stops_the_server(bindir: Path) -> None:
    with pytest.raises(KeyboardInterrupt), servers.start(bindir) as started:
        raise KeyboardInterrupt
    assert gone(started.pid)
    assert not started.sockets.parent.exists()


def test_sigterm_stops_the_server(bindir: Path) -> None:
    program = (
        "import sys, time; from pathlib import Path; from rlsguard import server\n"
        "with server.start(Path(sys.argv[1])) as s:\n"
        "    print(s.pid, s.sockets.parent, flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", program, str(bindir)], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        pid, folder = process.stdout.readline().split()
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 128 + signal.SIGTERM
    assert gone(int(pid))
    assert not Path(folder).exists()


def test_keep_leaves_it_running(bindir: Path) -> None:
    with servers.start(bindir, keep=True) as started:
        pass
    try:
        with psycopg.connect(started.dsn()) as conn:
            assert conn.execute("SELECT 1").fetchone() == (1,)
    finally:
        os.kill(started.pid, signal.SIGINT)
        os.waitpid(started.pid, 0)
        shutil.rmtree(started.sockets.parent)


def test_bad_setting_is_one_clear_error_and_leaves_nothing(bindir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scratch = Path(tempfile.mkdtemp())
    scratch.chmod(0o755)
    monkeypatch.setattr(tempfile, "tempdir", str(scratch))
    with (
        pytest.raises(RlsguardError, match='invalid value for parameter "work_mem"'),
        servers.start(bindir, settings={"work_mem": "much"}),
    ):
        pass
    scratch.rmdir()


def test_taken_port_is_retried(bindir: Path, server: Postgres, monkeypatch: pytest.MonkeyPatch) -> None:
    free = servers._free_port
    offers = iter([server.server.port])
    monkeypatch.setattr(servers, "_free_port", lambda: next(offers, None) or free())
    with servers.start(bindir) as started:
        assert started.port != server.server.port


def test_a_folder_without_a_server_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RlsguardError, match="there is no PostgreSQL server in"), servers.start(tmp_path):
        pass


@pytest.mark.skipif(os.geteuid() != 0, reason="only root runs the server as somebody else")
def test_an_installation_that_others_cannot_reach_is_copied() -> None:
    package = servers.embedded().parents[1]
    closed = Path(tempfile.mkdtemp(prefix="closed-"))
    try:
        shutil.copytree(package, closed / package.name)
        shutil.copytree(package.with_name(f"{package.name}.libs"), closed / f"{package.name}.libs")
        began = time.monotonic()
        with servers.start(closed / servers.embedded().relative_to(package.parent)) as started:
            assert not started.bindir.is_relative_to(closed)
            with psycopg.connect(started.dsn()) as conn:
                assert conn.execute("SELECT 1").fetchone() == (1,)
        assert time.monotonic() - began < 30
    finally:
        shutil.rmtree(closed)


def test_embedded_missing_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(servers, "find_spec", lambda name: None)
    with pytest.raises(RlsguardError, match=r"pip install 'rlsguard\[embedded\]'"):
        servers.embedded()


@pytest.mark.by_turns(False)
def test_roles_of_a_test_are_gone_after_it(server: Postgres) -> None:
    with server.database() as first, server.database() as second:
        first.execute('CREATE ROLE "Odd \'role"')
        first.execute('GRANT CONNECT ON DATABASE postgres TO "Odd \'role"')
        second.execute("CREATE TABLE t ()")
        second.execute('ALTER TABLE t OWNER TO "Odd \'role"')
        second.execute("ALTER SYSTEM SET work_mem = '9MB'")
        second.execute("BEGIN")
        second.execute("INSERT INTO t DEFAULT VALUES")
        second.execute("PREPARE TRANSACTION 'left behind'")
    with server.database() as db:
        assert db.execute("SELECT rolname FROM pg_roles WHERE rolname LIKE 'Odd%'") == []
        assert db.execute("SELECT setting FROM pg_file_settings WHERE name = 'work_mem'") == []


def test_a_template_is_built_once(server: Postgres) -> None:
    built: list[str] = []

    def build(conn: psycopg.Connection) -> None:
        built.append(conn.info.dbname)
        conn.execute("CREATE TABLE t AS SELECT 1 AS x")

    for _ in range(2):
        with server.database(server.template("once", build)) as db:
            assert db.execute("SELECT x FROM t") == [(1,)]
            db.execute("DROP TABLE t")
    assert len(built) == 1


@pytest.mark.by_turns(False)
def test_the_roles_of_a_template_are_in_its_clones_alone(server: Postgres) -> None:
    def build(conn: psycopg.Connection) -> None:
        conn.execute("CREATE ROLE owning; CREATE ROLE belonging LOGIN IN ROLE owning")
        conn.execute("ALTER ROLE belonging SET work_mem = '9MB'; COMMENT ON ROLE belonging IS 'to owning'")
        conn.execute("CREATE TABLE t (); ALTER TABLE t OWNER TO owning")

    template = server.template("roles", build)
    theirs = "SELECT rolname, shobj_description(oid, 'pg_authid') FROM pg_roles WHERE rolname LIKE '%ing' ORDER BY 1"
    for drop in (False, True):
        with server.database() as db:
            assert db.execute(theirs) == []
            # Their names are free, and nothing is in the way of roles that have them.
            db.execute("CREATE ROLE owning; DROP ROLE owning")
        with server.database(template) as db:
            assert db.execute(theirs) == [("belonging", "to owning"), ("owning", None)]
            with db.connect("belonging") as conn:
                assert conn.execute("SHOW work_mem").fetchall() == [("9MB",)]
                conn.execute("INSERT INTO t DEFAULT VALUES")
            with pytest.raises(psycopg.errors.DependentObjectsStillExist, match="owner of table t"):
                db.execute("DROP ROLE owning")
            if drop:
                db.execute("DROP OWNED BY owning; DROP ROLE owning, belonging")

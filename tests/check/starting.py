"""Programs and servers that tests start by themselves, as the OS user that servers run as."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from psycopg.conninfo import make_conninfo

from rlsguard import server


def run(base: Path, *command: str | Path) -> None:
    server._run([str(word) for word in command], base, server._account())


@contextmanager
def running(bindir: Path, base: Path, data: str) -> Iterator[str]:
    """Run the server of the data directory *data* in *base*, and yield a DSN to it as its superuser."""
    port = server._free_port()
    command = [bindir / "postgres", "-D", base / data, "-p", str(port), "-c", f"unix_socket_directories={base}"]
    with (base / "log").open("wb") as log:
        process = server._spawn([str(word) for word in command], base, server._account(), log)
        try:
            assert server._ready(process, base / data / "postmaster.pid")
            yield make_conninfo(host=str(base), port=port, dbname="postgres", user="postgres")
        finally:
            server._stop(process)

"""Where checkpoints are published: a folder, which may be write-once or a git repository, or standard output."""

from __future__ import annotations

import os
import re
import secrets
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from rlsguard.problems import RlsguardError

# Twenty digits: names in their order are sizes in theirs. Ten thousand share a folder, whose name they begin with.
_NAME = re.compile(r"[0-9]{20}")
_FOLDER = re.compile(r"[0-9]{16}")


class Place(Protocol):
    """Somewhere outside the database."""

    def checkpoints(self, origin: str) -> Iterator[bytes]:
        """Yield the checkpoints of a log that were published there, the largest last."""
        ...

    def latest(self, origin: str) -> bytes | None:
        """Return the largest of them; None where there is none."""
        ...

    def publish(self, origin: str, size: int, note: bytes) -> None:
        """Publish one, never in place of another.

        Raises:
            RlsguardError: it cannot be written.
        """
        ...


@dataclass(frozen=True, slots=True)
class Folder:
    """A folder with a file for each checkpoint, `ORIGIN/SIZE // 10000/SIZE`. Files are only ever added."""

    path: Path

    def __str__(self) -> str:
        return str(self.path)

    def checkpoints(self, origin: str) -> Iterator[bytes]:
        """Yield the checkpoints of a log, the largest last."""
        with _explained():
            for folder in sorted(_named(_FOLDER, self._of(origin))):
                for file in sorted(_named(_NAME, folder)):
                    yield file.read_bytes()

    def latest(self, origin: str) -> bytes | None:
        """Return the largest of them; None where there is none."""
        with _explained():
            for folder in sorted(_named(_FOLDER, self._of(origin)), reverse=True):
                for file in sorted(_named(_NAME, folder), reverse=True):
                    return file.read_bytes()
        return None

    def publish(self, origin: str, size: int, note: bytes) -> None:
        """Write a file, unless it is there already."""
        name = f"{size:020d}"
        file = self._of(origin) / name[:16] / name
        with _explained():
            file.parent.mkdir(parents=True, exist_ok=True)
            if not file.exists():
                # Whole or not at all: a crash in between, or another sealer, leaves no half of it under its name.
                part = file.with_name(f".{name}.{secrets.token_hex(4)}")
                with part.open("xb") as output:
                    output.write(note)
                    output.flush()
                    os.fsync(output.fileno())
                part.rename(file)

    def _of(self, origin: str) -> Path:
        # An origin is a line of text from a checkpoint: not all of that is a name of a folder.
        return self.path / re.sub(r"[^A-Za-z0-9.-]|^\.", lambda c: f"_{ord(c[0]):x}", origin)


@dataclass(frozen=True, slots=True)
class Git:
    """A folder in a git repository: each checkpoint is a commit, which is pushed where the branch follows another."""

    folder: Folder

    def __str__(self) -> str:
        return f"git:{self.folder}"

    def checkpoints(self, origin: str) -> Iterator[bytes]:
        """Yield the checkpoints of a log, the largest last."""
        return self.folder.checkpoints(origin)

    def latest(self, origin: str) -> bytes | None:
        """Return the largest of them; None where there is none."""
        return self.folder.latest(origin)

    def publish(self, origin: str, size: int, note: bytes) -> None:
        """Write a file, commit and push it."""
        self.folder.publish(origin, size, note)
        self._git("add", "--", ".")
        if self._git("status", "--porcelain", "--", "."):
            self._git("commit", "-q", "-m", f"{origin}: {size:,} entries", "--", ".")
        if self._git("for-each-ref", "--format=%(upstream)", self._git("symbolic-ref", "HEAD")):
            self._git("push", "-q")

    def _git(self, *arguments: str) -> str:
        try:
            command = ["git", "-C", str(self.folder.path), *arguments]
            return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
        except FileNotFoundError as error:
            raise RlsguardError("there is no git on this machine") from error
        except subprocess.CalledProcessError as error:
            said = error.stderr.strip().splitlines() or [f"exit code {error.returncode}"]
            raise RlsguardError(f"git {arguments[0]} in {self.folder}: {said[-1]}") from error


@dataclass(frozen=True, slots=True)
class StandardOutput:
    """What a pipe or a log collector takes from there; nothing of it is ever seen again."""

    def __str__(self) -> str:
        return "standard output"

    def checkpoints(self, origin: str) -> Iterator[bytes]:
        """Yield nothing."""
        return iter(())

    def latest(self, origin: str) -> None:
        """Return nothing."""

    def publish(self, origin: str, size: int, note: bytes) -> None:
        """Print it, and an empty line."""
        sys.stdout.buffer.write(note + b"\n")
        sys.stdout.buffer.flush()


def _named(pattern: re.Pattern[str], folder: Path) -> Iterator[Path]:
    if folder.exists():
        yield from (path for path in folder.iterdir() if pattern.fullmatch(path.name))


@contextmanager
def _explained() -> Iterator[None]:
    """Turn errors of the operating system into ours."""
    try:
        yield
    except OSError as error:
        raise RlsguardError(f"{error.filename}: {error.strerror}") from error


def place(text: str) -> Place:
    """Return what *text* names: `-`, `git:FOLDER` or a folder."""
    if text == "-":
        return StandardOutput()
    if text.startswith("git:"):
        return Git(Folder(Path(text.removeprefix("git:"))))
    return Folder(Path(text))

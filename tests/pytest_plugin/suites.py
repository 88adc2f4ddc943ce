"""Suites of users, run by a pytest of their own."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

DOCS = Path(__file__).parents[2] / "docs" / "pytest"
# Plugins that take longer to load than most of these suites to run.
OTHERS = ("hypothesispytest", "xdist", "pytest_postgresql", "pgrls")


def example(to: Path) -> Path:
    """Copy the example project of the documentation."""
    return shutil.copytree(DOCS / "example", to, ignore=shutil.ignore_patterns("__pycache__", ".*"))


def run(folder: Path, *args: str, without: tuple[str, ...] = OTHERS) -> subprocess.CompletedProcess[str]:
    """Run the tests in *folder*; nothing of the pytest around it is passed on, and warnings are errors."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST")}
    options = ["-q", "-p", "no:cacheprovider", "-W", "error"]
    options += [word for name in without for word in ("-p", f"no:{name}")]
    command = [sys.executable, "-m", "pytest", *options, *args]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)


def report(output: str, test: str) -> list[str]:
    """Return what pytest reports of one test, without empty lines."""
    lines = output.splitlines()
    heading = next(line for line in lines if line.startswith("_") and line.strip("_ ").split()[-1] == test)
    begin = lines.index(heading)
    rest = [line for line in lines[begin + 1 :] if line]
    return rest[: next(n for n, line in enumerate(rest) if line.startswith(("__", "==")))]

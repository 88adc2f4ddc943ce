"""`python -m bench.ledger.peak`: rlsguard's command, which ends with the most bytes of memory that it took."""

from __future__ import annotations

import atexit
import re
import sys
from pathlib import Path

from rlsguard.cli import main


def _tell() -> None:
    # getrusage() would tell the most of the process that started this one, where that is more.
    found = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text(encoding="ascii"))
    assert found is not None
    print(int(found[1]) * 1024, file=sys.stderr)


if __name__ == "__main__":
    atexit.register(_tell)
    main()

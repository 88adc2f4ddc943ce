"""Migrations that are wrong: the probe must see it, or that it sees nothing wrong of ours would mean nothing."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from bench.migrating.bank import Bank

# As long as it takes to look at everything at least once.
_WAIT = "SELECT pg_sleep(1);\n"


def _late_baseline(script: str, bank: Bank) -> str:
    """Let one table be without what lets its rows be seen, until a transaction of its own brings it."""
    before, baseline, after = script.partition('CREATE POLICY "rlsguard baseline"')
    assert baseline
    return f"{before}\nCOMMIT;\n{_WAIT}BEGIN;\n{baseline}{after}"


def _row_security_off(script: str, bank: Bank) -> str:
    """Switch row security off at a table that is guarded already, as one does who is about to change its policies."""
    off = f"ALTER TABLE {bank.first[0].name} DISABLE ROW LEVEL SECURITY"
    on = f"ALTER TABLE {bank.first[0].name} ENABLE ROW LEVEL SECURITY"
    return re.sub(r"^BEGIN;\n", f"{off};\n{_WAIT}{on};\nBEGIN;\n", script, count=1, flags=re.MULTILINE)


SABOTAGES: Mapping[str, Callable[[str, Bank], str]] = {
    "late-baseline": _late_baseline,
    "row-security-off": _row_security_off,
}

"""What an earlier check has found already."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

from rlsguard.check.model import Outcome
from rlsguard.problems import RlsguardError


def since(outcome: Outcome, baseline: Path) -> Outcome:
    """Return *outcome* with the findings that *baseline* has as known.

    Args:
        baseline: a file with an earlier outcome as JSON.

    Raises:
        RlsguardError: it cannot be read as that.
    """
    try:
        earlier = json.loads(baseline.read_text(encoding="utf-8"))
        keys = {f"{one['id']} {one['object']}" for one in [*earlier["findings"], *earlier["known"]]}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise RlsguardError(f"{baseline} is not what rlsguard check --format json writes: {error}") from error
    new = tuple(f for f in outcome.findings if f.key not in keys)
    return replace(outcome, findings=new, known=tuple(f for f in outcome.findings if f.key in keys))

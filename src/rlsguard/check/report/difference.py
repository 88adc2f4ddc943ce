"""What differs between a definition as it should be and as it is."""

from __future__ import annotations

import difflib

from rlsguard.check.model import Finding

_MOST = 40


def difference(finding: Finding) -> list[str]:
    """Return the lines that differ: "- " as it should be, "+ " as it is; nothing where there is nothing to compare."""
    if finding.expected is None and finding.found is None:
        return []
    should, is_ = _lines(finding.expected), _lines(finding.found)
    lines = [line for line in difflib.ndiff(should, is_) if line[:2] in ("- ", "+ ")]
    if not finding.found or not finding.expected:
        lines = lines[:1]  # it is gone, or nobody asked for it: what it is one line tells
    return lines if len(lines) <= _MOST else [*lines[:_MOST], f"... and {len(lines) - _MOST} lines more"]


def _lines(text: str | None) -> list[str]:
    # Not splitlines: what else it takes for the end of a line would be no difference.
    return text.split("\n") if text else []

"""What is wrong with a log, a proof or a signature."""

from __future__ import annotations

from rlsguard.problems import RlsguardError


class TlogError(RlsguardError):
    """A text is not of its format, a proof does not hold, or a signature is missing or wrong."""

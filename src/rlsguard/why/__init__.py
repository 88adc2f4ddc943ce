"""Why a row is hidden from a role, or visible to it: worked out from map and ledger, and measured as the role."""

from rlsguard.why.ask import why
from rlsguard.why.model import Found, HeldTo, Path, Reasoning, Sight, Why

__all__ = ["Found", "HeldTo", "Path", "Reasoning", "Sight", "Why", "why"]

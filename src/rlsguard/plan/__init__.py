"""DataMap x Catalog -> Plan: what must exist in the database, by pure functions."""

from rlsguard.plan.build import build
from rlsguard.plan.model import Notice, Plan, Unit

__all__ = ["Notice", "Plan", "Unit", "build"]

"""A bank to try rlsguard on: invented people, joint accounts, and the roles that read them."""

from rlsguard.demo.bank import Bank, create_roles, load
from rlsguard.demo.generator import generate

__all__ = ["Bank", "create_roles", "generate", "load"]

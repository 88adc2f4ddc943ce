"""rlsguard: opt-outs that PostgreSQL itself enforces."""

__version__ = "0.1.0"

"""The application under test. It knows nothing of opt-outs."""

from __future__ import annotations

from typing import Any

import psycopg


def addressees(conn: psycopg.Connection[Any]) -> list[str]:
    """Return who gets the newsletter."""
    return [email for (email,) in conn.execute("SELECT email FROM shop.customer ORDER BY email").fetchall()]

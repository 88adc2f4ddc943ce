"""Small verbs for tests of the doctor: examine as somebody, and what one check finds."""

from __future__ import annotations

from guarding import BANK_MAP, load
from rlsguard import doctor
from rlsguard.doctor import Finding
from rlsguard.server import SUPERUSER
from servers import Database


def findings(db: Database, *, user: str = SUPERUSER, text: str | None = BANK_MAP) -> tuple[Finding, ...]:
    """Examine as a login of its own, on a connection that cannot write."""
    with db.connect(user, options="-c default_transaction_read_only=on") as conn:
        return doctor.diagnose(conn, None if text is None else load(text))


def of(db: Database, check: str, **options) -> list[Finding]:
    """Return what one check finds."""
    return [finding for finding in findings(db, **options) if finding.check == check]


def verdicts(db: Database, check: str, **options) -> list[tuple[str, str]]:
    """Return what one check finds, as severity and object."""
    return [(finding.severity, finding.about) for finding in of(db, check, **options)]

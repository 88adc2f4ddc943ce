"""An outcome as JSON: everything, for programs, and as the baseline of a later check."""

from __future__ import annotations

import json as encoding
from typing import Any

from rlsguard.check.model import Finding, Outcome, Waived


def json(outcome: Outcome) -> str:
    """Return one object."""
    plain = {
        "version": 1,
        "database": outcome.database,
        "server": outcome.server,
        "started_at": outcome.started_at.isoformat(),
        "seconds": round(outcome.seconds, 3),
        "compared": outcome.compared,
        "compared_with": outcome.with_server,
        "counts": outcome.counts,
        "findings": [_plain(finding) for finding in outcome.findings],
        "waived": [{**_plain(one.finding), **answer(one)} for one in outcome.waived],
        "known": [_plain(finding) for finding in outcome.known],
    }
    return encoding.dumps(plain, indent=2, ensure_ascii=False) + "\n"


def told(finding: Finding) -> dict[str, Any]:
    """Return what a finding says, without where."""
    return {
        "id": finding.kind.id,
        "severity": finding.kind.severity,
        "title": finding.kind.title,
        "object": finding.about,
        "why": finding.why,
        "mend": finding.mend,
        "tables": [str(table) for table in finding.tables],
        "roles": list(finding.roles),
    }


def answer(waived: Waived) -> dict[str, str]:
    """Return who answers for a finding, why, and until when."""
    return {"reason": waived.reason, "owner": waived.owner, "until": waived.until.isoformat()}


def _plain(finding: Finding) -> dict[str, Any]:
    place = finding.position
    return {
        **told(finding),
        "expected": finding.expected,
        "found": finding.found,
        "since": finding.since.isoformat() if finding.since is not None else None,
        "map": {"file": place.file, "line": place.line, "column": place.column} if place is not None else None,
    }

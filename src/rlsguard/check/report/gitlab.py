"""An outcome as a code quality report of GitLab's.

https://docs.gitlab.com/ci/testing/code_quality/#code-quality-report-format
"""

from __future__ import annotations

import json
from collections import Counter
from hashlib import sha256

from rlsguard.check.model import Finding, Reported

_SEVERITIES = {"error": "critical", "warning": "major", "note": "info"}


def gitlab(outcome: Reported) -> str:
    """Return a list with one object for each finding."""
    before: Counter[str] = Counter()
    findings = [
        {
            "description": f"{finding.about}: {finding.why}",
            "check_name": finding.kind.id,
            "fingerprint": _fingerprint(finding, before),
            "severity": _SEVERITIES[finding.kind.severity],
            "location": {
                "path": finding.position.file if finding.position is not None else "",
                "lines": {"begin": finding.position.line if finding.position is not None else 1},
            },
        }
        for finding in outcome.findings
    ]
    return json.dumps(findings, indent=2, ensure_ascii=False) + "\n"


def _fingerprint(finding: Finding, before: Counter[str]) -> str:
    """Return what is the same at the next run, and no other's: one object may have the same finding for two reasons."""
    before[finding.key] += 1
    number = before[finding.key]
    return sha256((finding.key if number == 1 else f"{finding.key} {number}").encode()).hexdigest()

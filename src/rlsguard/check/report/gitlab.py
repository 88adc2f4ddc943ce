"""An outcome as a code quality report of GitLab's.

https://docs.gitlab.com/ci/testing/code_quality/#code-quality-report-format
"""

from __future__ import annotations

import json
from hashlib import sha256

from rlsguard.check.model import Outcome

_SEVERITIES = {"error": "critical", "warning": "major", "note": "info"}


def gitlab(outcome: Outcome) -> str:
    """Return a list with one object for each finding."""
    findings = [
        {
            "description": f"{finding.about}: {finding.why}",
            "check_name": finding.kind.id,
            # The same for the same finding at the next run.
            "fingerprint": sha256(finding.key.encode()).hexdigest(),
            "severity": _SEVERITIES[finding.kind.severity],
            "location": {
                "path": finding.position.file if finding.position is not None else "",
                "lines": {"begin": finding.position.line if finding.position is not None else 1},
            },
        }
        for finding in outcome.findings
    ]
    return json.dumps(findings, indent=2, ensure_ascii=False) + "\n"

"""An outcome as SARIF 2.1.0, which code hosts and scanners' consoles read.

https://docs.oasis-open.org/sarif/sarif/v2.1.0/sarif-v2.1.0.html
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from hashlib import sha256
from pathlib import PurePath
from typing import Any
from urllib.parse import quote

from rlsguard import __version__
from rlsguard.check.kinds import KINDS
from rlsguard.check.model import Finding, Kind, Reported, Waived
from rlsguard.check.report.difference import difference

_SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"


def sarif(outcome: Reported, kinds: Mapping[str, Kind] = KINDS, page: str = "docs/findings/{}.md") -> str:
    """Return a log of one run; what is waived is a suppressed result.

    Args:
        kinds: of what can be found.
        page: where each is explained.
    """
    rules = [
        {
            "id": kind.id,
            "shortDescription": {"text": kind.title},
            "help": {"text": f"See {page.format(kind.id)} of rlsguard."},
            "defaultConfiguration": {"level": kind.severity},
        }
        for kind in kinds.values()
    ]
    places = {kind: number for number, kind in enumerate(kinds)}
    results = [_result(finding, places) for finding in outcome.findings]
    results += [_suppressed(one, places) for one in outcome.waived]
    run = {
        "tool": {"driver": {"name": "rlsguard", "version": __version__, "rules": rules}},
        "columnKind": "unicodeCodePoints",
        "invocations": [
            {"executionSuccessful": True, "startTimeUtc": outcome.started_at.strftime("%Y-%m-%dT%H:%M:%SZ")}
        ],
        "results": results,
    }
    log = {"$schema": _SCHEMA, "version": "2.1.0", "runs": [run]}
    return json.dumps(log, indent=2, ensure_ascii=False) + "\n"


def _result(finding: Finding, places: dict[str, int]) -> dict[str, Any]:
    text = "\n".join((f"{finding.about}: {finding.why}", *difference(finding), finding.mend))
    location: dict[str, Any] = {"logicalLocations": [{"fullyQualifiedName": finding.about}]}
    if finding.position is not None:
        location["physicalLocation"] = {
            "artifactLocation": {"uri": _uri(PurePath(finding.position.file))},
            "region": {"startLine": finding.position.line, "startColumn": finding.position.column},
        }
    return {
        "ruleId": finding.kind.id,
        "ruleIndex": places[finding.kind.id],
        "level": finding.kind.severity,
        "message": {"text": text},
        "locations": [location],
        "partialFingerprints": {"finding/v1": sha256(finding.key.encode()).hexdigest()},
    }


def _uri(file: PurePath) -> str:
    return file.as_uri() if file.is_absolute() else quote(file.as_posix())


def _suppressed(one: Waived, places: dict[str, int]) -> dict[str, Any]:
    why = f"{one.reason} ({one.owner}, until {one.until})"
    return {**_result(one.finding, places), "suppressions": [{"kind": "external", "justification": why}]}

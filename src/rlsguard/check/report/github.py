"""An outcome as workflow commands, which GitHub shows beside the lines of the map.

https://docs.github.com/en/actions/reference/workflows-and-actions/workflow-commands
"""

from __future__ import annotations

from rlsguard.check.model import Finding, Reported

_COMMANDS = {"error": "error", "warning": "warning", "note": "notice"}


def github(outcome: Reported) -> str:
    """Return one command for each finding."""
    return "".join(f"{_command(finding)}\n" for finding in outcome.findings)


def _command(finding: Finding) -> str:
    place = finding.position
    properties = {"title": f"{finding.kind.id} {finding.kind.title}"}
    if place is not None:
        properties = {"file": place.file, "line": str(place.line), "col": str(place.column), **properties}
    listed = ",".join(f"{name}={_property(value)}" for name, value in properties.items())
    message = f"{finding.about}: {finding.why}\n{finding.mend}"
    return f"::{_COMMANDS[finding.kind.severity]} {listed}::{_data(message)}"


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")

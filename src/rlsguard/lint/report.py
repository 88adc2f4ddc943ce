"""What was found, as text, as JSON, and in the formats of CI systems that check has as well."""

from __future__ import annotations

import json as encoding
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from rich.text import Text

from rlsguard.check.kinds import LINT
from rlsguard.check.model import SEVERITIES, Finding
from rlsguard.check.report.github import github
from rlsguard.check.report.gitlab import gitlab
from rlsguard.check.report.json import answer, told
from rlsguard.check.report.junit import junit
from rlsguard.check.report.sarif import sarif
from rlsguard.check.report.text import STYLES
from rlsguard.lint.model import Linted


def text(linted: Linted, *, safe: Callable[[str], str]) -> Iterator[str | Text]:
    """Yield the report line by line; *safe* makes visible what a terminal could obey."""
    for finding in linted.findings:
        kind = finding.kind
        line = Text(safe(f"{finding.position}: "), style="default").append(kind.severity, style=STYLES[kind.severity])
        yield line.append(safe(f" {kind.id} {finding.about}: {finding.why}"), style="default")
        yield safe(f"        > {finding.mend}")
    for one in linted.waived:
        about = f"{one.finding.position}: waived {one.finding.kind.id} {one.finding.about}"
        yield safe(f"{about}: {one.reason} ({one.owner}, until {one.until})")
    for part in linted.skipped:
        where = part.place.file if part.whole else part.place
        yield safe(f"{where}: skipped, as it says that rlsguard wrote it: {_statements(part.statements)}")
    many = linted.counts
    counts = ", ".join(f"{many[one]} {one}{'' if many[one] == 1 else 's'}" for one in SEVERITIES)
    style = "bold red" if many["error"] else "yellow" if many["warning"] else "bold green"
    files = f"{linted.files:,} file{'' if linted.files == 1 else 's'}"
    yield Text(counts, style=style).append(f"; {_statements(linted.statements)} of {files} read", style="default")


def _statements(many: int) -> str:
    return f"{many:,} statement{'' if many == 1 else 's'}"


def json(linted: Linted) -> str:
    """Return one object."""
    plain = {
        "version": 1,
        "files": linted.files,
        "statements": linted.statements,
        "counts": linted.counts,
        "findings": [_plain(finding) for finding in linted.findings],
        "waived": [{**_plain(one.finding), **answer(one)} for one in linted.waived],
        "skipped": [
            {"file": one.place.file, "line": one.place.line, "statements": one.statements, "whole": one.whole}
            for one in linted.skipped
        ],
    }
    return encoding.dumps(plain, indent=2, ensure_ascii=False) + "\n"


def _plain(finding: Finding) -> dict[str, Any]:
    place = finding.position
    assert place is not None  # what is found in a file has one
    return {**told(finding), "file": place.file, "line": place.line, "column": place.column}


FORMATS: Mapping[str, Callable[[Linted], str]] = {
    "json": json,
    "sarif": lambda linted: sarif(linted, LINT, "docs/lint.md, {}"),
    "junit": lambda linted: junit(linted, LINT, "lint"),
    "github": github,
    "gitlab": gitlab,
}

"""A check's outcome in the formats that people and CI systems read."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from rlsguard.check.model import Outcome
from rlsguard.check.report.github import github
from rlsguard.check.report.gitlab import gitlab
from rlsguard.check.report.json import json
from rlsguard.check.report.junit import junit
from rlsguard.check.report.markdown import markdown
from rlsguard.check.report.sarif import sarif
from rlsguard.check.report.text import lines_of, text

__all__ = ["FORMATS", "lines_of", "text"]

FORMATS: Mapping[str, Callable[[Outcome], str]] = {
    "json": json,
    "sarif": sarif,
    "junit": junit,
    "github": github,
    "gitlab": gitlab,
    "markdown": markdown,
}

"""An outcome as Markdown, for a comment on a pull request."""

from __future__ import annotations

import re
from collections.abc import Iterator

from rlsguard.check.model import SEVERITIES, Outcome

_SPECIAL = re.compile(r"([\\`*_{}\[\]<>()#+!|~-])")


def markdown(outcome: Outcome) -> str:
    """Return a heading and a table."""
    return "".join(f"{line}\n" for line in _lines(outcome))


def _lines(outcome: Outcome) -> Iterator[str]:
    counts = ", ".join(f"{outcome.counts[one]} {one}{'' if outcome.counts[one] == 1 else 's'}" for one in SEVERITIES)
    yield f"### rlsguard check: {counts}"
    yield ""
    if outcome.findings:
        yield "| finding | object | what is wrong | what ends it |"
        yield "|---|---|---|---|"
    for finding in outcome.findings:
        mend = "<br>".join(_code(line) for line in finding.mend.splitlines())
        head = f"{finding.kind.id} ({finding.kind.severity})"
        yield f"| {head} | {_code(finding.about)} | {_words(finding.why)} | {mend} |"
    if outcome.findings:
        yield ""
    for one in outcome.waived:
        words = f"{one.reason} ({one.owner}, until {one.until})"
        yield f"- waived: {one.finding.kind.id} {_code(one.finding.about)}: {_words(words)}"
    how = f"with what PostgreSQL {outcome.with_server} makes of the map" if outcome.with_server else "with the manifest"
    yield f"{outcome.compared:,} definitions compared {how}, in {outcome.seconds:.1f} s."


def _words(text: str) -> str:
    return _SPECIAL.sub(r"\\\1", " ".join(text.split()))


def _code(text: str) -> str:
    # A fence longer than any in the text (CommonMark, section 6.1); a bar would end the cell all the same.
    inner = " ".join(text.split()).replace("|", "\\|")
    fence = "`" * (1 + max((len(run) for run in re.findall("`+", inner)), default=0))
    space = " " if len(fence) > 1 else ""
    return f"{fence}{space}{inner}{space}{fence}"

"""An outcome as Markdown, for a comment on a pull request."""

from __future__ import annotations

import re
from collections.abc import Iterator

from rlsguard.check.model import SEVERITIES, Outcome

_SPECIAL = re.compile(r"([\\`*_{}\[\]<>()#+!|~&$-])")


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
        mend = "<br>".join(_cell(line) for line in finding.mend.splitlines() if line.strip())
        head = f"{finding.kind.id} ({finding.kind.severity})"
        yield f"| {head} | {_cell(finding.about)} | {_words(finding.why)} | {mend} |"
    if outcome.findings:
        yield ""
    for one in outcome.waived:
        words = f"{one.reason} ({one.owner}, until {one.until})"
        yield f"- waived: {one.finding.kind.id} {_code(one.finding.about)}: {_words(words)}"
    if outcome.waived:
        yield ""
    how = f"with what PostgreSQL {outcome.with_server} makes of the map" if outcome.with_server else "with the manifest"
    yield f"{outcome.compared:,} definitions compared {how}, in {outcome.seconds:.1f} s."


def _words(text: str) -> str:
    return _SPECIAL.sub(r"\\\1", _visible(text))


def _cell(text: str) -> str:
    """Return *text* as code in a table, where a bar would end the cell even so."""
    # Whether a bar behind a backslash is escaped, parsers do not agree on.
    return _words(text) if "\\|" in text else _code(text).replace("|", "\\|")


def _code(text: str) -> str:
    inner = _visible(text)
    # A fence longer than any in the text (CommonMark, section 6.1).
    fence = "`" * (1 + max((len(run) for run in re.findall("`+", inner)), default=0))
    space = " " if len(fence) > 1 else ""
    return f"{fence}{space}{inner}{space}{fence}"


def _visible(text: str) -> str:
    """Return *text* in one line, with what no reader sees made visible: it may turn the rest of a comment around."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in " ".join(text.split()))

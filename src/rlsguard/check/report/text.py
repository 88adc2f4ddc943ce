"""An outcome for a terminal."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from rich.text import Text

from rlsguard.check.model import SEVERITIES, Finding, Outcome
from rlsguard.check.report.difference import difference
from rlsguard.names import quote

STYLES = {"error": "bold red", "warning": "yellow", "note": "cyan"}


def text(outcome: Outcome, *, safe: Callable[[str], str]) -> Iterator[str | Text]:
    """Yield the report line by line; *safe* makes visible what a terminal could obey."""
    yield safe(f"{outcome.database}, PostgreSQL {outcome.server}")
    yield ""
    for finding in outcome.findings:
        yield from lines_of(finding, safe=safe)
    for one in outcome.waived:
        about = f"{one.finding.kind.id} {one.finding.about}"
        yield safe(f"waived   {about}: {one.reason} ({one.owner}, until {one.until})")
    if outcome.known:
        yield f"left out, as the baseline has them: {len(outcome.known):,}"
    yield _verdict(outcome)


def lines_of(finding: Finding, *, safe: Callable[[str], str]) -> Iterator[str | Text]:
    """Yield one finding, with what differs and what ends it."""
    kind = finding.kind
    whose = f", for {', '.join(map(quote, finding.roles))}" if finding.roles else ""
    head = Text(f"{kind.severity:8}", style=STYLES[kind.severity])
    yield head.append(safe(f" {kind.id} {finding.about}{whose}: {finding.why}"), style="default")
    if finding.since is not None:
        yield f"        since {finding.since:%Y-%m-%d %H:%M} UTC at the earliest: it was applied then"
    for line in difference(finding):
        style = {"-": "green", "+": "red"}.get(line[:1], "default")
        yield Text(safe(f"        {line}"), style=style)
    for line in finding.mend.split("\n"):
        yield safe(f"        > {line}")


def _verdict(outcome: Outcome) -> Text:
    if outcome.with_server is None:
        how = "compared with the manifest alone"
    else:
        how = f"{outcome.compared:,} definitions compared, with what PostgreSQL {outcome.with_server} makes of the map"
    many = outcome.counts
    counts = ", ".join(f"{many[one]} {one}{'' if many[one] == 1 else 's'}" for one in SEVERITIES)
    style = "bold red" if many["error"] else "yellow" if many["warning"] else "bold green"
    return Text(counts, style=style).append(f"; {how}; {outcome.seconds:.1f} s", style="default")

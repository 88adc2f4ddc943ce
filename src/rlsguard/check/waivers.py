"""Findings that somebody answers for, until a day."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import date

from rlsguard.check import kinds
from rlsguard.check.model import Finding, Outcome, Waived, in_order
from rlsguard.datamap.model import DataMap, Waiver
from rlsguard.problems import MapError, Problem, did_you_mean


def refuse_unknown(datamap: DataMap) -> None:
    """Raise an error for waivers of findings that there are none of.

    Raises:
        MapError: names each.
    """
    problems = []
    for waiver in datamap.waivers.values():
        name = waiver.finding.split(" ", 1)[0]
        every = kinds.KINDS | kinds.LINT
        if name not in every:
            message = f"there is no finding {name}{did_you_mean(name, every)}"
            problems.append(Problem(datamap.position(waiver.location), waiver.location, message))
    if problems:
        raise MapError(problems)


def waive(outcome: Outcome, datamap: DataMap, today: date, *, all_looked_for: bool) -> Outcome:
    """Return *outcome* with what waivers of *datamap* cover set apart, and with findings about the waivers themselves.

    Args:
        today: in UTC.
        all_looked_for: whether it was looked for everything: else a waiver of what was not looked for is not unused.
    """
    left, waived = apart(outcome.findings, datamap, today)
    if all_looked_for:
        ours = [one for one in datamap.waivers.values() if one.finding.split(" ", 1)[0] in kinds.KINDS]
        left += _about(datamap, ours, {finding.key for finding in outcome.findings}, today)
    return replace(outcome, findings=in_order(left), waived=tuple(waived))


def apart(findings: Iterable[Finding], datamap: DataMap, today: date) -> tuple[list[Finding], list[Waived]]:
    """Return those of *findings* that no waiver in force covers, and those that one does."""
    left: list[Finding] = []
    waived: list[Waived] = []
    for finding in findings:
        waiver = datamap.waivers.get(finding.key)
        if waiver is not None and today <= waiver.until:
            waived.append(Waived(finding, waiver.reason, waiver.owner, waiver.until))
        else:
            left.append(finding)
    return left, waived


def _about(datamap: DataMap, waivers: Iterable[Waiver], found: set[str], today: date) -> Iterator[Finding]:
    for waiver in waivers:
        place = datamap.position(waiver.location)
        if waiver.finding not in found:
            why = "it is not found: the waiver covers nothing, and would hide it if it came."
            mend = "Take it out of the map."
            yield Finding(kinds.WAIVER_UNUSED, waiver.finding, why, mend, position=place)
        elif today > waiver.until:
            why = f"its waiver, for which {waiver.owner} answers, ended with {waiver.until}."
            mend = "Mend the finding, or let its owner decide anew."
            yield Finding(kinds.WAIVER_EXPIRED, waiver.finding, why, mend, position=place)

"""Checking again and again: what has come, and what has gone."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime

from rlsguard.check import Finding, Outcome, report
from rlsguard.cli.output import print_rich, safe, say
from rlsguard.problems import RlsguardError


def watch(look: Callable[[], Outcome], seconds: float) -> None:
    """Print what *look* finds, and from then on what changes about that; ends with the process.

    That it could not look is printed too, each time, and nothing is taken to have changed meanwhile.
    """
    before: dict[str, Finding] | None = None
    while True:
        try:
            outcome = look()
        except RlsguardError as error:
            say(f"{_now()}  could not look: {error}")
        else:
            now = {finding.key: finding for finding in outcome.findings}
            for key, finding in now.items():
                if before is None or key not in before:
                    say(f"{_now()}  found")
                    for line in report.lines_of(finding, safe=safe):
                        print_rich(line)
            for key in (before or {}).keys() - now.keys():
                say(f"{_now()}  ended: {key}")
            if before is None and not now:
                say(f"{_now()}  nothing is found")
            before = now
        time.sleep(seconds)


def _now() -> str:
    return f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S} UTC"

"""Measuring: variants take turns, so that whatever slows the machine down slows them all."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from typing import TypeVar

import psycopg

Key = TypeVar("Key")

_RUNS = 7
# A variant that has used so many seconds has been measured well enough: the slow ones are slow by far.
_ENOUGH = 4.0


def take_turns(
    work: Mapping[Key, Callable[[], float]], *, runs: int = _RUNS, enough: float = _ENOUGH
) -> dict[Key, float]:
    """Return for each piece of work the least seconds of several runs, after one that warms up.

    The least, not the mean: what disturbs a run only ever makes it slower.

    Args:
        work: returns the seconds that one run took.
        runs: at most so many.
        enough: seconds after which a variant is not run again.
    """
    seconds: dict[Key, list[float]] = {key: [] for key in work}
    for run in range(runs + 1):
        for key, once in work.items():
            if sum(seconds[key]) < enough:
                took = once()
                if run > 0 or took > enough:
                    seconds[key].append(took)
    return {key: min(taken) for key, taken in seconds.items()}


def timed(action: Callable[[], object]) -> float:
    """Return the seconds that *action* takes, infinitely many where statement_timeout cut it short."""
    start = time.perf_counter()
    try:
        action()
    except psycopg.errors.QueryCanceled:
        return math.inf
    return time.perf_counter() - start

"""The answer to why, in words. Pure: no I/O."""

from __future__ import annotations

from collections.abc import Iterator

from rlsguard.names import quote
from rlsguard.why.model import HeldTo, Why

_MOST_NAMED = 10


def title(answer: Why) -> str:
    """Return in one sentence what was found."""
    role = quote(answer.role)
    values = [value or "" for value in answer.row.values()]
    row = values[0] if len(values) == 1 else " ".join(f"{quote(c)}={v}" for c, v in answer.row.items())
    row = f"{answer.table} {row}"
    expected, measured = answer.reasoning.expected, answer.sight.measured
    preposition = "from" if expected == "hidden" else "to"
    if measured == expected:
        return f"{row} is {expected} {preposition} {role}"
    should = f"{row} should be {expected} {preposition} {role}"
    match measured:
        case "refused" if expected == "hidden":
            return f"{row} is hidden from {role}, which may not read it anyway"
        case "refused":
            return f"no opt-out hides {row} from {role}, which may not read it"
        case "error":
            return f"{should}, but {role} gets an error"
        case "unknown":
            return f"{should}"
        case _:
            return f"{should}, but is {measured}"


def details(answer: Why) -> Iterator[str]:
    """Yield the lines below the title: what decides, and how it was compared."""
    heading = ""
    for label, text in _labelled(answer):
        yield line("" if label == heading else label, text)
        heading = label


def line(label: str, text: str) -> str:
    """Return one line below the title."""
    return f"  {label:8} {text}"


def _labelled(answer: Why) -> Iterator[tuple[str, str]]:
    reasoning, sight = answer.reasoning, answer.sight
    guarded = f"{quote(answer.policy)} on {answer.table}" if answer.policy else f"none of the guard's on {answer.table}"
    yield "policy", guarded
    for path in reasoning.paths:
        people = [f"{found.person.kind} {found.person.key}" for found in path.people]
        more = f" and {len(people) - _MOST_NAMED} more" if len(people) > _MOST_NAMED else ""
        joint = f" (joint: {path.joint})" if len(people) > 1 else ""
        yield "path", f"{path.spelled}: {', '.join(people[:_MOST_NAMED]) or f'no {path.kind}'}{more}{joint}"
    yield "held to", ", ".join(_held_to(answer.role, one) for one in reasoning.held_to) or "no opt-out"
    for sentence in reasoning.because:
        yield "because", sentence
    if sight.obstacle is not None and answer.agrees:
        yield "measured", f"no: {sight.obstacle}"
    for sentence in answer.suspects:
        yield "suspect", sentence


def _held_to(role: str, one: HeldTo) -> str:
    if not one.by:
        return f"{one.purpose} ({quote(role)} is not in the map, so to every purpose)"
    if role in one.by:
        return f"{one.purpose} ({quote(role)}'s own)"
    return f"{one.purpose} (as a member of {', '.join(map(quote, one.by))})"

"""What pydantic found, in words for the person who wrote the map."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from rlsguard.datamap import document
from rlsguard.problems import Location, Position, Problem, did_you_mean

_EXPECTED = {
    "string_type": "text",
    "bool_type": "true or false",
    "int_type": "a number",
    "list_type": "a list",
    "dict_type": "a mapping of names to values",
    "model_type": "a mapping of names to values",
    "model_attributes_type": "a mapping of names to values",
    "date_type": "a date such as 2027-06-30",
    "date_from_datetime_parsing": "a date such as 2027-06-30",
}
_HAVE = {str: "text", bool: "true or false", int: "a number", float: "a number", list: "a list", dict: "a mapping"}
_MODELS: Mapping[str, type[BaseModel]] = {
    "subjects": document.SubjectDocument,
    "purposes": document.PurposeDocument,
    "exempt": document.ExemptionDocument,
    "waivers": document.WaiverDocument,
    "tables": document.TableDocument,
}


def problems(error: ValidationError, place: Mapping[Location, Position]) -> Iterable[Problem]:
    """Yield each of pydantic's errors as a problem, with its place in the file."""
    for detail in error.errors(include_url=False):
        location = tuple(step for step in detail["loc"] if step != "[key]")
        if detail["type"] == "missing":
            location = location[:-1]
        location += tuple(detail.get("ctx", {}).get("at", ()))
        yield Problem(nearest(location, place), location, _words(detail))


def nearest(location: Location, place: Mapping[Location, Position]) -> Position:
    """Return the place of *location*, or of the nearest thing around it that has one."""
    while location not in place:
        location = location[:-1]
    return place[location]


def _words(detail: ErrorDetails) -> str:
    kind, loc, value = detail["type"], detail["loc"], detail["input"]
    if kind == "rlsguard":
        return str(detail["ctx"]["message"])
    if kind == "missing":
        return f"the key {loc[-1]} is missing"
    if kind == "extra_forbidden":
        return f"there is no key {loc[-1]} here{_near(str(loc[-1]), loc[:-1])}"
    if kind == "literal_error":
        expected = str(detail["ctx"]["expected"]).replace("'", "")
        near = did_you_mean(value, expected.replace(" or ", ", ").split(", ")) if isinstance(value, str) else ""
        return f"this must be {expected}, not {_have(value)}{near}"
    if kind.startswith("model_") and len(loc) == 3 and loc[-1] == "audit":
        return f"this must be true, false, or a mapping with redact and hash, not {_have(value)}"
    if kind in _EXPECTED:
        return f"this must be {_EXPECTED[kind]}, not {_have(value)}"
    return str(detail["msg"])


def _have(value: Any) -> str:
    if value is None:
        return "nothing"
    if isinstance(value, (list, dict)):
        return _HAVE[type(value)]
    shown = str(value).lower() if isinstance(value, bool) else str(value)
    return shown if len(shown) <= 40 else shown[:40] + "..."


def _near(wrong: str, parent: tuple[int | str, ...]) -> str:
    """Return the nearest key that may stand beside *wrong*, or all of them."""
    model: type[BaseModel] = document.MapDocument
    if parent and parent[0] == "guard":
        model = document.GuardDocument
    elif len(parent) == 3 and parent[-1] == "audit":
        model = document.AuditDocument
    elif parent:
        model = _MODELS[str(parent[0])]
    return did_you_mean(wrong, model.model_fields) or "; keys: " + ", ".join(model.model_fields)

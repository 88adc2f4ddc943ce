"""Units as the manifest keeps them, from which their SQL can be made again: what an earlier map asked for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from functools import cache
from types import MappingProxyType
from typing import Any

from pydantic import TypeAdapter, ValidationError

from rlsguard.catalog.installed import ManifestEntry
from rlsguard.names import QualifiedName
from rlsguard.plan.event_triggers import EventTriggers
from rlsguard.plan.model import AuditTriggers, Grants, GuardFile, MapRows, Protection, Roles, State, Unit, View

_NOT_RENAMED: Mapping[QualifiedName, QualifiedName] = MappingProxyType({})
_TYPES = {
    each.__name__: each
    for each in (Roles, GuardFile, MapRows, Grants, State, View, Protection, AuditTriggers, EventTriggers)
}


def recorded(unit: Unit) -> dict[str, Any]:
    """Return *unit* as plain data, but for its table's OID, which is another in each database."""
    name = type(unit).__name__
    return {"type": name, **_adapter(name).dump_python(unit, mode="json", exclude={"oid"})}


def unit_of(entry: ManifestEntry, renamed: Mapping[QualifiedName, QualifiedName] = _NOT_RENAMED) -> Unit | None:
    """Return the unit that the manifest notes in *entry*; None where a version that kept it otherwise has noted it.

    Args:
        renamed: tables that have another name by now, and that name.
    """
    kept = _with_names(dict(entry.plan), renamed) if renamed else dict(entry.plan)
    name = kept.pop("type", None)
    if name not in _TYPES:
        return None
    if "oid" in entry.detail:
        kept["oid"] = entry.detail["oid"]
    try:
        unit: Unit = _adapter(name).validate_python(kept)
        return unit
    except ValidationError:
        return None


def _with_names(data: Any, renamed: Mapping[QualifiedName, QualifiedName]) -> Any:
    if isinstance(data, list):
        return [_with_names(each, renamed) for each in data]
    if not isinstance(data, dict):
        return data
    if data.keys() == {"schema", "name"}:
        name = QualifiedName(**data)
        return asdict(renamed.get(name, name))
    return {key: _with_names(value, renamed) for key, value in data.items()}


@cache
def _adapter(name: str) -> TypeAdapter[Any]:
    return TypeAdapter(_TYPES[name])

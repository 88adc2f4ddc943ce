"""The statement that notes in the manifest what was made, and how the catalog shows it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

from psycopg import sql

from rlsguard.plan.model import Unit
from rlsguard.plan.recorded import recorded
from rlsguard.render.sql import statements
from rlsguard.render.template import text

_NOTHING_EXPECTED: Mapping[str, Sequence[Any]] = MappingProxyType({})


def statements_hash(unit: Unit) -> str:
    """Return the sha256 of the unit's SQL, in hex."""
    return hashlib.sha256(statements(unit).encode()).hexdigest()


def note(units: Sequence[Unit], found: Mapping[str, Sequence[Any]] = _NOTHING_EXPECTED) -> str:
    """Return the SQL that writes the manifest's rows of *units*, to be run right after making them.

    Tables' OIDs are looked up in the database where it is run.

    Args:
        found: as `recorded`, what a unit may have been before, if it is not yet what it is to be; None for nothing.
    """
    rows = ",\n".join(
        json.dumps(
            {
                **({"found": found[unit.unit]} if unit.unit in found else {}),
                "unit": unit.unit,
                "statements_hash": statements_hash(unit),
                "objects": unit.objects,
                "detail": {key: value for key, value in unit.detail.items() if key != "oid"} | {"plan": recorded(unit)},
            },
            ensure_ascii=False,
        )
        for unit in units
    )
    return text(sql.SQL("CALL rlsguard.note({});\n").format(sql.Literal(f"[\n{rows}\n]")))


def forget(units: Sequence[str], found: Mapping[str, Sequence[Any]] = _NOTHING_EXPECTED) -> str:
    """Return the SQL that takes the rows of *units* out of the manifest; *found* as in `note`."""
    rows = ",\n".join(
        json.dumps({"unit": unit, **({"found": found[unit]} if unit in found else {})}, ensure_ascii=False)
        for unit in units
    )
    return text(sql.SQL("CALL rlsguard.forget({});\n").format(sql.Literal(f"[\n{rows}\n]")))

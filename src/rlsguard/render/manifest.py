"""The statement that notes in the manifest what was made, and how the catalog shows it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence

from psycopg import sql

from rlsguard.plan.model import Unit
from rlsguard.plan.recorded import recorded
from rlsguard.render.sql import statements
from rlsguard.render.template import text


def statements_hash(unit: Unit) -> str:
    """Return the sha256 of the unit's SQL, in hex."""
    return hashlib.sha256(statements(unit).encode()).hexdigest()


def note(units: Sequence[Unit]) -> str:
    """Return the SQL that writes the manifest's rows of *units*, to be run right after making them.

    Tables' OIDs are looked up in the database where it is run.
    """
    rows = ",\n".join(
        json.dumps(
            {
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

"""The statements that note in the manifest what was made, and how the catalog shows it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence

from psycopg import sql

from rlsguard.catalog.installed import OBSERVE
from rlsguard.plan.model import Unit
from rlsguard.render.sql import statements
from rlsguard.render.template import text
from rlsguard.sqlfiles import read


def statements_hash(unit: Unit) -> str:
    """Return the sha256 of the unit's SQL, in hex."""
    return hashlib.sha256(statements(unit).encode()).hexdigest()


def manifest_statements(units: Sequence[Unit]) -> str:
    """Return the SQL that writes the manifest's rows of *units*, to be run right after making them."""
    rows = sql.SQL(",\n    ").join(
        sql.SQL("({}, {}, {}, {})").format(
            sql.Literal(unit.unit),
            sql.Literal(statements_hash(unit)),
            _array(unit.objects),
            _detail(unit),
        )
        for unit in units
    )
    template = sql.SQL(read("each/manifest.sql")).format(
        observe=sql.SQL(_indented(text(OBSERVE))),
        observe_rows=sql.SQL(_indented(read("observe_rows.sql"))),
        rows=rows,
    )
    return text(template)


def _detail(unit: Unit) -> sql.Composable:
    """Return the unit's detail as jsonb; a table's OID is looked up in the database where the statement runs."""
    detail = {key: value for key, value in unit.detail.items() if key != "oid"}
    literal = sql.SQL("{}::jsonb").format(sql.Literal(json.dumps(detail, sort_keys=True, ensure_ascii=False)))
    if unit.table is None:
        return literal
    table = sql.Literal(str(unit.table))
    return sql.SQL("{} || jsonb_build_object('oid', {}::regclass::oid::bigint)").format(literal, table)


def _array(values: Sequence[str]) -> sql.Composable:
    return sql.SQL("ARRAY[{}]::text[]").format(sql.SQL(", ").join(sql.Literal(v) for v in values))


def _indented(query: str) -> str:
    return "".join(f"    {line}\n" if line else "\n" for line in query.rstrip().splitlines()).rstrip()

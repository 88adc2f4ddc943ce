"""A proof as plain values, for JSON."""

from __future__ import annotations

from typing import Any

from rlsguard.prove.model import VERDICTS, Proof
from rlsguard.prove.report.summary import count


def plain(proof: Proof) -> dict[str, Any]:
    """Return everything that *proof* holds; names of tables are spelled as in SQL."""
    counts = count(proof.cells.values())
    return {
        "database": proof.database,
        "server": proof.server,
        "mode": proof.mode,
        "started_at": proof.started_at,
        "seconds": round(proof.seconds, 3),
        "right": proof.right,
        "people_opted_out": proof.opted_out,
        "counts": {verdict: counts[verdict] for verdict in VERDICTS},
        "cells": [
            {
                "table": str(cell.table),
                "role": cell.role,
                "path": cell.path,
                "verdict": cell.verdict,
                "rows": cell.rows,
                "detail": cell.detail,
            }
            for cell in proof.cells.values()
        ],
        "ways_around": [
            {
                "check": way.check,
                "about": way.about,
                "tables": [str(table) for table in way.tables],
                "roles": list(way.roles),
                "why": way.why,
                "mend": way.mend,
            }
            for way in proof.ways_around
        ],
        "assumptions": [{"about": one.about, "text": one.text} for one in proof.assumptions],
    }

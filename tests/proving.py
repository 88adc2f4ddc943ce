"""Small verbs for tests of proofs."""

from __future__ import annotations

from typing import Any

from guarding import load
from rlsguard.prove import Observation, Proof, prove
from servers import Database


def prove_map(db: Database, text: str, **options: Any) -> Proof:
    """Prove the map written in *text* as the superuser."""
    with db.connect() as conn:
        return prove(conn, load(text), **options)


def faults(proof: Proof) -> list[Observation]:
    """Return the cells that leaked or were blocked without need."""
    return [cell for cell in proof.cells.values() if cell.verdict in ("leaked", "over-blocked")]


def leaked(proof: Proof) -> set[tuple[str, str]]:
    """Return table and role of the cells that leaked."""
    return {(str(cell.table), cell.role) for cell in proof.cells.values() if cell.verdict == "leaked"}


def verdicts(proof: Proof, table: str, role: str) -> dict[str, str]:
    """Return the verdict of each path of *role* into *table*."""
    return {path: cell.verdict for (name, who, path), cell in proof.cells.items() if (str(name), who) == (table, role)}

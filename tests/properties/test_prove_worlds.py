"""In any world that Hypothesis makes up, a proof finds the guard right, and says so only if it is."""

from __future__ import annotations

from hypothesis import given, note, settings
from hypothesis import strategies as st

from guarding import apply, load
from properties.test_worlds import THOROUGHLY, extensions, say
from rlsguard.prove import Proof, prove
from servers import Database, Postgres
from worlds.building import build, data_map
from worlds.world import worlds


@settings(THOROUGHLY, max_examples=20)
@given(data=st.data())
def test_a_proof_finds_no_fault_with_a_guard_that_is_right(server: Postgres, data: st.DataObject):
    world = data.draw(worlds(extensions(server)))
    note(data_map(world))
    with server.database() as db:
        build(db, world)
        apply(db, data_map(world))
        say(db, world)
        proof = prove_map(db, data_map(world))
        assert faults(proof) == []


def prove_map(db: Database, text: str) -> Proof:
    with db.connect() as conn:
        return prove(conn, load(text))


def faults(proof: Proof) -> list[object]:
    return [cell for cell in proof.cells.values() if cell.verdict in ("leaked", "over-blocked")]

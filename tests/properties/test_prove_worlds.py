"""In any world that Hypothesis makes up, a proof finds no fault with a guard that is right, and `why` agrees."""

from __future__ import annotations

import pytest
from hypothesis import given, note, settings
from hypothesis import strategies as st

from guarding import apply, load
from properties.test_worlds import THOROUGHLY, extensions, say
from proving import faults, prove_map
from rlsguard.names import QualifiedName, quote
from rlsguard.why import why
from servers import Database, Postgres
from worlds.building import build, data_map, in_force, judge, parts_seen
from worlds.world import World, worlds

pytestmark = pytest.mark.by_turns


@settings(THOROUGHLY, max_examples=10)
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
        assert [way for way in proof.ways_around if way.check in ("guard", "state")] == []
        ask_why(db, world)


def ask_why(db: Database, world: World) -> None:
    """Assert that `why` says of a row of each table what the oracle says, to every role, and that it is so."""
    datamap = load(data_map(world))
    judged = judge(world, 0, late=False)
    for reader in world.readers:
        for place, shape in enumerate(world.shapes):
            name = QualifiedName(shape.schema, shape.name)
            rows = [row for row in world.rows[place] if not row.late and row.part in parts_seen(world, reader, shape)]
            shown = {row["id"] for row in judged.visible(reader.name, (place, shape.name), in_force(world))}
            for row in rows[:1]:
                with db.connect() as conn:
                    answer = why(conn, datamap, name, [f"{quote(shape.columns[0])}={row.id}"], reader.name)
                assert answer.agrees, answer
                assert (answer.sight.measured == "visible") == (row.id in shown), answer

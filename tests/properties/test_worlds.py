"""In any world that Hypothesis makes up, every role sees of every table exactly what the oracle says."""

from __future__ import annotations

from hypothesis import HealthCheck, given, note, settings
from hypothesis import strategies as st
from psycopg import sql

from guarding import apply
from servers import Database, Postgres, has_library
from worlds.building import build, data_map, in_force, insert, judge, relations
from worlds.world import World, spelled, worlds

THOROUGHLY = settings(
    max_examples=int(__import__("os").environ.get("N", "30")),
    deadline=None,
    print_blob=True,
    # A world is large by nature, and a server is not remade for each.
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.function_scoped_fixture],
)


@THOROUGHLY
@given(data=st.data())
def test_every_role_sees_what_the_oracle_says(server: Postgres, data: st.DataObject):
    world = data.draw(worlds(extensions(server)))
    note(data_map(world))
    with server.database() as db:
        build(db, world)
        apply(db, data_map(world))
        assert apply(db, data_map(world)).changes == ()
        agree(db, world, version=0, late=False, opt_outs=[])
        say(db, world)
        agree(db, world, version=0, late=False, opt_outs=in_force(world))
        insert(db, world, late=True)
        agree(db, world, version=0, late=True, opt_outs=in_force(world))


def extensions(server: Postgres) -> frozenset[str]:
    """Return the extensions that bring key types and that the server's installation has."""
    return frozenset(name for name in ["citext"] if has_library(server.server.bindir, name))


def say(db: Database, world: World) -> None:
    """Replay what people said."""
    with db.connect() as conn:
        for said in world.said:
            call = sql.SQL("SELECT * FROM rlsguard.{}(%s, %s, %s, 'agent:jane', 'by phone')")
            key = spelled(world.types[2 + said.kind], (said.person, said.spelling))
            conn.execute(call.format(sql.Identifier(said.function)), [world.kinds[said.kind], key, list(said.purposes)])


def agree(db: Database, world: World, *, version: int, late: bool, opt_outs: list) -> None:
    """Assert that database and oracle show the same rows to every role, through every name that a table has."""
    judged = judge(world, version, late=late)
    for reader in world.readers:
        # Without statistics some plans look dear enough to be compiled, which takes far longer than to run them.
        with db.connect(reader.name, options="-c jit=off") as conn:
            for place, shape in enumerate(world.shapes):
                for name in relations(shape):
                    query = sql.SQL("SELECT {} FROM {}").format(
                        sql.Identifier(shape.columns[0]), sql.Identifier(shape.schema, name)
                    )
                    shown = sorted(id_ for (id_,) in conn.execute(query))
                    expected = sorted(row["id"] for row in judged.visible(reader.name, (place, name), opt_outs))
                    assert shown == expected, (reader.name, shape.schema, name)

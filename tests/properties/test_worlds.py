"""In any world that Hypothesis makes up, every role sees of every table exactly what the oracle says."""

from __future__ import annotations

from hypothesis import HealthCheck, given, note, settings
from psycopg import sql

from guarding import apply
from servers import Database, Postgres
from worlds.building import build, data_map, in_force, insert, judge, relations
from worlds.world import World, spelled, worlds

THOROUGHLY = settings(
    max_examples=30,
    deadline=None,
    print_blob=True,
    # A world is large by nature, and a server is not remade for each.
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.function_scoped_fixture],
)


@THOROUGHLY
@given(world=worlds())
def test_every_role_sees_what_the_oracle_says(server: Postgres, world: World):
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
        with db.connect(reader.name) as conn:
            for place, shape in enumerate(world.shapes):
                for name in relations(shape):
                    query = sql.SQL("SELECT {} FROM {}").format(
                        sql.Identifier(shape.columns[0]), sql.Identifier(shape.schema, name)
                    )
                    shown = sorted(id_ for (id_,) in conn.execute(query))
                    expected = sorted(row["id"] for row in judged.visible(reader.name, (place, name), opt_outs))
                    assert shown == expected, (reader.name, shape.schema, name)

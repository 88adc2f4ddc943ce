"""In any world that Hypothesis makes up, rlsguard does what the oracle says, and goes without a trace."""

from __future__ import annotations

import hashlib
from collections import Counter

from hypothesis import HealthCheck, given, note, settings
from hypothesis import strategies as st
from psycopg import sql

from guarding import apply
from rlsguard.names import QualifiedName
from rlsguard.uninstall import uninstall
from servers import Database, Postgres, dump, has_library
from worlds.building import build, data_map, in_force, insert, judge, parts_seen, relations
from worlds.world import World, spelled, worlds

THOROUGHLY = settings(
    # On each version others.
    max_examples=10,
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
        check_ledger(db, world)
        apply(db, data_map(world, 1), prune=unmapped(world))
        assert apply(db, data_map(world, 1)).changes == ()
        agree(db, world, version=1, late=True, opt_outs=in_force(world))


@settings(THOROUGHLY, max_examples=4)
@given(data=st.data())
def test_uninstall_leaves_the_schema_as_it_was(server: Postgres, data: st.DataObject):
    world = data.draw(worlds(extensions(server)))
    with server.database() as db:
        build(db, world)
        before = dump(db)
        apply(db, data_map(world))
        say(db, world)
        with db.connect() as conn:
            uninstall(conn, drop_ledger=True)
        assert dump(db) == before


def unmapped(world: World) -> set[QualifiedName]:
    """Return the tables that the first map guards and the second does not name."""
    return {
        QualifiedName(shape.schema, shape.name)
        for shape, first, second in zip(world.shapes, *world.maps, strict=True)
        if first is not None and first.paths and second is None
    }


def check_ledger(db: Database, world: World) -> None:
    """Assert that the ledger has what was said, in order, each person's entries counted and chained."""
    columns = "subject_kind, purpose, action, version, payload, leaf_hash, previous_hash"
    entries = iter(db.execute(f"SELECT {columns} FROM rlsguard.opt_out_event ORDER BY id"))
    versions: Counter[tuple[int, int, str]] = Counter()
    last: dict[tuple[int, int, str], bytes] = {}
    for said in world.said:
        told = sorted((next(entries) for _ in said.purposes), key=lambda entry: entry[1])
        assert [entry[:3] for entry in told] == [
            (world.kinds[said.kind], purpose, said.function) for purpose in sorted(said.purposes)
        ]
        for _, purpose, _, version, payload, leaf_hash, previous_hash in told:
            one = (said.kind, said.person, purpose)
            versions[one] += 1
            assert version == versions[one]
            assert previous_hash == last.get(one)
            assert leaf_hash == hashlib.sha256(b"\0" + payload).digest()
            last[one] = leaf_hash
    assert list(entries) == []


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
                    parts = parts_seen(world, reader, shape)
                    allowed = judged.visible(reader.name, (place, name), opt_outs)
                    expected = sorted(row["id"] for row in allowed if row["part"] in parts)
                    assert shown == expected, (reader.name, shape.schema, name)

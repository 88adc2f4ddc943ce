"""A world made real: as a database, as a data map in YAML, and as what the oracle judges by."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from psycopg import sql

import oracle
from servers import Database
from worlds.world import Entry, Path, Reader, Row, Shape, World, spelled

# Places of the columns that every table has.
ID, PART, FIRST = 0, 1, 2
KEYS = 4

_NOTHING = sql.SQL("")


def build(db: Database, world: World) -> None:
    """Create the world's roles and tables, with the rows that are not late."""
    with db.connect() as conn, conn.transaction():
        for reader in world.readers:
            conn.execute(_create_role(reader))
        for reader in world.readers:
            for other in reader.member_of:
                grant = sql.SQL("GRANT {} TO {}")
                conn.execute(grant.format(sql.Identifier(world.readers[other].name), sql.Identifier(reader.name)))
        everybody = sql.SQL(", ").join(sql.Identifier(reader.name) for reader in world.readers)
        conn.execute("CREATE SCHEMA types")
        for key_type in dict.fromkeys(world.types):
            if key_type.extension is not None:
                conn.execute(sql.SQL("CREATE EXTENSION IF NOT EXISTS {}").format(sql.Identifier(key_type.extension)))
            if key_type.ddl:
                conn.execute(key_type.ddl.encode())
        for schema in dict.fromkeys(shape.schema for shape in world.shapes):
            conn.execute(sql.SQL("CREATE SCHEMA {}").format(sql.Identifier(schema)))
            conn.execute(sql.SQL("GRANT USAGE ON SCHEMA {} TO {}").format(sql.Identifier(schema), everybody))
        for shape in world.shapes:
            for statement in _create_table(shape, [key_type.sql for key_type in world.types]):
                conn.execute(statement)
            for name in relations(shape):
                table = sql.Identifier(shape.schema, name)
                conn.execute(sql.SQL("GRANT SELECT ON {} TO {}").format(table, everybody))
                if shape.owner is not None:
                    owner = sql.Identifier(world.readers[shape.owner].name)
                    conn.execute(sql.SQL("ALTER TABLE {} OWNER TO {}").format(table, owner))
                for statement in _own_policy(shape, table):
                    conn.execute(statement)
    insert(db, world, late=False)


def insert(db: Database, world: World, *, late: bool) -> None:
    """Insert the rows that are, or are not, late."""
    with db.connect() as conn, conn.transaction():
        for shape, rows in zip(world.shapes, world.rows, strict=True):
            for row in rows:
                if row.late == late:
                    # Children of plain inheritance get their rows directly, partitions by way of the root.
                    name = shape.leaves[0] if shape.tree == "inherited" and row.part else shape.name
                    values = [row.id, row.part, *map(spelled, world.types, row.values)]
                    conn.execute(
                        sql.SQL("INSERT INTO {} ({}) VALUES ({})").format(
                            sql.Identifier(shape.schema, name),
                            sql.SQL(", ").join(map(sql.Identifier, shape.columns)),
                            # Not as parameters: with these, a % in a name would have to be doubled.
                            sql.SQL(", ").join(map(sql.Literal, values)),
                        )
                    )


def relations(shape: Shape) -> dict[str, int | None]:
    """Return the names of a table and what is below it, with the number of the part that each holds, None for all."""
    first, second, deeper = shape.leaves
    below: dict[str, dict[str, int | None]] = {
        "plain": {},
        "partitioned": {first: 0, second: 1},
        "nested": {first: 0, second: 1, deeper: 1},
        "inherited": {first: 1},
    }
    return {shape.name: None, **below[shape.tree]}


def _create_role(reader: Reader) -> sql.Composed:
    return sql.SQL("CREATE ROLE {} LOGIN {} {}").format(
        sql.Identifier(reader.name),
        sql.SQL("INHERIT" if reader.inherit else "NOINHERIT"),
        sql.SQL("BYPASSRLS" if reader.bypass_rls else "NOBYPASSRLS"),
    )


def _create_table(shape: Shape, types: list[str]) -> Iterator[sql.Composed]:
    """Yield the statements; leaves are made with their columns in another order, and attached."""
    declared = ["int", "int", *types]
    columns = [
        sql.SQL("{} {} {}").format(
            sql.Identifier(name),
            sql.SQL(declared[place]),
            sql.SQL("NOT NULL" if shape.strict or place < FIRST else ""),
        )
        for place, name in enumerate(shape.columns)
    ]
    part = sql.Identifier(shape.columns[PART])
    root, *leaves = (sql.Identifier(shape.schema, name) for name in (shape.name, *shape.leaves))
    by_part = sql.SQL("PARTITION BY LIST ({})").format(part)
    create = sql.SQL("CREATE TABLE {} ({}) {}")
    attach = sql.SQL("ALTER TABLE {} ATTACH PARTITION {} FOR VALUES IN ({})")

    def table(name: sql.Identifier, order: int = 1, rest: sql.Composable = _NOTHING) -> sql.Composed:
        return create.format(name, sql.SQL(", ").join(columns[::order]), rest)

    yield table(root, rest=by_part if shape.tree in ("partitioned", "nested") else _NOTHING)
    if shape.tree in ("partitioned", "nested"):
        yield table(leaves[0], -1)
        yield attach.format(root, leaves[0], sql.Literal(0))
        yield table(leaves[1], -1, by_part if shape.tree == "nested" else _NOTHING)
        yield attach.format(root, leaves[1], sql.Literal(1))
    if shape.tree == "nested":
        yield table(leaves[2])
        yield attach.format(leaves[1], leaves[2], sql.Literal(1))
    if shape.tree == "inherited":
        yield table(leaves[0], -1)
        yield sql.SQL("ALTER TABLE {} INHERIT {}").format(leaves[0], root)


def _own_policy(shape: Shape, table: sql.Identifier) -> Iterator[sql.Composed]:
    if shape.own_policy is None:
        return
    yield sql.SQL("ALTER TABLE {} ENABLE ROW LEVEL SECURITY").format(table)
    if shape.own_policy == "forced":
        yield sql.SQL("ALTER TABLE {} FORCE ROW LEVEL SECURITY").format(table)
    part = sql.Identifier(shape.columns[PART])
    yield sql.SQL("CREATE POLICY theirs ON {} USING ({} = 0)").format(table, part)


def parts_seen(world: World, reader: Reader, shape: Shape) -> set[int]:
    """Return the parts of a table that its own row security shows to *reader*, opt-outs left aside."""
    free = shape.own_policy is None or reader.bypass_rls
    if shape.own_policy == "enabled" and shape.owner is not None:
        free = free or world.readers[shape.owner] in _with_privileges_of(world, reader)
    return {0, 1} if free else {0}


def _with_privileges_of(world: World, reader: Reader) -> set[Reader]:
    inherited = (world.readers[other] for other in reader.member_of if reader.inherit)
    return {reader}.union(*(_with_privileges_of(world, other) for other in inherited))


def data_map(world: World, version: int = 0) -> str:
    """Return the data map as YAML; JSON is YAML."""
    document: dict[str, Any] = {
        "version": 1,
        "subjects": {
            kind: {
                "table": _name(world.shapes[place]),
                "key": _quote(world.shapes[place].columns[KEYS + place]),
            }
            for place, kind in enumerate(world.kinds)
        },
        "purposes": {name: {"opt_out": possible} for name, possible in world.purposes().items()},
        "roles": {reader.name: list(reader.reads_for) for reader in world.readers if reader.reads_for},
        "exempt": {
            reader.name: {"reason": "a reason", **({"until": reader.until.isoformat()} if reader.until else {})}
            for reader in world.readers
            if reader.exempt
        },
        "guard": {"bypass": world.bypass},
        "tables": {
            _name(shape): _entry(world, shape, entry)
            for shape, entry in zip(world.shapes, world.maps[version], strict=True)
            if entry is not None
        },
    }
    return json.dumps(document, ensure_ascii=False, indent=2)


def _entry(world: World, shape: Shape, entry: Entry) -> dict[str, Any]:
    if not entry.paths:
        return {"holds": []}
    subject: dict[str, Any] = {}
    for place, kind in enumerate(world.kinds):
        paths = [_path(world, shape, path) for path in entry.paths if path.kind == place]
        if paths:
            subject[kind] = paths[0] if len(paths) == 1 else {"paths": paths}
    extras = {"joint": entry.joint, "when_unknown": entry.when_unknown, "reads": entry.reads}
    return {
        "holds": ["personal"],
        "subject": subject,
        "audit": entry.audit,
        **{key: value for key, value in extras.items() if value is not None},
    }


def _path(world: World, shape: Shape, path: Path) -> Any:
    here, steps = shape, []
    for hop in path.hops:
        there = world.shapes[hop.table]
        joins = [
            f"{_quote(here.columns[FIRST + column])} = {_name(there)}.{_quote(there.columns[FIRST + column])}"
            for column in hop.columns
        ]
        steps.append(joins[0] if len(joins) == 1 else joins)
        here = there
    key = _quote(here.columns[KEYS + path.kind])
    return [*steps, key] if steps else key


def _name(shape: Shape) -> str:
    return f"{_quote(shape.schema)}.{_quote(shape.name)}"


def _quote(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def judge(world: World, version: int = 0, *, late: bool) -> oracle.Oracle:
    """Return the oracle: it compares values by what the world knows of them, and never asks the database.

    Its tables are (place of the shape, relation's name).
    """
    tables: dict[oracle.Table, list[oracle.Row]] = {}
    parents: dict[oracle.Table, oracle.Table] = {}
    for place, (shape, rows) in enumerate(zip(world.shapes, world.rows, strict=True)):
        for name, part in relations(shape).items():
            tables[place, name] = [_facts(row) for row in rows if part in (None, row.part) and (late or not row.late)]
            if name != shape.name:
                parents[place, name] = (place, shape.name)
    return oracle.Oracle(
        oracle.Rules(
            subjects={
                kind: ((place, world.shapes[place].name), str(KEYS + place)) for place, kind in enumerate(world.kinds)
            },
            purposes=world.purposes(),
            roles={reader.name: reader.reads_for for reader in world.readers if reader.reads_for},
            exempt={reader.name: reader.until for reader in world.readers if reader.exempt},
            tables={
                (place, world.shapes[place].name): oracle.Entry(
                    tuple(_followed(world, path) for path in entry.paths),
                    joint_all=entry.joint == "all",
                    hide_unknown=entry.when_unknown == "hide",
                )
                for place, entry in enumerate(world.maps[version])
                if entry is not None
            },
        ),
        tables,
        {
            reader.name: oracle.Role(
                reader.name,
                frozenset(world.readers[other].name for other in reader.member_of) if reader.inherit else frozenset(),
                bypass_rls=reader.bypass_rls,
            )
            for reader in world.readers
        },
        parents,
    )


def _facts(row: Row) -> dict[str, Any]:
    """Return the row with each value as which of its type's values it is."""
    values = {str(FIRST + place): None if value is None else value[0] for place, value in enumerate(row.values)}
    return {"id": row.id, "part": row.part, **values}


def _followed(world: World, path: Path) -> oracle.Path:
    hops = tuple(
        oracle.Hop(
            (hop.table, world.shapes[hop.table].name),
            tuple((str(FIRST + column), str(FIRST + column)) for column in hop.columns),
        )
        for hop in path.hops
    )
    return oracle.Path(world.kinds[path.kind], hops, str(KEYS + path.kind))


def in_force(world: World) -> list[oracle.OptOut]:
    """Return the opt-outs that are in force after all that was said."""
    latest: dict[tuple[int, int, str], str] = {}
    for said in world.said:
        for purpose in said.purposes:
            latest[said.kind, said.person, purpose] = said.function
    return [
        oracle.OptOut(world.kinds[kind], person, purpose)
        for (kind, person, purpose), function in latest.items()
        if function == "opt_out"
    ]

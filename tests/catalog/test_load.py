"""The catalog is read as it is: relations, keys, policies, and who may do what."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest
from psycopg import sql
from psycopg.rows import dict_row

from rlsguard.catalog import load
from rlsguard.catalog.model import DatabaseRole, ForeignKey, Policy, Table
from rlsguard.names import QualifiedName
from rlsguard.sqlfiles import FOLDER
from servers import Database

ODD_SCHEMA = 'Sche"ma 1'
ODD_TABLE = "Größe; DROP TABLE x --" + "é" * 19 + "x"
ODD_COLUMN = 'a "b" ' + "x" * 57


def q(name: str, schema: str = "s") -> QualifiedName:
    return QualifiedName(schema, name)


@pytest.fixture
def loaded(db: Database) -> Callable[[str], dict[str, Table]]:
    """Run SQL in the schema s and return the tables there by name."""
    db.execute("CREATE SCHEMA s")

    def run(script: str) -> dict[str, Table]:
        db.execute("SET search_path = s")
        db.execute(script)
        return {name.name: table for name, table in load(db.conn).tables.items() if name.schema == "s"}

    return run


Loaded = Callable[[str], dict[str, Table]]


def test_an_empty_database(db: Database) -> None:
    catalog = load(db.conn)
    assert catalog.major == db.major
    assert (catalog.database, catalog.user) == (db.name, "postgres")
    assert catalog.tables == {}
    assert catalog.subscribed == frozenset()
    assert catalog.roles["postgres"] == DatabaseRole("postgres", True, True, True, True, True)


def test_every_kind_of_relation(loaded: Loaded) -> None:
    tables = loaded("""
        CREATE FOREIGN DATA WRAPPER nowhere; CREATE SERVER far FOREIGN DATA WRAPPER nowhere;
        CREATE TABLE plain (x int); CREATE UNLOGGED TABLE unlogged (); CREATE TABLE whole (x int) PARTITION BY LIST (x);
        CREATE VIEW view AS SELECT 1 AS x; CREATE MATERIALIZED VIEW kept AS SELECT 1 AS x;
        CREATE FOREIGN TABLE distant (x int) SERVER far;
        CREATE SEQUENCE not_a_table; CREATE TYPE nor_this AS (x int)""")
    assert {name: (t.kind, t.persistence) for name, t in tables.items()} == {
        "plain": ("r", "p"),
        "unlogged": ("r", "u"),
        "whole": ("p", "p"),
        "view": ("v", "p"),
        "kept": ("m", "p"),
        "distant": ("f", "p"),
    }


def test_what_is_left_out(db: Database) -> None:
    db.execute("CREATE SCHEMA rlsguard; CREATE TABLE rlsguard.map (); CREATE TEMP TABLE passing ()")
    db.execute("CREATE SCHEMA pgx; CREATE TABLE pgx.kept ()")
    assert set(load(db.conn).tables) == {q("kept", "pgx")}


def test_odd_names(db: Database) -> None:
    name = sql.Identifier(ODD_SCHEMA, ODD_TABLE)
    db.execute('CREATE ROLE "Ow\'ner"')
    db.execute(sql.SQL("CREATE SCHEMA {}").format(sql.Identifier(ODD_SCHEMA)))
    db.execute(sql.SQL("CREATE TABLE {} ({} int PRIMARY KEY)").format(name, sql.Identifier(ODD_COLUMN)))
    db.execute(sql.SQL('ALTER TABLE {} OWNER TO "Ow\'ner"').format(name))
    table = load(db.conn).tables[q(ODD_TABLE, ODD_SCHEMA)]
    assert table.owner == "Ow'ner"
    assert list(table.columns) == [ODD_COLUMN]
    assert table.unique_keys == {frozenset({ODD_COLUMN})}


def test_columns_in_order_without_dropped_ones(loaded: Loaded) -> None:
    table = loaded("""CREATE TABLE t (z int NOT NULL, gone int, a text COLLATE "C"); ALTER TABLE t DROP gone""")["t"]
    assert [(c.name, c.not_null) for c in table.columns.values()] == [("z", True), ("a", False)]
    assert table.columns["z"].collation is None
    assert table.columns["a"].collation == q("C", "pg_catalog")


def test_not_null_that_is_not_valid_is_nullable(db: Database, loaded: Loaded) -> None:
    table = loaded("CREATE TABLE t (x int, y int NOT NULL); INSERT INTO t VALUES (NULL, 1)")["t"]
    if db.major >= 18:
        table = loaded("ALTER TABLE t ADD CONSTRAINT later NOT NULL x NOT VALID")["t"]
    assert [c.not_null for c in table.columns.values()] == [False, True]


def test_unique_keys_and_index_prefixes(loaded: Loaded) -> None:
    table = loaded("""
        CREATE TABLE t (a int PRIMARY KEY, b int, c int, d text, e text COLLATE "POSIX", deferred int UNIQUE DEFERRABLE,
                        whole int4range, EXCLUDE USING gist (whole WITH &&));
        CREATE UNIQUE INDEX ON t (c, b) INCLUDE (d);
        CREATE UNIQUE INDEX ON t (b) WHERE a > 1;
        CREATE UNIQUE INDEX ON t (lower(d));
        CREATE UNIQUE INDEX ON t (d, lower(d));
        CREATE UNIQUE INDEX ON t (e COLLATE "C");
        CREATE INDEX ON t (b, e COLLATE "C", c);
        CREATE INDEX ON t USING hash (d);
        CREATE INDEX ON t USING brin (c)""")["t"]
    assert table.unique_keys == {frozenset({"a"}), frozenset({"b", "c"})}
    assert table.index_prefixes == {("a",), ("c", "b"), ("d",), ("b",), ("deferred",)}


def test_an_index_that_failed_to_build_does_not_count(loaded: Loaded, db: Database) -> None:
    loaded("CREATE TABLE t (x int); INSERT INTO t VALUES (1), (1)")
    with pytest.raises(psycopg.errors.UniqueViolation):
        db.execute("CREATE UNIQUE INDEX CONCURRENTLY ON t (x)")
    table = loaded("SELECT")["t"]
    assert (table.unique_keys, table.index_prefixes) == (frozenset(), frozenset())


def test_foreign_keys(loaded: Loaded) -> None:
    tables = loaded("""
        CREATE TABLE target (a int, b int, PRIMARY KEY (a, b));
        CREATE TABLE t (x int, y int);
        ALTER TABLE t ADD CONSTRAINT k FOREIGN KEY (y, x) REFERENCES target ON UPDATE CASCADE ON DELETE SET NULL;
        ALTER TABLE t ADD CONSTRAINT later FOREIGN KEY (x, y) REFERENCES target (a, b) NOT VALID""")
    assert tables["t"].foreign_keys == (
        ForeignKey("k", ("y", "x"), q("target"), ("a", "b"), True, "c", "n"),
        ForeignKey("later", ("x", "y"), q("target"), ("a", "b"), False, "a", "a"),
    )
    assert tables["target"].foreign_keys == ()


def test_foreign_key_to_a_partitioned_table_counts_once(loaded: Loaded) -> None:
    tables = loaded("""
        CREATE TABLE whole (x int PRIMARY KEY) PARTITION BY LIST (x);
        CREATE TABLE one PARTITION OF whole FOR VALUES IN (1); CREATE TABLE two PARTITION OF whole FOR VALUES IN (2);
        CREATE TABLE t (x int REFERENCES whole) PARTITION BY LIST (x); CREATE TABLE t1 PARTITION OF t DEFAULT""")
    assert [key.target for key in tables["t"].foreign_keys] == [q("whole")]
    assert [key.target for key in tables["t1"].foreign_keys] == [q("whole")]


def test_partitions_of_partitions(db: Database, loaded: Loaded) -> None:
    tables = loaded("""
        CREATE TABLE whole (x int, y int, PRIMARY KEY (x, y)) PARTITION BY LIST (x);
        CREATE TABLE half PARTITION OF whole FOR VALUES IN (1) PARTITION BY LIST (y);
        CREATE TABLE leaf PARTITION OF half FOR VALUES IN (1); CREATE TABLE other PARTITION OF whole DEFAULT""")
    assert {n: (t.kind, t.is_partition, t.parents, t.children) for n, t in tables.items()} == {
        "whole": ("p", False, (), (q("half"), q("other"))),
        "half": ("p", True, (q("whole"),), (q("leaf"),)),
        "leaf": ("r", True, (q("half"),), ()),
        "other": ("r", True, (q("whole"),), ()),
    }
    assert [t.name.name for t in load(db.conn).descendants(tables["whole"])] == ["half", "other", "leaf"]
    assert tables["leaf"].unique_keys == {frozenset({"x", "y"})}


def test_inheritance_from_several_parents(db: Database, loaded: Loaded) -> None:
    tables = loaded("""
        CREATE TABLE b (x int); CREATE TABLE a (y int); CREATE TABLE child () INHERITS (b, a);
        CREATE TEMP TABLE passing () INHERITS (a)""")
    assert tables["child"].parents == (q("b"), q("a"))
    assert not tables["child"].is_partition
    assert [t.name.name for t in load(db.conn).descendants(tables["a"])] == ["child"]


def test_row_security_and_policies(loaded: Loaded) -> None:
    tables = loaded("""
        CREATE ROLE reader; CREATE ROLE "Clerk";
        CREATE TABLE t (x int); CREATE TABLE bare ();
        ALTER TABLE t ENABLE ROW LEVEL SECURITY; ALTER TABLE t FORCE ROW LEVEL SECURITY;
        CREATE POLICY z ON t; CREATE POLICY "A policy" ON t AS RESTRICTIVE FOR SELECT TO reader, "Clerk" USING (x > 1);
        CREATE POLICY i ON t FOR INSERT; CREATE POLICY u ON t FOR UPDATE; CREATE POLICY d ON t FOR DELETE""")
    assert (tables["t"].row_security, tables["t"].force_row_security) == (True, True)
    assert (tables["bare"].row_security, tables["bare"].force_row_security) == (False, False)
    assert tables["t"].policies == (
        Policy("A policy", False, "SELECT", ("Clerk", "reader")),
        Policy("d", True, "DELETE", ()),
        Policy("i", True, "INSERT", ()),
        Policy("u", True, "UPDATE", ()),
        Policy("z", True, "ALL", ()),
    )
    assert tables["bare"].policies == ()


def test_who_may_truncate(loaded: Loaded) -> None:
    tables = loaded("""
        CREATE ROLE reader; CREATE ROLE "Clerk"; CREATE TABLE own (); CREATE TABLE given (); CREATE TABLE public_ ();
        GRANT TRUNCATE ON given TO reader; GRANT ALL ON given TO "Clerk"; GRANT SELECT ON own TO reader;
        GRANT TRUNCATE ON public_ TO PUBLIC""")
    assert {name: table.truncate_grantees for name, table in tables.items()} == {
        "own": (),
        "given": ("Clerk", "reader"),
        "public_": ("PUBLIC",),
    }


def test_roles(db: Database) -> None:
    db.execute(
        "CREATE ROLE plain; CREATE ROLE maker CREATEROLE LOGIN; CREATE ROLE passer BYPASSRLS; CREATE ROLE su SUPERUSER"
    )
    roles = load(db.conn).roles
    assert roles["plain"] == DatabaseRole("plain", False, False, False, False, False)
    assert roles["maker"] == DatabaseRole("maker", False, False, True, True, False)
    assert roles["passer"] == DatabaseRole("passer", False, True, False, False, False)
    assert roles["su"].superuser


def test_subscribed_tables(db: Database) -> None:
    db.execute("CREATE TABLE fed (); CREATE TABLE own (); CREATE ROLE anyone LOGIN")
    db.execute(
        "CREATE SUBSCRIPTION feed CONNECTION 'dbname=none' PUBLICATION p WITH (connect = false, slot_name = NONE)"
    )
    try:
        # What a refresh would write, if there were a publisher to ask.
        db.execute(
            """INSERT INTO pg_subscription_rel (srsubid, srrelid, srsubstate)
               SELECT oid, 'fed'::regclass, 'r' FROM pg_subscription"""
        )
        with db.connect("anyone") as conn:
            assert load(conn).subscribed == {q("fed", "public")}
    finally:
        db.execute("DROP SUBSCRIPTION feed")


def test_an_ordinary_role_sees_what_a_superuser_sees(db: Database, loaded: Loaded) -> None:
    loaded("""CREATE ROLE anyone LOGIN; CREATE ROLE reader; CREATE TABLE t (x int PRIMARY KEY, y int REFERENCES t);
              CREATE POLICY p ON t TO reader; GRANT TRUNCATE ON t TO reader""")
    with db.connect("anyone") as conn:
        theirs = load(conn)
    ours = load(db.conn)
    assert theirs.user == "anyone"
    assert (theirs.tables, theirs.roles) == (ours.tables, ours.roles)


@pytest.mark.parametrize("autocommit", [True, False])
def test_the_connection_is_left_as_it_was(db: Database, autocommit: bool) -> None:
    with db.connect(autocommit=autocommit, row_factory=dict_row) as conn:
        conn.execute("SET search_path = s, public")
        conn.commit()
        assert load(conn).database == db.name
        assert conn.info.transaction_status == psycopg.pq.TransactionStatus.IDLE
        assert conn.execute("SHOW search_path").fetchone() == {"search_path": "s, public"}
        assert conn.execute("SHOW transaction_isolation").fetchone() == {"transaction_isolation": "read committed"}


def test_the_callers_transaction_is_used_and_left_open(db: Database) -> None:
    with db.connect() as conn, conn.transaction(force_rollback=True):
        conn.execute("SET LOCAL search_path = s")
        conn.execute("CREATE TABLE public.fresh ()")
        assert set(load(conn).tables) == {q("fresh", "public")}
        assert conn.execute("SHOW search_path").fetchone() == ("s",)
        conn.execute("CREATE TABLE public.writable ()")


def test_a_table_that_shadows_the_systems_is_not_read(db: Database) -> None:
    db.execute("CREATE SCHEMA evil; CREATE TABLE evil.pg_roles AS SELECT 'x' AS rolname; CREATE TEMP TABLE pg_class ()")
    db.execute("SET search_path = evil, pg_catalog")
    assert "postgres" in load(db.conn).roles


def test_the_number_of_queries_does_not_grow(db: Database) -> None:
    sent: list[object] = []

    class Counting(psycopg.Cursor[tuple[object, ...]]):
        def execute(self, query, params=None, **kwargs):  # type: ignore[no-untyped-def]
            sent.append(query)
            return super().execute(query, params, **kwargs)

    db.conn.cursor_factory = Counting
    counts = []
    for number in range(3):
        sent.clear()
        load(db.conn)
        counts.append(len(sent))
        db.execute(sql.SQL("CREATE TABLE {} (x int PRIMARY KEY)").format(sql.Identifier(f"t{number}")))
    assert counts == [counts[0]] * 3


def test_every_query_is_used() -> None:
    assert {path.stem for path in Path(FOLDER / "catalog").glob("*.sql")} == set(load.__globals__["_QUERIES"])

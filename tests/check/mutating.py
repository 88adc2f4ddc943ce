"""Every way to change one attribute of one object that the guard has made, thought up from the catalog itself.

A new kind of object, or one more object, is covered by being there.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import psycopg
from psycopg import sql

# Kinds of object, each with a query for its names as SQL spells them and what is done to each.
_RELATIONS = """
SELECT c.oid::regclass::text FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
WHERE n.nspname IN ('rlsguard', 'rlsguard_views') AND c.relkind = %s ORDER BY 1
"""
_POLICIES = r"""
SELECT quote_ident(p.polname), p.polrelid::regclass::text, p.polwithcheck IS NOT NULL
FROM pg_policy AS p
WHERE p.polname ~ '^(!+rlsguard|rlsguard (baseline|present|owner|hop))$'
   OR p.polrelid IN (SELECT oid FROM pg_class WHERE relnamespace = 'rlsguard'::regnamespace)
ORDER BY 2, 1
"""
_TRIGGERS = """
SELECT quote_ident(t.tgname), t.tgrelid::regclass::text
FROM pg_trigger AS t JOIN pg_proc AS f ON f.oid = t.tgfoid
WHERE NOT t.tgisinternal AND t.tgparentid = 0 AND f.pronamespace = 'rlsguard'::regnamespace
ORDER BY 2, 1
"""
_FUNCTIONS = """
SELECT p.oid::regprocedure::text, p.prokind = 'p', p.prosecdef, p.provolatile, p.proconfig IS NOT NULL
FROM pg_proc AS p WHERE p.pronamespace = 'rlsguard'::regnamespace ORDER BY 1
"""
_CONSTRAINTS = """
SELECT c.conrelid::regclass::text, quote_ident(c.conname)
FROM pg_constraint AS c JOIN pg_class AS r ON r.oid = c.conrelid
WHERE r.relnamespace = 'rlsguard'::regnamespace AND c.contype <> 'n' ORDER BY 1, 2
"""
_REQUIRED = """
SELECT a.attrelid::regclass::text, quote_ident(a.attname)
FROM pg_attribute AS a JOIN pg_class AS r ON r.oid = a.attrelid AND r.relkind = 'r'
WHERE r.relnamespace = 'rlsguard'::regnamespace AND a.attnum > 0 AND a.attnotnull AND a.attidentity = ''
  AND NOT EXISTS (SELECT FROM pg_index AS i WHERE i.indrelid = r.oid AND i.indisprimary AND a.attnum = ANY (i.indkey))
ORDER BY 1, a.attnum
"""
_COLUMN_GRANTS = """
SELECT a.attrelid::regclass::text, quote_ident(a.attname)
FROM pg_attribute AS a JOIN pg_class AS r ON r.oid = a.attrelid
CROSS JOIN LATERAL aclexplode(a.attacl) AS g
WHERE r.relnamespace <> 'rlsguard'::regnamespace AND g.grantee = 'rlsguard_owner'::regrole ORDER BY 1, 2
"""
_PROTECTED = """
SELECT DISTINCT p.polrelid::regclass::text FROM pg_policy AS p WHERE p.polname ~ '^!+rlsguard$' ORDER BY 1
"""


def mutations(conn: psycopg.Connection[Any]) -> Iterator[tuple[str, str]]:
    """Yield a name and the SQL of each mutation of the guard in the database of *conn*, a superuser's."""
    yield from _roles()
    yield from _schemas()
    yield from _tables(conn)
    yield from _views(conn)
    yield from _functions(conn)
    yield from mutations_of_tables(conn)
    yield from _rows(conn)


def mutations_of_tables(conn: psycopg.Connection[Any]) -> Iterator[tuple[str, str]]:
    """Yield those of what is made on tables of the users', which depends on how the guard gets past policies."""
    yield from _policies(conn)
    yield from _triggers(conn)
    yield from _rights(conn)


def _roles() -> Iterator[tuple[str, str]]:
    for role in ("rlsguard_owner", "rlsguard_nobody", "rlsguard_recorder", "rlsguard_auditor", "rlsguard_sealer"):
        for word in ("LOGIN", "SUPERUSER", "CREATEROLE", "CREATEDB", "REPLICATION"):
            yield f"{role} {word}", f"ALTER ROLE {role} {word}"
    yield "rlsguard_owner NOBYPASSRLS", "ALTER ROLE rlsguard_owner NOBYPASSRLS"
    yield "rlsguard_nobody BYPASSRLS", "ALTER ROLE rlsguard_nobody BYPASSRLS"
    yield "a member of rlsguard_owner", "GRANT rlsguard_owner TO stranger"
    yield "a member of rlsguard_nobody", "GRANT rlsguard_nobody TO stranger"


def _schemas() -> Iterator[tuple[str, str]]:
    for schema in ("rlsguard", "rlsguard_views"):
        yield f"owner of {schema}", f"ALTER SCHEMA {schema} OWNER TO stranger"
        yield f"CREATE on {schema}", f"GRANT CREATE ON SCHEMA {schema} TO stranger"
        yield f"USAGE on {schema}", f"GRANT USAGE ON SCHEMA {schema} TO stranger"
        yield f"function in {schema}", f"CREATE FUNCTION {schema}.more() RETURNS int LANGUAGE sql AS 'SELECT 1'"
        yield f"table in {schema}", f"CREATE TABLE {schema}.more (n int)"


def _tables(conn: psycopg.Connection[Any]) -> Iterator[tuple[str, str]]:
    for (table,) in conn.execute(_RELATIONS, ["r"]).fetchall():
        yield f"owner of {table}", f"ALTER TABLE {table} OWNER TO stranger"
        yield f"row security of {table}", f"ALTER TABLE {table} DISABLE ROW LEVEL SECURITY"
        if table not in ("rlsguard.guard_only", "rlsguard.hop_like"):
            yield f"force of {table}", f"ALTER TABLE {table} NO FORCE ROW LEVEL SECURITY"
        for right in ("SELECT", "INSERT", "UPDATE", "DELETE", "TRUNCATE"):
            # The guard_only table is everybody's to ask.
            if (table, right) not in (("rlsguard.guard_only", "SELECT"), ("rlsguard.hop_like", "SELECT")):
                yield f"{right} on {table}", f"GRANT {right} ON {table} TO stranger"
        yield f"column of {table}", f"ALTER TABLE {table} ADD COLUMN more int"
        yield f"child of {table}", f"CREATE TABLE bank.child () INHERITS ({table})"
        yield (
            f"rule on {table}",
            f"CREATE RULE more AS ON INSERT TO {table} DO INSTEAD NOTHING",
        )
        yield (
            f"trigger on {table}",
            f"CREATE TRIGGER more BEFORE INSERT ON {table} FOR EACH ROW EXECUTE FUNCTION bank.swallow()",
        )
        yield f"policy on {table}", f"CREATE POLICY more ON {table} AS RESTRICTIVE USING (false)"
    for table, constraint in conn.execute(_CONSTRAINTS).fetchall():
        yield f"constraint {constraint} of {table}", f"ALTER TABLE {table} DROP CONSTRAINT {constraint} CASCADE"
    for table, column in conn.execute(_REQUIRED).fetchall():
        yield f"NOT NULL of {table}.{column}", f"ALTER TABLE {table} ALTER COLUMN {column} DROP NOT NULL"
    for table in ("rlsguard.opt_out_client", "rlsguard.opt_out_event", "rlsguard.purpose"):
        # What names it hinders it.
        if table != "rlsguard.purpose":
            yield f"{table} UNLOGGED", f"ALTER TABLE {table} SET UNLOGGED"
    yield "CYCLE of the ledger's sequence", "ALTER SEQUENCE rlsguard.opt_out_event_id_seq CYCLE"
    yield "rights to the ledger's sequence", "GRANT UPDATE ON SEQUENCE rlsguard.opt_out_event_id_seq TO stranger"


def _views(conn: psycopg.Connection[Any]) -> Iterator[tuple[str, str]]:
    for (view,) in conn.execute(_RELATIONS, ["v"]).fetchall():
        yield f"owner of {view}", f"ALTER VIEW {view} OWNER TO stranger"
        yield f"security_invoker of {view}", f"ALTER VIEW {view} SET (security_invoker = true)"
        yield f"security_barrier of {view}", f"ALTER VIEW {view} SET (security_barrier = true)"
        yield f"INSERT on {view}", f"GRANT INSERT ON {view} TO stranger"
        yield (
            f"rights to {view}",
            f"REVOKE SELECT ON {view} FROM PUBLIC; GRANT SELECT ON {view} TO stranger WITH GRANT OPTION",
        )
        yield (
            f"body of {view}",
            sql.SQL(
                "DO $do$ BEGIN EXECUTE 'CREATE OR REPLACE VIEW {view} AS SELECT * FROM ('"
                " || rtrim(pg_get_viewdef('{view}'::regclass), ';') || ') AS v WHERE false'; END $do$"
            )
            .format(view=sql.SQL(view))
            .as_string(),
        )


def _functions(conn: psycopg.Connection[Any]) -> Iterator[tuple[str, str]]:
    for name, procedure, definer, volatile, configured in conn.execute(_FUNCTIONS).fetchall():
        alter = f"ALTER {'PROCEDURE' if procedure else 'FUNCTION'} {name}"
        yield f"owner of {name}", f"{alter} OWNER TO stranger"
        yield f"security of {name}", f"{alter} SECURITY {'INVOKER' if definer else 'DEFINER'}"
        yield f"EXECUTE on {name}", f"GRANT EXECUTE ON {'PROCEDURE' if procedure else 'FUNCTION'} {name} TO stranger"
        yield (
            f"search_path of {name}",
            f"{alter} RESET search_path" if configured else f"{alter} SET search_path = bank, pg_catalog",
        )
        if not procedure:
            yield f"volatility of {name}", f"{alter} {'STABLE' if volatile == 'v' else 'VOLATILE'}"
            yield f"LEAKPROOF of {name}", f"{alter} LEAKPROOF"
        yield (
            f"body of {name}",
            # What a body says is in one column as text, or in the other as a tree.
            f"UPDATE pg_proc SET prosrc = prosrc || ' ', prosqlbody = NULL WHERE oid = '{name}'::regprocedure",
        )


def _policies(conn: psycopg.Connection[Any]) -> Iterator[tuple[str, str]]:
    for name, table, checks in conn.execute(_POLICIES).fetchall():
        where = f"{name} ON {table}"
        yield f"policy {where}", f"DROP POLICY {where}"
        yield f"name of policy {where}", f"ALTER POLICY {where} RENAME TO another"
        yield f"roles of policy {where}", f"ALTER POLICY {where} TO stranger"
        yield f"USING of policy {where}", f"ALTER POLICY {where} USING (current_user IS NOT NULL)"
        if checks:
            yield f"WITH CHECK of policy {where}", f"ALTER POLICY {where} WITH CHECK (current_user IS NOT NULL)"
        at = f"polname = '{name.strip(chr(34))}' AND polrelid = '{table}'::regclass"
        # What a session remembers of the table it forgets by this, also as it is rolled back.
        forget = f"UPDATE pg_class SET relname = relname WHERE oid = '{table}'::regclass"
        permissive = f"UPDATE pg_policy SET polpermissive = NOT polpermissive WHERE {at}; {forget}"
        yield f"permissive of policy {where}", permissive
        yield f"command of policy {where}", f"UPDATE pg_policy SET polcmd = 'w' WHERE {at}; {forget}"


def _triggers(conn: psycopg.Connection[Any]) -> Iterator[tuple[str, str]]:
    for name, table in conn.execute(_TRIGGERS).fetchall():
        for word in ("DISABLE", "ENABLE", "ENABLE REPLICA"):
            yield f"{word} {name} on {table}", f"ALTER TABLE {table} {word} TRIGGER {name}"
        yield f"name of {name} on {table}", f"ALTER TRIGGER {name} ON {table} RENAME TO another"
        yield f"trigger {name} on {table}", f"DROP TRIGGER {name} ON {table}"
    for (table,) in conn.execute(_PROTECTED).fetchall():
        yield f"row security of {table}", f"ALTER TABLE {table} DISABLE ROW LEVEL SECURITY"
        yield f"force of {table}", f"ALTER TABLE {table} NO FORCE ROW LEVEL SECURITY"


def _rights(conn: psycopg.Connection[Any]) -> Iterator[tuple[str, str]]:
    for table, column in conn.execute(_COLUMN_GRANTS).fetchall():
        yield f"right to {table}.{column}", f"REVOKE SELECT ({column}) ON {table} FROM rlsguard_owner"
    yield "right to schema bank", "REVOKE USAGE ON SCHEMA bank FROM rlsguard_owner"


def _rows(conn: psycopg.Connection[Any]) -> Iterator[tuple[str, str]]:
    yield "purpose gone", "DELETE FROM rlsguard.role_purpose; DELETE FROM rlsguard.purpose"
    yield "purpose more", "INSERT INTO rlsguard.purpose VALUES ('more', true, '')"
    for (purpose,) in conn.execute("SELECT purpose FROM rlsguard.purpose ORDER BY 1").fetchall():
        yield f"purpose {purpose}", f"UPDATE rlsguard.purpose SET opt_out = NOT opt_out WHERE purpose = '{purpose}'"
    for (role,) in conn.execute("SELECT DISTINCT role::text FROM rlsguard.role_purpose ORDER BY 1").fetchall():
        yield f"purposes of {role}", f"DELETE FROM rlsguard.role_purpose WHERE role = '{role}'::regrole"
    yield "purpose of stranger", "INSERT INTO rlsguard.role_purpose VALUES ('stranger', 'servicing')"
    yield "exemption of stranger", "INSERT INTO rlsguard.exemption VALUES ('stranger', 'because')"
    yield "exemption without end", "UPDATE rlsguard.exemption SET until = NULL"
    yield "exemption gone", "DELETE FROM rlsguard.exemption"
    yield "subject elsewhere", "UPDATE rlsguard.subject SET table_oid = 'bank.disp'::regclass"
    yield "subject gone", "DELETE FROM rlsguard.subject"
    yield "opt-outs forgotten", "UPDATE rlsguard.opt_out_client SET in_force = false"
    yield (
        "opt-outs made up",
        "INSERT INTO rlsguard.opt_out_client (subject_key, purpose, in_force, version)"
        " VALUES (3, 'marketing', true, 1)",
    )

-- The guard: everything that rlsguard keeps in this database.
-- A schema of that name that somebody else made is not taken over: what is in it could be anything. One that whoever
-- applies has restored without owners is theirs, and given back.
DO $$
DECLARE
    its_schema name;
    its_owner name;
    statement text;
BEGIN
    FOREACH its_schema IN ARRAY '{rlsguard, rlsguard_views}'::name[] LOOP
        its_owner := (SELECT pg_get_userbyid(nspowner) FROM pg_namespace WHERE nspname = its_schema);
        IF its_owner IS NULL THEN
            EXECUTE format('CREATE SCHEMA %I AUTHORIZATION rlsguard_owner', its_schema);
        ELSIF its_owner = current_user AND to_regclass('rlsguard.manifest') IS NOT NULL THEN
            EXECUTE format('ALTER SCHEMA %I OWNER TO rlsguard_owner', its_schema);
            EXECUTE format('GRANT CREATE ON SCHEMA %I TO rlsguard_nobody', its_schema);
            FOR statement IN
                SELECT format('ALTER %s %s OWNER TO rlsguard_owner',
                              CASE c.relkind WHEN 'v' THEN 'VIEW' ELSE 'TABLE' END, c.oid::regclass)
                FROM pg_class AS c
                JOIN pg_namespace AS n ON n.oid = c.relnamespace
                WHERE n.nspname = its_schema AND c.relkind IN ('r', 'v') AND pg_get_userbyid(c.relowner) = current_user
                UNION ALL
                SELECT format('ALTER ROUTINE %s OWNER TO %I', p.oid::regprocedure,
                              CASE WHEN p.proname ~ '^(as_json$|next_rows$|key_)' THEN 'rlsguard_nobody' ELSE 'rlsguard_owner' END)
                FROM pg_proc AS p
                JOIN pg_namespace AS n ON n.oid = p.pronamespace
                WHERE n.nspname = its_schema AND pg_get_userbyid(p.proowner) = current_user
            LOOP
                EXECUTE statement;
            END LOOP;
            EXECUTE format('REVOKE CREATE ON SCHEMA %I FROM rlsguard_nobody', its_schema);
        ELSIF its_owner <> 'rlsguard_owner' THEN
            RAISE EXCEPTION 'schema % belongs to %, not to rlsguard_owner', its_schema, its_owner
                USING HINT = CASE
                    WHEN to_regclass('rlsguard.manifest') IS NULL THEN 'Look at what is in it; drop or rename it.'
                    ELSE format('If it was restored without owners, apply as %s, who then gives it back.', its_owner)
                END;
        END IF;
    END LOOP;
END
$$;
COMMENT ON SCHEMA rlsguard IS 'Opt-outs enforced by row-level security. Made by rlsguard; change it through the data map.';
COMMENT ON SCHEMA rlsguard_views IS 'What the policies ask. Whoever may look in here could list the keys of everybody.';

SET LOCAL ROLE rlsguard_owner;

-- Rights that somebody gave by hand are not for an apply to confirm: everything is taken back before it is given anew.
-- Runs as whoever applies, who has the rights of both owners.
CREATE OR REPLACE PROCEDURE rlsguard.take_back(names name[])
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    a_schema name;
    relation regclass;
    routine regprocedure;
    grantee name;  -- "public" is PUBLIC, quoted or not
BEGIN
    FOR a_schema, grantee IN
        SELECT n.nspname, coalesce(r.rolname, 'public')
        FROM pg_namespace AS n
        CROSS JOIN LATERAL aclexplode(n.nspacl) AS a
        LEFT JOIN pg_roles AS r ON r.oid = a.grantee
        WHERE n.nspname IN ('rlsguard', 'rlsguard_views') AND n.nspname = ANY (names) AND a.grantee <> n.nspowner
    LOOP
        EXECUTE format('REVOKE ALL ON SCHEMA %I FROM %I CASCADE', a_schema, grantee);
    END LOOP;
    FOR relation, grantee IN
        SELECT c.oid::regclass, coalesce(r.rolname, 'public')
        FROM pg_class AS c
        JOIN pg_namespace AS n ON n.oid = c.relnamespace
        CROSS JOIN LATERAL (
            SELECT t.grantee FROM aclexplode(c.relacl) AS t
            UNION
            SELECT f.grantee FROM pg_attribute AS at CROSS JOIN LATERAL aclexplode(at.attacl) AS f WHERE at.attrelid = c.oid
        ) AS a
        LEFT JOIN pg_roles AS r ON r.oid = a.grantee
        WHERE n.nspname IN ('rlsguard', 'rlsguard_views') AND c.relkind IN ('r', 'v', 'S') AND c.relname = ANY (names)
          AND a.grantee <> c.relowner
    LOOP
        EXECUTE format('REVOKE ALL ON TABLE %s FROM %I CASCADE', relation, grantee);
    END LOOP;
    FOR routine, grantee IN
        SELECT p.oid::regprocedure, coalesce(r.rolname, 'public')
        FROM pg_proc AS p
        JOIN pg_namespace AS n ON n.oid = p.pronamespace
        CROSS JOIN LATERAL aclexplode(p.proacl) AS a
        LEFT JOIN pg_roles AS r ON r.oid = a.grantee
        WHERE n.nspname = 'rlsguard' AND p.proname = ANY (names) AND a.grantee <> p.proowner
          -- the audit of its tables gives this one to the owner of a partitioned table
          AND NOT EXISTS (
              SELECT FROM pg_trigger AS t
              JOIN pg_class AS c ON c.oid = t.tgrelid AND c.relkind = 'p' AND c.relowner = a.grantee
              WHERE t.tgfoid = p.oid)
    LOOP
        EXECUTE format('REVOKE ALL ON ROUTINE %s FROM %I CASCADE', routine, grantee);
    END LOOP;
END
$$;
COMMENT ON PROCEDURE rlsguard.take_back(name[]) IS 'Takes every right to objects of the guard from all but their owners';
REVOKE ALL ON PROCEDURE rlsguard.take_back(name[]) FROM PUBLIC;

CALL rlsguard.take_back('{rlsguard, rlsguard_views, take_back}');
-- Whoever only reads protected tables needs nothing here: policies find the views by themselves.
GRANT USAGE ON SCHEMA rlsguard TO rlsguard_recorder, rlsguard_auditor, rlsguard_sealer;

RESET ROLE;

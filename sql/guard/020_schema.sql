-- The guard: everything that rlsguard keeps in this database.
-- A schema of that name that somebody else made is not taken over: what is in it could be anything. One that whoever
-- applies has restored without owners is theirs, and given back.
DO $$
DECLARE
    its_owner name := (SELECT pg_get_userbyid(nspowner) FROM pg_namespace WHERE nspname = 'rlsguard');
    statement text;
BEGIN
    IF its_owner IS NULL THEN
        CREATE SCHEMA rlsguard AUTHORIZATION rlsguard_owner;
    ELSIF its_owner = current_user AND to_regclass('rlsguard.manifest') IS NOT NULL THEN
        ALTER SCHEMA rlsguard OWNER TO rlsguard_owner;
        GRANT CREATE ON SCHEMA rlsguard TO rlsguard_nobody;
        FOR statement IN
            SELECT format('ALTER %s rlsguard.%I OWNER TO rlsguard_owner', CASE c.relkind WHEN 'v' THEN 'VIEW' ELSE 'TABLE' END, c.relname)
            FROM pg_class AS c
            WHERE c.relnamespace = 'rlsguard'::regnamespace AND c.relkind IN ('r', 'v') AND pg_get_userbyid(c.relowner) = current_user
            UNION ALL
            SELECT format('ALTER FUNCTION %s OWNER TO %I', p.oid::regprocedure,
                          CASE WHEN p.proname ~ '^(as_json$|key_)' THEN 'rlsguard_nobody' ELSE 'rlsguard_owner' END)
            FROM pg_proc AS p
            WHERE p.pronamespace = 'rlsguard'::regnamespace AND pg_get_userbyid(p.proowner) = current_user
        LOOP
            EXECUTE statement;
        END LOOP;
        REVOKE CREATE ON SCHEMA rlsguard FROM rlsguard_nobody;
    ELSIF its_owner <> 'rlsguard_owner' THEN
        RAISE EXCEPTION 'schema rlsguard belongs to %, not to rlsguard_owner', its_owner
            USING HINT = CASE
                WHEN to_regclass('rlsguard.manifest') IS NULL THEN 'Look at what is in it; drop or rename it.'
                ELSE format('If it was restored without owners, apply as %s, who then gives it back.', its_owner)
            END;
    END IF;
END
$$;
COMMENT ON SCHEMA rlsguard IS 'Opt-outs enforced by row-level security. Made by rlsguard; change it through the data map.';

SET LOCAL ROLE rlsguard_owner;

REVOKE ALL ON SCHEMA rlsguard FROM PUBLIC;
-- Whoever only reads protected tables needs nothing here: policies find the views by themselves.
GRANT USAGE ON SCHEMA rlsguard TO rlsguard_recorder, rlsguard_auditor;

RESET ROLE;

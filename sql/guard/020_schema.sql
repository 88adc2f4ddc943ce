-- The guard: everything that rlsguard keeps in this database.
-- A schema of that name that somebody else made is not taken over: what is in it could be anything.
DO $$
DECLARE
    its_owner text := (SELECT nspowner::regrole FROM pg_namespace WHERE nspname = 'rlsguard');
BEGIN
    IF its_owner IS NULL THEN
        CREATE SCHEMA rlsguard AUTHORIZATION rlsguard_owner;
    ELSIF its_owner <> 'rlsguard_owner' THEN
        RAISE EXCEPTION 'schema rlsguard belongs to %, not to rlsguard_owner', its_owner
            USING HINT = 'Look at what is in it; drop or rename it.';
    END IF;
END
$$;
COMMENT ON SCHEMA rlsguard IS 'Opt-outs enforced by row-level security. Made by rlsguard; change it through the data map.';

SET LOCAL ROLE rlsguard_owner;

REVOKE ALL ON SCHEMA rlsguard FROM PUBLIC;
-- Whoever only reads protected tables needs nothing here: policies find the views by themselves.
GRANT USAGE ON SCHEMA rlsguard TO rlsguard_recorder, rlsguard_auditor;

RESET ROLE;

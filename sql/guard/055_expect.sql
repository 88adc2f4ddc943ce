-- Generated files can be run long after they were made, and elsewhere. What they rest on is looked at again.
SET LOCAL ROLE rlsguard_owner;

CREATE OR REPLACE PROCEDURE rlsguard.expect_policies(of_table regclass, row_security boolean, policies name[])
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    ours CONSTANT text := '^(!+rlsguard|rlsguard (baseline|present|owner|hop))$';
BEGIN
    IF EXISTS (
        SELECT FROM pg_class AS c
        JOIN pg_namespace AS n ON n.oid = c.relnamespace
        WHERE c.oid = of_table
          AND c.relrowsecurity <> expect_policies.row_security
          -- where the guard has been before, it is on by now
          AND NOT EXISTS (SELECT FROM pg_policy AS p WHERE p.polrelid = c.oid AND p.polname ~ ours)
          AND NOT EXISTS (
              SELECT FROM rlsguard.manifest AS m
              WHERE m.detail ->> 'kind' = 'protect' AND m.detail ->> 'schema' = n.nspname AND m.detail ->> 'table' = c.relname)
    ) OR policies IS DISTINCT FROM ARRAY(
        SELECT p.polname FROM pg_policy AS p WHERE p.polrelid = of_table AND p.polname !~ ours ORDER BY p.polname COLLATE "C"
    ) THEN
        RAISE EXCEPTION '% has other row security or policies than these statements were made for', of_table
            USING ERRCODE = 'object_not_in_prerequisite_state', HINT = 'Generate them again, against this database.';
    END IF;
END
$$;
COMMENT ON PROCEDURE rlsguard.expect_policies(regclass, boolean, name[]) IS 'Refuses a table whose own row security has changed';
REVOKE ALL ON PROCEDURE rlsguard.expect_policies(regclass, boolean, name[]) FROM PUBLIC;

RESET ROLE;

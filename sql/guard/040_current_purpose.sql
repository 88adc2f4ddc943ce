-- The purposes whose opt-outs the reader is held to. An owner-rights view: current_user is the reader's,
-- the rights are the guard's. Roles count by inherited privileges; never by a setting that a client can write.
CALL rlsguard.take_back('{current_purpose, current_purposes, unknown, this_transaction}');
SET LOCAL ROLE rlsguard_owner;

CREATE OR REPLACE VIEW rlsguard.current_purpose AS
SELECT p.purpose
FROM rlsguard.purpose AS p
WHERE p.opt_out
  AND (
    -- a purpose of a role that the map names
    EXISTS (
        SELECT FROM rlsguard.role_purpose AS r
        WHERE r.purpose = p.purpose AND pg_has_role(current_user, r.role, 'USAGE')
    )
    -- nobody that the map names: every purpose, unless exempt today
    OR NOT EXISTS (
        SELECT FROM rlsguard.role_purpose AS r
        WHERE pg_has_role(current_user, r.role, 'USAGE')
    )
    AND NOT EXISTS (
        SELECT FROM rlsguard.exemption AS e
        WHERE pg_has_role(current_user, e.role, 'USAGE')
          AND (e.until IS NULL OR e.until >= (statement_timestamp() AT TIME ZONE 'UTC')::date)
    )
  );
COMMENT ON VIEW rlsguard.current_purpose IS 'Purposes whose opt-outs the current user is held to';
REVOKE ALL ON rlsguard.current_purpose FROM PUBLIC;
GRANT SELECT ON rlsguard.current_purpose TO PUBLIC;

-- The same for the suppressing views. In a function (its SET keeps it from being inlined) it costs the planner of every
-- query next to nothing, where the view's own look-ups would be planned anew for every guarded table. Runs as the reader.
CREATE OR REPLACE FUNCTION rlsguard.current_purposes() RETURNS SETOF text
LANGUAGE sql STABLE PARALLEL SAFE COST 1 ROWS 1
SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT p.purpose FROM rlsguard.current_purpose AS p;
END;
COMMENT ON FUNCTION rlsguard.current_purposes() IS 'Purposes whose opt-outs the current user is held to';
REVOKE ALL ON FUNCTION rlsguard.current_purposes() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION rlsguard.current_purposes() TO PUBLIC;

-- Never runs: STRICT, and only ever given NULL. Its declared cost tells the planner that reading through all opt-outs
-- for one person is dear, also while there are few of them, so that the person is looked up by the index.
CREATE OR REPLACE FUNCTION rlsguard.unknown(purpose text) RETURNS boolean
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE COST 100
SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT NULL::boolean;
END;
COMMENT ON FUNCTION rlsguard.unknown(text) IS 'NULL, at a declared cost that the planner reckons with and nobody pays';
REVOKE ALL ON FUNCTION rlsguard.unknown(text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION rlsguard.unknown(text) TO PUBLIC;

-- The transaction of the reader, if it has written anything. The function that it calls is marked as one that no parallel
-- worker may run, but a worker has its leader's transaction.
CREATE OR REPLACE FUNCTION rlsguard.this_transaction() RETURNS xid8
LANGUAGE plpgsql STABLE PARALLEL SAFE COST 1
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RETURN pg_current_xact_id_if_assigned();
END
$$;
COMMENT ON FUNCTION rlsguard.this_transaction() IS 'The current transaction, NULL while it has only read';
REVOKE ALL ON FUNCTION rlsguard.this_transaction() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION rlsguard.this_transaction() TO PUBLIC;

RESET ROLE;

-- The purposes whose opt-outs the reader is held to. An owner-rights view: current_user is the reader's,
-- the rights are the guard's. Roles count by inherited privileges; never by a setting that a client can write.
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

RESET ROLE;

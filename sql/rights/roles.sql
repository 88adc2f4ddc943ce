-- What the connected role may do about the guard itself.
SELECT ARRAY(SELECT name FROM unnest(ARRAY['rlsguard_owner', 'rlsguard_nobody', 'rlsguard_recorder', 'rlsguard_auditor', 'rlsguard_sealer']) AS name
             WHERE to_regrole(name) IS NULL) AS missing_roles,
       pg_has_role(to_regrole('rlsguard_owner'), 'USAGE WITH ADMIN OPTION') AS may_grant_owner,
       (to_regnamespace('rlsguard') IS NULL OR to_regnamespace('rlsguard_views') IS NULL)
           AND NOT has_database_privilege(current_database(), 'CREATE') AS needs_create

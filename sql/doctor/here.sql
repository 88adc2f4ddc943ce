-- Where we are, and what the connected role may do about the guard.
SELECT g.there AND NOT g.only_ledger AS installed,
       g.only_ledger,
       pg_is_in_recovery() AS standby,
       current_date AS today, -- in UTC: the session's time zone is set
       has_database_privilege(current_database(), 'CREATE') AS may_create_schema,
       ARRAY(SELECT name FROM unnest(ARRAY['rlsguard_owner', 'rlsguard_nobody', 'rlsguard_recorder', 'rlsguard_auditor']) AS name
             WHERE to_regrole(name) IS NULL) AS missing_roles,
       pg_has_role(to_regrole('rlsguard_owner'), 'USAGE WITH ADMIN OPTION') AS may_grant_owner
FROM (
    SELECT to_regnamespace('rlsguard') IS NOT NULL,
           -- what an uninstall leaves
           EXISTS (SELECT FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
                   WHERE n.nspname = 'rlsguard' AND c.relname = 'opt_out_event')
           AND NOT EXISTS (SELECT FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
                           WHERE n.nspname = 'rlsguard' AND c.relname = 'manifest')
) AS g (there, only_ledger)

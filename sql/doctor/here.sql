-- Where we are, and whether the guard is here.
SELECT g.there AND NOT g.only_ledger AS installed,
       g.only_ledger,
       pg_is_in_recovery() AS standby,
       current_date AS today -- in UTC: the session's time zone is set
FROM (
    SELECT to_regnamespace('rlsguard') IS NOT NULL,
           -- what an uninstall leaves
           EXISTS (SELECT FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
                   WHERE n.nspname = 'rlsguard' AND c.relname = 'opt_out_event')
           AND NOT EXISTS (SELECT FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
                           WHERE n.nspname = 'rlsguard' AND c.relname = 'manifest')
) AS g (there, only_ledger)

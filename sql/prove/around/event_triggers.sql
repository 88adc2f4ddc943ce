-- Event triggers outside extensions and of others than the guard, and whom they belong to.
SELECT t.evtname, pg_get_userbyid(t.evtowner), t.evtevent, t.evtfoid::regprocedure::text
FROM pg_catalog.pg_event_trigger AS t
WHERE t.evtenabled <> 'D'
  AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend AS e
                  WHERE e.classid = 'pg_catalog.pg_event_trigger'::regclass AND e.objid = t.oid AND e.deptype = 'e')
  AND NOT (t.evtname IN ('rlsguard_drop', 'rlsguard_ddl')
           AND t.evtfoid IN (SELECT p.oid FROM pg_catalog.pg_proc AS p WHERE p.pronamespace = to_regnamespace('rlsguard_events')))
ORDER BY 1

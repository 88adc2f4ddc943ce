-- Event triggers outside extensions, and whom they belong to.
SELECT t.evtname, pg_get_userbyid(t.evtowner), t.evtevent, t.evtfoid::regprocedure::text
FROM pg_catalog.pg_event_trigger AS t
WHERE t.evtenabled <> 'D'
  AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend AS e
                  WHERE e.classid = 'pg_catalog.pg_event_trigger'::regclass AND e.objid = t.oid AND e.deptype = 'e')
ORDER BY 1

-- Functions that somebody has marked LEAKPROOF: the planner may run them on rows before policies hide these.
SELECT p.oid::regprocedure::text
FROM pg_catalog.pg_proc AS p
WHERE p.proleakproof AND p.oid >= 16384
  -- what an extension brings, but for what was added to one: that is no C
  AND NOT (p.probin IS NOT NULL AND EXISTS (SELECT FROM pg_catalog.pg_depend AS e
                  WHERE e.classid = 'pg_catalog.pg_proc'::regclass AND e.objid = p.oid AND e.deptype = 'e'))
ORDER BY 1

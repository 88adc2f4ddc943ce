-- What functions that did not come with the server say, where they run with the rights of whoever calls them.
SELECT n.nspname, p.proname, p.prosrc,
       ARRAY(SELECT d.refobjid FROM pg_catalog.pg_depend AS d
             WHERE d.classid = 'pg_catalog.pg_proc'::regclass AND d.objid = p.oid
               AND d.refclassid = 'pg_catalog.pg_class'::regclass),
       l.lanname
FROM pg_catalog.pg_proc AS p
JOIN pg_catalog.pg_namespace AS n ON n.oid = p.pronamespace
JOIN pg_catalog.pg_language AS l ON l.oid = p.prolang
WHERE p.oid >= 16384 AND NOT p.prosecdef
  AND n.nspname NOT IN ('rlsguard', 'rlsguard_views') AND p.pronamespace <> pg_my_temp_schema()
  AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend AS e
                  WHERE e.classid = 'pg_catalog.pg_proc'::regclass AND e.objid = p.oid AND e.deptype = 'e')

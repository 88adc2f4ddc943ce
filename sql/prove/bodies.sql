-- What functions that did not come with the server say, and views that call any; and as whom they run, if not as whoever
-- calls them.
SELECT p.oid, p.proname, coalesce(pg_get_function_sqlbody(p.oid), p.prosrc), l.lanname,
       CASE WHEN p.prosecdef THEN pg_get_userbyid(p.proowner) END,
       EXISTS (SELECT FROM pg_catalog.pg_depend AS e
               WHERE e.classid = 'pg_catalog.pg_proc'::regclass AND e.objid = p.oid AND e.deptype = 'e'),
       ARRAY(SELECT d.refobjid FROM pg_catalog.pg_depend AS d
             WHERE d.classid = 'pg_catalog.pg_proc'::regclass AND d.objid = p.oid
               AND d.refclassid = 'pg_catalog.pg_class'::regclass)
FROM pg_catalog.pg_proc AS p
JOIN pg_catalog.pg_namespace AS n ON n.oid = p.pronamespace
JOIN pg_catalog.pg_language AS l ON l.oid = p.prolang
WHERE p.oid >= 16384
  AND n.nspname NOT IN ('rlsguard', 'rlsguard_views') AND p.pronamespace <> pg_my_temp_schema()
UNION ALL
SELECT c.oid, c.relname, pg_get_viewdef(c.oid), 'sql', NULL, false, '{}'
FROM pg_catalog.pg_class AS c
JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
WHERE c.relkind = 'v' AND c.oid >= 16384
  AND n.nspname NOT IN ('rlsguard', 'rlsguard_views')
  AND EXISTS (SELECT FROM pg_catalog.pg_rewrite AS w
              JOIN pg_catalog.pg_depend AS d
                ON d.classid = 'pg_catalog.pg_rewrite'::regclass AND d.objid = w.oid
               AND d.refclassid = 'pg_catalog.pg_proc'::regclass
              WHERE w.ev_class = c.oid AND d.refobjid >= 16384)

-- What functions say that did not come with the server, and by what name others call them: their own, that of an
-- operator, that of a view; and as whom they run, if not as whoever calls them.
SELECT p.oid,
       -- nobody calls the functions of triggers
       CASE WHEN p.prorettype IN ('trigger'::regtype, 'event_trigger'::regtype) THEN '' ELSE p.proname END,
       -- an aggregate says nothing but by what functions it is made
       CASE WHEN a.aggfnoid IS NOT NULL THEN concat_ws(' ', a.aggtransfn, a.aggfinalfn, a.aggcombinefn, a.aggserialfn,
                                                       a.aggdeserialfn, a.aggmtransfn, a.aggminvtransfn, a.aggmfinalfn)
            ELSE coalesce(pg_get_function_sqlbody(p.oid), p.prosrc) END,
       CASE WHEN a.aggfnoid IS NOT NULL THEN 'sql' ELSE l.lanname END,
       CASE WHEN p.prosecdef THEN pg_get_userbyid(p.proowner) END,
       EXISTS (SELECT FROM pg_catalog.pg_depend AS e
               WHERE e.classid = 'pg_catalog.pg_proc'::regclass AND e.objid = p.oid AND e.deptype = 'e'),
       ARRAY(SELECT d.refobjid FROM pg_catalog.pg_depend AS d
             WHERE d.classid = 'pg_catalog.pg_proc'::regclass AND d.objid = p.oid
               AND d.refclassid = 'pg_catalog.pg_class'::regclass)
FROM pg_catalog.pg_proc AS p
JOIN pg_catalog.pg_namespace AS n ON n.oid = p.pronamespace
JOIN pg_catalog.pg_language AS l ON l.oid = p.prolang
LEFT JOIN pg_catalog.pg_aggregate AS a ON a.aggfnoid = p.oid
WHERE p.oid >= 16384
  AND n.nspname NOT IN ('rlsguard', 'rlsguard_views') AND p.pronamespace <> pg_my_temp_schema()
UNION ALL
SELECT 0, o.oprname, o.oprcode::text, 'sql', NULL, false, '{}'
FROM pg_catalog.pg_operator AS o
JOIN pg_catalog.pg_proc AS p ON p.oid = o.oprcode
JOIN pg_catalog.pg_language AS l ON l.oid = p.prolang
WHERE o.oid >= 16384 AND l.lanname NOT IN ('c', 'internal')
UNION ALL
SELECT 0, c.relname, pg_get_viewdef(c.oid), 'sql', NULL, false, '{}'
FROM pg_catalog.pg_class AS c
JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
WHERE c.relkind = 'v'
  AND n.nspname NOT IN ('rlsguard', 'rlsguard_views')
  AND EXISTS (SELECT FROM pg_catalog.pg_rewrite AS w
              JOIN pg_catalog.pg_depend AS d
                ON d.classid = 'pg_catalog.pg_rewrite'::regclass AND d.objid = w.oid
               AND d.refclassid IN ('pg_catalog.pg_proc'::regclass, 'pg_catalog.pg_operator'::regclass)
              WHERE w.ev_class = c.oid AND d.refobjid >= 16384)

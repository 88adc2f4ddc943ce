-- The user's tables that the guard's views lead over, and whether every policy of ours on them knows the guard by its
-- marker.
SELECT t.oid, n.nspname AS schema, t.relname AS name, t.relpages AS pages, t.relrowsecurity AS row_security,
       NOT EXISTS (
           SELECT FROM pg_policy AS p
           WHERE p.polrelid = t.oid
             AND p.polname ~ '^!+rlsguard$'
             AND NOT EXISTS (
                 SELECT FROM pg_depend AS d
                 JOIN pg_class AS g ON g.oid = d.refobjid AND g.relname = 'guard_only'
                 JOIN pg_namespace AS gn ON gn.oid = g.relnamespace AND gn.nspname = 'rlsguard'
                 WHERE d.classid = 'pg_policy'::regclass AND d.objid = p.oid AND d.refclassid = 'pg_class'::regclass)
       ) AS marked
FROM pg_class AS t
JOIN pg_namespace AS n ON n.oid = t.relnamespace
WHERE t.relkind IN ('r', 'p')
  AND n.nspname NOT IN ('rlsguard', 'rlsguard_views')
  AND t.oid IN (
      SELECT d.refobjid
      FROM pg_class AS v
      JOIN pg_namespace AS vn ON vn.oid = v.relnamespace AND vn.nspname = 'rlsguard_views'
      JOIN pg_rewrite AS w ON w.ev_class = v.oid
      JOIN pg_depend AS d ON d.classid = 'pg_rewrite'::regclass AND d.objid = w.oid AND d.refclassid = 'pg_class'::regclass
      WHERE v.relkind = 'v')
ORDER BY n.nspname, t.relname

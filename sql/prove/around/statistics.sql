-- Who was granted SELECT on the catalogs with the planner's statistics, which are a superuser's.
SELECT c.relname, array_agg(DISTINCT CASE g.grantee WHEN 0 THEN 'PUBLIC' ELSE pg_get_userbyid(g.grantee)::text END)
FROM pg_catalog.pg_class AS c
CROSS JOIN LATERAL (
    SELECT a.grantee, a.privilege_type FROM aclexplode(c.relacl) AS a
    UNION ALL
    SELECT a.grantee, a.privilege_type
    FROM pg_catalog.pg_attribute AS f CROSS JOIN LATERAL aclexplode(f.attacl) AS a
    WHERE f.attrelid = c.oid AND f.attnum > 0
) AS g
WHERE c.oid IN ('pg_catalog.pg_statistic'::regclass, 'pg_catalog.pg_statistic_ext_data'::regclass)
  AND g.privilege_type = 'SELECT' AND g.grantee <> c.relowner
GROUP BY 1
ORDER BY 1

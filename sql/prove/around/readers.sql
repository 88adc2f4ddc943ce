-- Who, beside its owner, was granted SELECT on a table, or on any column of it.
SELECT c.oid, c.oid::regclass::text, array_agg(DISTINCT CASE g.grantee WHEN 0 THEN 'PUBLIC' ELSE pg_get_userbyid(g.grantee)::text END)
FROM pg_catalog.pg_class AS c
CROSS JOIN LATERAL (
    SELECT a.grantee, a.privilege_type FROM aclexplode(c.relacl) AS a
    UNION ALL
    SELECT a.grantee, a.privilege_type
    FROM pg_catalog.pg_attribute AS f CROSS JOIN LATERAL aclexplode(f.attacl) AS a
    WHERE f.attrelid = c.oid AND f.attnum > 0
) AS g
WHERE c.relkind IN ('r', 'p', 'f') AND g.privilege_type = 'SELECT' AND g.grantee <> c.relowner
GROUP BY c.oid

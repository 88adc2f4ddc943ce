-- Who was granted SELECT on the TOAST table of some tables, which holds their long values. Given: tables.
SELECT c.oid, t.oid, t.oid::regclass::text,
       array_agg(DISTINCT CASE g.grantee WHEN 0 THEN 'PUBLIC' ELSE pg_get_userbyid(g.grantee)::text END)
FROM pg_catalog.pg_class AS c
JOIN pg_catalog.pg_class AS t ON t.oid = c.reltoastrelid
CROSS JOIN LATERAL aclexplode(t.relacl) AS g
WHERE c.oid = ANY (%s::oid[]) AND g.privilege_type = 'SELECT' AND g.grantee <> t.relowner
GROUP BY c.oid, t.oid
ORDER BY c.oid

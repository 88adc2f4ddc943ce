-- SECURITY DEFINER trigger functions, the relations that they are on, and who may write these, or a column of them.
SELECT p.oid::regprocedure::text, array_agg(DISTINCT c.oid::regclass::text),
       array_agg(DISTINCT CASE g.grantee WHEN 0 THEN 'PUBLIC' ELSE pg_get_userbyid(g.grantee)::text END)
FROM pg_catalog.pg_trigger AS t
JOIN pg_catalog.pg_proc AS p ON p.oid = t.tgfoid AND p.prosecdef
JOIN pg_catalog.pg_class AS c ON c.oid = t.tgrelid
CROSS JOIN LATERAL (
    SELECT coalesce(c.relacl, acldefault('r', c.relowner))
    UNION ALL
    SELECT f.attacl FROM pg_catalog.pg_attribute AS f WHERE f.attrelid = c.oid AND f.attnum > 0
) AS l (acl)
CROSS JOIN aclexplode(l.acl) AS g
WHERE NOT t.tgisinternal AND p.pronamespace <> to_regnamespace('rlsguard')
  AND g.privilege_type IN ('INSERT', 'UPDATE', 'DELETE', 'TRUNCATE')
GROUP BY p.oid
ORDER BY 1

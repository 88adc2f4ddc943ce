-- Columns of the user's tables that the guard was granted.
SELECT n.nspname, c.relname, array_agg(a.attname ORDER BY a.attnum)
FROM pg_attribute AS a
JOIN pg_class AS c ON c.oid = a.attrelid
JOIN pg_namespace AS n ON n.oid = c.relnamespace
CROSS JOIN LATERAL aclexplode(a.attacl) AS g
WHERE n.nspname NOT IN ('rlsguard', 'rlsguard_views') AND g.privilege_type = 'SELECT'
  AND g.grantee = (SELECT oid FROM pg_roles WHERE rolname = 'rlsguard_owner')
GROUP BY 1, 2
ORDER BY 1, 2

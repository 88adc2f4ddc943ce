-- Schemas that the guard was granted.
SELECT DISTINCT n.nspname
FROM pg_namespace AS n
CROSS JOIN LATERAL aclexplode(n.nspacl) AS g
WHERE n.nspname NOT IN ('rlsguard', 'rlsguard_views') AND g.privilege_type = 'USAGE'
  AND g.grantee IN (SELECT oid FROM pg_roles WHERE rolname IN ('rlsguard_owner', 'rlsguard_nobody'))
ORDER BY 1

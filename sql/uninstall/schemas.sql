-- Schemas that the guard was granted.
SELECT n.nspname
FROM pg_namespace AS n
CROSS JOIN LATERAL aclexplode(n.nspacl) AS g
WHERE n.nspname <> 'rlsguard' AND g.privilege_type = 'USAGE'
  AND g.grantee = (SELECT oid FROM pg_roles WHERE rolname = 'rlsguard_owner')
ORDER BY 1

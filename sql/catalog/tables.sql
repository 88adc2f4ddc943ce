-- Every relation with rows outside the system's schemas, temporary ones and the guard's own.
SELECT c.oid, n.nspname, c.relname, c.relkind, pg_get_userbyid(c.relowner), c.relpersistence,
       c.relispartition, c.relrowsecurity, c.relforcerowsecurity,
       ARRAY(SELECT DISTINCT CASE acl.grantee WHEN 0 THEN 'PUBLIC' ELSE pg_get_userbyid(acl.grantee)::text END AS who
             FROM aclexplode(c.relacl) AS acl
             WHERE acl.privilege_type = 'TRUNCATE' AND acl.grantee <> c.relowner
             ORDER BY who)
FROM pg_class AS c
JOIN pg_namespace AS n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f')
  AND n.nspname !~ '^pg_'
  AND n.nspname NOT IN ('information_schema', 'rlsguard', 'rlsguard_views')
ORDER BY n.nspname, c.relname

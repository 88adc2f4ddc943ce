-- Rights to some tables that policies do not govern. Given: tables.
SELECT c.oid, a.privilege_type, array_agg(DISTINCT coalesce(r.rolname, 'PUBLIC')::text)
FROM pg_catalog.pg_class AS c
CROSS JOIN LATERAL (
    SELECT g.grantee, g.privilege_type FROM aclexplode(c.relacl) AS g
    UNION
    SELECT g.grantee, g.privilege_type
    FROM pg_catalog.pg_attribute AS f CROSS JOIN LATERAL aclexplode(f.attacl) AS g
    WHERE f.attrelid = c.oid AND f.attnum > 0
) AS a
LEFT JOIN pg_catalog.pg_roles AS r ON r.oid = a.grantee
WHERE c.oid = ANY (%s::oid[])
  AND a.grantee <> c.relowner
  AND a.privilege_type IN ('TRIGGER', 'REFERENCES', 'TRUNCATE')
  AND NOT coalesce(r.rolsuper OR r.rolbypassrls, false)
  AND coalesce(r.rolname, '') <> 'rlsguard_owner'
GROUP BY c.oid, a.privilege_type
ORDER BY c.oid, a.privilege_type

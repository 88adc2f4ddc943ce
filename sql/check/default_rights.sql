-- Rights that what the guard makes is born with, beyond those that everything is born with.
SELECT pg_get_userbyid(d.defaclrole), coalesce(n.nspname, ''),
       CASE d.defaclobjtype WHEN 'r' THEN 'TABLES' WHEN 'S' THEN 'SEQUENCES' WHEN 'f' THEN 'FUNCTIONS' WHEN 'T' THEN 'TYPES'
                            WHEN 'n' THEN 'SCHEMAS' WHEN 'L' THEN 'LARGE OBJECTS' END,
       array_agg(DISTINCT coalesce(r.rolname, 'PUBLIC')::text)
FROM pg_default_acl AS d
LEFT JOIN pg_namespace AS n ON n.oid = d.defaclnamespace
CROSS JOIN LATERAL aclexplode(d.defaclacl) AS g
LEFT JOIN pg_roles AS r ON r.oid = g.grantee
WHERE d.defaclrole IN (SELECT oid FROM pg_roles WHERE rolname IN ('rlsguard_owner', 'rlsguard_nobody'))
  AND g.grantee <> d.defaclrole
  AND NOT (d.defaclnamespace = 0 AND d.defaclobjtype IN ('f', 'T') AND g.grantee = 0)
GROUP BY 1, 2, 3
ORDER BY 1, 2, 3

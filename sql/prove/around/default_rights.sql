-- Rights to read that tables are born with: whose, in which schema (all of them: ''), for whom.
SELECT pg_get_userbyid(d.defaclrole), coalesce(n.nspname, ''),
       array_agg(DISTINCT coalesce(r.rolname, 'PUBLIC')::text)
FROM pg_catalog.pg_default_acl AS d
LEFT JOIN pg_catalog.pg_namespace AS n ON n.oid = d.defaclnamespace
CROSS JOIN aclexplode(d.defaclacl) AS g
LEFT JOIN pg_catalog.pg_roles AS r ON r.oid = g.grantee
WHERE d.defaclobjtype = 'r' AND g.privilege_type = 'SELECT' AND g.grantee <> d.defaclrole
GROUP BY 1, 2
ORDER BY 1, 2

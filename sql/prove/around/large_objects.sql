-- Large objects by who may read them; everybody may where lo_compat_privileges is on.
SELECT reader.name, count(DISTINCT l.oid)
FROM pg_catalog.pg_largeobject_metadata AS l
CROSS JOIN LATERAL (
    SELECT pg_get_userbyid(l.lomowner)::text
    UNION
    SELECT coalesce(r.rolname, 'PUBLIC')::text
    FROM aclexplode(l.lomacl) AS g
    LEFT JOIN pg_catalog.pg_roles AS r ON r.oid = g.grantee
    WHERE g.privilege_type = 'SELECT'
    UNION
    SELECT 'PUBLIC' WHERE current_setting('lo_compat_privileges')::boolean
) AS reader (name)
GROUP BY 1
ORDER BY 1

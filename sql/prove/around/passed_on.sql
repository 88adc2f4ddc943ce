-- Rights to relations, or to columns of theirs, that were passed on by somebody other than their owners, and by whom.
SELECT c.oid, g.privilege_type, array_agg(DISTINCT pg_get_userbyid(g.grantor)::text)
FROM pg_catalog.pg_class AS c
CROSS JOIN LATERAL (
    SELECT c.relacl
    UNION ALL
    SELECT f.attacl FROM pg_catalog.pg_attribute AS f WHERE f.attrelid = c.oid AND f.attnum > 0
) AS l (acl)
CROSS JOIN aclexplode(l.acl) AS g
WHERE g.grantor <> c.relowner
GROUP BY c.oid, g.privilege_type

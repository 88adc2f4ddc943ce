-- Rights to relations, or to columns of theirs, that were passed on by somebody other than their owners, and by whom.
SELECT l.oid, g.privilege_type, array_agg(DISTINCT pg_get_userbyid(g.grantor)::text)
FROM (
    SELECT c.oid, c.relowner, c.relacl FROM pg_catalog.pg_class AS c WHERE c.relacl IS NOT NULL
    UNION ALL
    SELECT c.oid, c.relowner, f.attacl
    FROM pg_catalog.pg_attribute AS f
    JOIN pg_catalog.pg_class AS c ON c.oid = f.attrelid
    WHERE f.attnum > 0 AND f.attacl IS NOT NULL
) AS l (oid, owner, acl)
CROSS JOIN aclexplode(l.acl) AS g
WHERE g.grantor <> l.owner
GROUP BY l.oid, g.privilege_type

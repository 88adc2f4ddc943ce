-- Functions that read the server's files or its log of changes, where they were granted to others than predefined roles;
-- and who passed that on without being their owner.
SELECT p.oid::regprocedure::text, array_agg(DISTINCT coalesce(r.rolname, 'PUBLIC')::text),
       array_remove(array_agg(DISTINCT CASE WHEN g.grantor <> p.proowner THEN pg_get_userbyid(g.grantor)::text END), NULL)
FROM pg_catalog.pg_proc AS p
CROSS JOIN aclexplode(p.proacl) AS g
LEFT JOIN pg_catalog.pg_roles AS r ON r.oid = g.grantee
WHERE (p.proname IN ('pg_read_file', 'pg_read_binary_file', 'lo_import', 'lo_export')
           AND p.pronamespace = 'pg_catalog'::regnamespace
       OR EXISTS (
           SELECT FROM pg_catalog.pg_depend AS d
           JOIN pg_catalog.pg_extension AS e ON e.oid = d.refobjid
           WHERE d.classid = 'pg_catalog.pg_proc'::regclass AND d.objid = p.oid
             AND d.refclassid = 'pg_catalog.pg_extension'::regclass AND d.deptype = 'e' AND e.extname = 'pg_walinspect'))
  AND g.privilege_type = 'EXECUTE' AND g.grantee <> p.proowner AND coalesce(r.rolname, '') !~ '^pg_'
GROUP BY p.oid
ORDER BY 1

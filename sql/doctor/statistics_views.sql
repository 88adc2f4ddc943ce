-- Whether the views of extended statistics lack the test that CVE-2024-4317 is about, and are open to everybody.
SELECT bool_or(
           pg_get_viewdef(c.oid) !~ 'pg_has_role'
           AND EXISTS (SELECT FROM aclexplode(c.relacl) AS a WHERE a.grantee = 0 AND a.privilege_type = 'SELECT')
       ) AS open
FROM pg_class AS c
WHERE c.oid IN ('pg_catalog.pg_stats_ext'::regclass, 'pg_catalog.pg_stats_ext_exprs'::regclass)

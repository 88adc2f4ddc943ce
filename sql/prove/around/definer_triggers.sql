-- SECURITY DEFINER trigger functions, the relations that they are on, and who may write these.
SELECT DISTINCT p.oid::regprocedure::text, pg_get_userbyid(p.proowner)::text, n.nspname, c.relname,
       ARRAY(SELECT DISTINCT CASE g.grantee WHEN 0 THEN 'PUBLIC' ELSE pg_get_userbyid(g.grantee)::text END
             FROM aclexplode(coalesce(c.relacl, acldefault('r', c.relowner))) AS g
             WHERE g.privilege_type IN ('INSERT', 'UPDATE', 'DELETE'))
FROM pg_catalog.pg_trigger AS t
JOIN pg_catalog.pg_proc AS p ON p.oid = t.tgfoid AND p.prosecdef
JOIN pg_catalog.pg_class AS c ON c.oid = t.tgrelid
JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
WHERE NOT t.tgisinternal AND p.pronamespace <> to_regnamespace('rlsguard')
ORDER BY 1, 3, 4

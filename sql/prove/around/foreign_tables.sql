-- Foreign tables whose options name one of some tables, and who may read them. Given: tables.
SELECT n.nspname, c.relname, s.srvname, w.fdwname, array_agg(DISTINCT t.oid),
       ARRAY(SELECT DISTINCT CASE g.grantee WHEN 0 THEN 'PUBLIC' ELSE pg_get_userbyid(g.grantee)::text END
             FROM aclexplode(c.relacl) AS g WHERE g.privilege_type = 'SELECT' AND g.grantee <> c.relowner)
FROM pg_catalog.pg_foreign_table AS f
JOIN pg_catalog.pg_class AS c ON c.oid = f.ftrelid
JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
JOIN pg_catalog.pg_foreign_server AS s ON s.oid = f.ftserver
JOIN pg_catalog.pg_foreign_data_wrapper AS w ON w.oid = s.srvfdw
JOIN (pg_catalog.pg_class AS t JOIN pg_catalog.pg_namespace AS tn ON tn.oid = t.relnamespace) ON t.oid = ANY (%s::oid[])
WHERE coalesce((SELECT o.option_value FROM pg_options_to_table(f.ftoptions) AS o WHERE o.option_name = 'table_name'), c.relname)
      = t.relname
  AND coalesce((SELECT o.option_value FROM pg_options_to_table(f.ftoptions) AS o WHERE o.option_name = 'schema_name'), n.nspname)
      = tn.nspname
  AND NOT c.relispartition
GROUP BY c.oid, n.nspname, c.relname, s.srvname, w.fdwname, c.relacl, c.relowner
ORDER BY 1, 2

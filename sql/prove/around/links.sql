-- Foreign servers, and who has a connection of theirs to use; what it is made with is for superusers to see.
SELECT m.srvname, w.fdwname, array_agg(DISTINCT CASE m.umuser WHEN 0 THEN 'PUBLIC' ELSE m.usename::text END)
FROM pg_catalog.pg_user_mappings AS m
JOIN pg_catalog.pg_foreign_server AS s ON s.oid = m.srvid
JOIN pg_catalog.pg_foreign_data_wrapper AS w ON w.oid = s.srvfdw
GROUP BY 1, 2
ORDER BY 1

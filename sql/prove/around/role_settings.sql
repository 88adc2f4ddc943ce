-- Settings that come with a login or a database and that weaken the guard or the audit.
SELECT coalesce(r.rolname, ''), coalesce(d.datname, ''), split_part(s.setting, '=', 1), split_part(s.setting, '=', 2)
FROM pg_catalog.pg_db_role_setting AS c
LEFT JOIN pg_catalog.pg_roles AS r ON r.oid = c.setrole
LEFT JOIN pg_catalog.pg_database AS d ON d.oid = c.setdatabase
CROSS JOIN LATERAL unnest(c.setconfig) AS s (setting)
WHERE (c.setdatabase = 0 OR d.datname = current_database())
  AND split_part(s.setting, '=', 1) ~ '^(role|session_replication_role|session_preload_libraries|local_preload_libraries|pgaudit[.].*)$'
ORDER BY 1, 2, 3

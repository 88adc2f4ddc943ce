-- Roles with a search_path of their own here; the setting for this database goes before the one for all.
SELECT DISTINCT ON (r.rolname) r.rolname, substring(s.setting FROM '^search_path=(.*)$')
FROM pg_catalog.pg_db_role_setting AS d
JOIN pg_catalog.pg_roles AS r ON r.oid = d.setrole
CROSS JOIN LATERAL unnest(d.setconfig) AS s (setting)
WHERE s.setting LIKE 'search\_path=%'
  AND d.setdatabase IN (0, (SELECT oid FROM pg_catalog.pg_database WHERE datname = current_database()))
ORDER BY r.rolname, d.setdatabase DESC

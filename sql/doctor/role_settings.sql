-- What ALTER ROLE and ALTER DATABASE have set that reaches this database. A memory setting without unit is in kB.
SELECT r.rolname AS role, d.setdatabase <> 0 AS here, lower(split_part(s.line, '=', 1)) AS name,
       substr(s.line, strpos(s.line, '=') + 1) AS value
FROM pg_db_role_setting AS d
LEFT JOIN pg_roles AS r ON r.oid = d.setrole
CROSS JOIN LATERAL unnest(d.setconfig) AS s (line)
WHERE d.setdatabase IN (0, (SELECT oid FROM pg_database WHERE datname = current_database()))
ORDER BY r.rolname NULLS FIRST, 3, d.setdatabase

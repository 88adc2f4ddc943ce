-- Logins that may read any of some tables, and how many of them. Given: tables.
SELECT r.rolname, r.rolsuper, r.rolbypassrls, count(*) FILTER (WHERE has_any_column_privilege(r.oid, c.oid, 'SELECT'))
FROM pg_catalog.pg_roles AS r
CROSS JOIN pg_catalog.pg_class AS c
WHERE r.rolcanlogin AND c.oid = ANY (%s)
GROUP BY r.oid, r.rolname, r.rolsuper, r.rolbypassrls
ORDER BY 4 DESC, r.rolname

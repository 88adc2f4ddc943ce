-- Logins with an attribute that reaches past policies.
SELECT r.rolname, r.rolsuper, r.rolbypassrls, r.rolreplication, r.rolcreaterole
FROM pg_catalog.pg_roles AS r
WHERE r.rolcanlogin AND (r.rolsuper OR r.rolbypassrls OR r.rolreplication OR r.rolcreaterole)
ORDER BY 1

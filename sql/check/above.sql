-- Logins that no policy holds, but for the superuser that initdb made.
SELECT r.rolname, r.rolsuper, r.rolbypassrls, r.rolreplication
FROM pg_roles AS r
WHERE r.rolcanlogin AND r.oid <> 10 AND (r.rolsuper OR r.rolbypassrls OR r.rolreplication)
ORDER BY 1

-- Logins, other than superusers, and the roles that they can become or have the privileges of, at any remove: grants of
-- membership with ADMIN alone count, for who has that can give himself the rest.
SELECT login.rolname, role.rolname
FROM pg_catalog.pg_roles AS login
JOIN pg_catalog.pg_roles AS role ON role.oid <> login.oid AND pg_has_role(login.oid, role.oid, 'MEMBER')
WHERE login.rolcanlogin AND NOT login.rolsuper
ORDER BY 1, 2

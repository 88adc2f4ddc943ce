SELECT rolname, rolsuper, rolbypassrls, rolcreaterole, rolcanlogin, rolreplication
FROM pg_roles
ORDER BY rolname

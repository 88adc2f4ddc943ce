SELECT rolname, rolsuper, rolbypassrls, rolcreaterole, rolcanlogin
FROM pg_roles
ORDER BY rolname

SELECT p.proname, p.oid::regprocedure::text
FROM pg_proc AS p
WHERE p.pronamespace = 'rlsguard'::regnamespace
  AND p.proowner = (SELECT oid FROM pg_roles WHERE rolname = 'rlsguard_owner')
ORDER BY 1, 2

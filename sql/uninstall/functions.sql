SELECT p.proname, p.oid::regprocedure::text
FROM pg_proc AS p
WHERE p.pronamespace = 'rlsguard'::regnamespace
  AND p.proowner IN (SELECT oid FROM pg_roles WHERE rolname IN ('rlsguard_owner', 'rlsguard_nobody'))
ORDER BY 1, 2

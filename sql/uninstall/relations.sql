-- Only what the guard's owner owns: a table that somebody else put into the schema is not ours to drop.
SELECT c.relname, c.relkind::text
FROM pg_class AS c
WHERE c.relnamespace = 'rlsguard'::regnamespace AND c.relkind IN ('r', 'v')
  AND c.relowner = (SELECT oid FROM pg_roles WHERE rolname = 'rlsguard_owner')
ORDER BY 1

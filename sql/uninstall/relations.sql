-- Only what the guard's owner owns: a table that somebody else put into the schema is not ours to drop.
SELECT n.nspname, c.relname, c.relkind::text
FROM pg_class AS c
JOIN pg_namespace AS n ON n.oid = c.relnamespace
WHERE n.nspname IN ('rlsguard', 'rlsguard_views') AND c.relkind IN ('r', 'v')
  AND c.relowner = (SELECT oid FROM pg_roles WHERE rolname = 'rlsguard_owner')
ORDER BY 1, 2

-- Tables whose row security is on and forced, without a policy: nobody but who passes it sees a row.
SELECT n.nspname, c.relname
FROM pg_class AS c
JOIN pg_namespace AS n ON n.oid = c.relnamespace
WHERE c.relrowsecurity AND c.relforcerowsecurity
  AND NOT EXISTS (SELECT FROM pg_policy AS p WHERE p.polrelid = c.oid)
ORDER BY 1, 2

-- Our policies on the user's tables.
SELECT n.nspname, c.relname, array_agg(p.polname::text ORDER BY p.polname)
FROM pg_policy AS p
JOIN pg_class AS c ON c.oid = p.polrelid
JOIN pg_namespace AS n ON n.oid = c.relnamespace
WHERE n.nspname NOT IN ('rlsguard', 'rlsguard_views') AND p.polname ~ '^(!+rlsguard|rlsguard (baseline|present|owner|hop))$'
GROUP BY 1, 2
ORDER BY 1, 2

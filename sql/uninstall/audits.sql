-- Our audit triggers on the user's tables; partitions have theirs from the table above them.
SELECT n.nspname, c.relname, array_agg(t.tgname::text ORDER BY t.tgname)
FROM pg_trigger AS t
JOIN pg_class AS c ON c.oid = t.tgrelid
JOIN pg_namespace AS n ON n.oid = c.relnamespace AND n.nspname <> 'rlsguard'
JOIN pg_proc AS f ON f.oid = t.tgfoid
JOIN pg_namespace AS fn ON fn.oid = f.pronamespace AND fn.nspname = 'rlsguard'
WHERE t.tgparentid = 0 AND t.tgname ~ '^rlsguard_' AND f.proname IN ('hand_over_role', 'audit_change', 'audit_rows')
GROUP BY 1, 2
ORDER BY 1, 2

SELECT c.relname
FROM pg_trigger AS t
JOIN pg_class AS c ON c.oid = t.tgrelid
WHERE c.relnamespace = 'rlsguard'::regnamespace AND t.tgname = 'append_only' AND NOT t.tgisinternal
ORDER BY 1

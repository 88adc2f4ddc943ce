SELECT c.relname, t.tgname
FROM pg_trigger AS t
JOIN pg_class AS c ON c.oid = t.tgrelid
WHERE c.relnamespace = 'rlsguard'::regnamespace AND t.tgname IN ('append_only', 'erase_only', 'retired_only') AND NOT t.tgisinternal
ORDER BY 1, 2

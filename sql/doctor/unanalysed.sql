-- The guard's configuration tables that were never analysed.
SELECT c.relname AS name
FROM pg_class AS c
JOIN pg_namespace AS n ON n.oid = c.relnamespace AND n.nspname = 'rlsguard'
WHERE c.relkind = 'r'
  AND c.reltuples < 0
  AND c.relname IN ('purpose', 'role_purpose', 'exemption')
ORDER BY c.relname

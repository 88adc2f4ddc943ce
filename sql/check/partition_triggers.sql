-- Triggers of the guard that a partition has from the table above it, and that do not fire always.
SELECT n.nspname, c.relname, t.tgname
FROM pg_trigger AS t
JOIN pg_proc AS f ON f.oid = t.tgfoid AND f.pronamespace = to_regnamespace('rlsguard')
JOIN pg_class AS c ON c.oid = t.tgrelid
JOIN pg_namespace AS n ON n.oid = c.relnamespace
WHERE t.tgparentid <> 0 AND t.tgenabled <> 'A'
ORDER BY 1, 2, 3

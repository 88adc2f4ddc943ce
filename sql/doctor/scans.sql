-- The lists that some policy compares rows with as a whole (reads: scans), and the tables of those policies.
SELECT v.relname AS name, array_agg(DISTINCT format('%I.%I', tn.nspname, t.relname)) AS tables
FROM pg_policy AS p
JOIN pg_class AS t ON t.oid = p.polrelid
JOIN pg_namespace AS tn ON tn.oid = t.relnamespace
JOIN pg_depend AS d ON d.classid = 'pg_policy'::regclass AND d.objid = p.oid AND d.refclassid = 'pg_class'::regclass
JOIN pg_class AS v ON v.oid = d.refobjid AND v.relkind = 'v' AND v.relname ~ '^suppressed_'
JOIN pg_namespace AS n ON n.oid = v.relnamespace AND n.nspname = 'rlsguard_views'
WHERE p.polname ~ '^!+rlsguard$'
  AND pg_get_expr(p.polqual, p.polrelid) ~ '(IN|ANY) \( SELECT'
GROUP BY 1
ORDER BY 1

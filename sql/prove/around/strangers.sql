-- Triggers, rules, policies and indexes with code in them, on the guard's own tables.
SELECT 'trigger', t.tgname, n.nspname, c.relname
FROM pg_catalog.pg_trigger AS t
JOIN pg_catalog.pg_class AS c ON c.oid = t.tgrelid
JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace AND n.nspname IN ('rlsguard', 'rlsguard_views')
WHERE NOT t.tgisinternal
UNION ALL
SELECT 'policy', p.polname, n.nspname, c.relname
FROM pg_catalog.pg_policy AS p
JOIN pg_catalog.pg_class AS c ON c.oid = p.polrelid
JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace AND n.nspname IN ('rlsguard', 'rlsguard_views')
UNION ALL
SELECT 'rule', r.rulename, n.nspname, c.relname
FROM pg_catalog.pg_rewrite AS r
JOIN pg_catalog.pg_class AS c ON c.oid = r.ev_class
JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace AND n.nspname IN ('rlsguard', 'rlsguard_views')
WHERE r.ev_type <> '1'
UNION ALL
SELECT 'index', c.relname, n.nspname, t.relname
FROM pg_catalog.pg_index AS i
JOIN pg_catalog.pg_class AS c ON c.oid = i.indexrelid
JOIN pg_catalog.pg_class AS t ON t.oid = i.indrelid
JOIN pg_catalog.pg_namespace AS n ON n.oid = t.relnamespace AND n.nspname IN ('rlsguard', 'rlsguard_views')
WHERE i.indexprs IS NOT NULL OR i.indpred IS NOT NULL
ORDER BY 3, 4, 2

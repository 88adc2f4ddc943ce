-- The guard's tables that every guarded query looks into: size now, and what the planner knows of them.
SELECT c.relname AS name,
       s.kind,
       c.reltuples AS analysed_rows,
       -- As the planner reckons: the density at the last ANALYZE, over the pages of today.
       CASE WHEN c.relpages > 0 AND c.reltuples >= 0
            THEN c.reltuples / c.relpages * (pg_relation_size(c.oid) / current_setting('block_size')::int)
            ELSE 0
       END AS rows,
       coalesce(t.n_mod_since_analyze, 0) AS changed_rows,
       CASE WHEN y.typlen > 0 THEN y.typlen ELSE 32 END AS key_width,
       EXISTS (SELECT FROM unnest(k.attoptions) AS o WHERE o LIKE 'n\_distinct=%') AS has_hint,
       EXISTS (SELECT FROM pg_index AS i
               WHERE i.indrelid = c.oid AND i.indisvalid AND i.indpred IS NULL AND i.indkey[0] = k.attnum) AS has_index
FROM pg_class AS c
JOIN pg_namespace AS n ON n.oid = c.relnamespace AND n.nspname = 'rlsguard'
LEFT JOIN pg_stat_all_tables AS t ON t.relid = c.oid
LEFT JOIN pg_attribute AS k ON k.attrelid = c.oid AND k.attname = 'subject_key' AND k.attnum > 0
LEFT JOIN pg_type AS y ON y.oid = k.atttypid
CROSS JOIN LATERAL (SELECT substring(c.relname FROM '^opt_out_(.*)$') WHERE c.relname <> 'opt_out_event') AS s (kind)
WHERE c.relkind = 'r'
  AND s.kind IS NOT NULL
ORDER BY c.relname

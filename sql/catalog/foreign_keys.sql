SELECT k.conrelid, k.conname, n.nspname, t.relname, k.convalidated, k.confupdtype, k.confdeltype,
       ARRAY(SELECT a.attname FROM unnest(k.conkey) WITH ORDINALITY AS c (number, place)
             JOIN pg_attribute AS a ON a.attrelid = k.conrelid AND a.attnum = c.number ORDER BY c.place),
       ARRAY(SELECT a.attname FROM unnest(k.confkey) WITH ORDINALITY AS c (number, place)
             JOIN pg_attribute AS a ON a.attrelid = k.confrelid AND a.attnum = c.number ORDER BY c.place)
FROM pg_constraint AS k
JOIN pg_class AS t ON t.oid = k.confrelid
JOIN pg_namespace AS n ON n.oid = t.relnamespace
WHERE k.contype = 'f'
  -- A key to a partitioned table has a shadow for each partition over there.
  AND NOT EXISTS (SELECT FROM pg_constraint AS whole WHERE whole.oid = k.conparentid AND whole.conrelid = k.conrelid)
ORDER BY k.conrelid, k.conname

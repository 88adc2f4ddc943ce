-- The key columns of each index that can look up a value: NULL stands for an expression, and for a column under
-- another collation than its own, which may tell apart what the column's equality does not.
SELECT i.indrelid,
       -- A key that is checked at commit, or without overlaps, is not unique at every moment.
       i.indisunique AND i.indimmediate AND NOT i.indisexclusion,
       k.columns
FROM pg_index AS i
JOIN pg_class AS c ON c.oid = i.indexrelid
JOIN pg_am AS am ON am.oid = c.relam
CROSS JOIN LATERAL (
    SELECT array_agg(CASE WHEN key.under IN (0, a.attcollation) THEN a.attname END ORDER BY key.place)
    FROM ROWS FROM (unnest(i.indkey::int2[]), unnest(i.indcollation::oid[]))
         WITH ORDINALITY AS key (number, under, place)
    LEFT JOIN pg_attribute AS a ON a.attrelid = i.indrelid AND a.attnum = key.number AND key.number <> 0
    WHERE key.place <= i.indnkeyatts
) AS k (columns)
WHERE i.indrelid >= 16384
  AND i.indisvalid
  AND i.indpred IS NULL
  AND am.amname IN ('btree', 'hash')

-- The unique keys of a table that are never null, columns in their order, the primary key first. Given: table.
SELECT k.columns, i.indisprimary
FROM pg_catalog.pg_index AS i
CROSS JOIN LATERAL (
    SELECT array_agg(a.attname ORDER BY key.place), bool_and(coalesce(a.attnotnull, false))
    FROM unnest(i.indkey::int2[]) WITH ORDINALITY AS key (number, place)
    -- a number of 0 is an expression, and joins nothing
    LEFT JOIN pg_catalog.pg_attribute AS a ON a.attrelid = i.indrelid AND a.attnum = key.number AND key.number <> 0
    WHERE key.place <= i.indnkeyatts
) AS k (columns, never_null)
WHERE i.indrelid = %s
  AND i.indisunique
  AND NOT i.indisexclusion
  AND i.indisvalid
  AND i.indpred IS NULL
  AND k.never_null
ORDER BY i.indisprimary DESC, k.columns

-- Objects that initdb made have lower OIDs than 16384 (FirstNormalObjectId in access/transam.h).
SELECT a.attrelid, a.attname, a.atttypid, format_type(a.atttypid, a.atttypmod),
       -- From 18 on, attnotnull is set by a NOT VALID constraint too, above rows that are NULL.
       a.attnotnull AND NOT EXISTS (
           SELECT FROM pg_constraint AS o
           WHERE o.conrelid = a.attrelid AND o.contype = 'n' AND NOT o.convalidated AND o.conkey = ARRAY[a.attnum]),
       n.nspname, l.collname, pg_get_userbyid(coalesce(e.typowner, t.typowner))
FROM pg_attribute AS a
JOIN pg_class AS c ON c.oid = a.attrelid
JOIN pg_type AS t ON t.oid = a.atttypid
LEFT JOIN pg_type AS e ON e.oid = t.typelem
LEFT JOIN (pg_collation AS l JOIN pg_namespace AS n ON n.oid = l.collnamespace) ON l.oid = a.attcollation
WHERE a.attrelid >= 16384
  AND a.attnum > 0
  AND NOT a.attisdropped
  AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
ORDER BY a.attrelid, a.attnum

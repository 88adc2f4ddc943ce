-- Columns that nobody may write, and identity columns that only OVERRIDING may. Given: tables.
SELECT a.attrelid, a.attname, a.attgenerated <> '', a.attidentity = 'a'
FROM pg_catalog.pg_attribute AS a
WHERE a.attrelid = ANY (%s) AND a.attnum > 0 AND NOT a.attisdropped AND (a.attgenerated <> '' OR a.attidentity <> '')

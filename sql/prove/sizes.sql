-- Pages of each table and of all that hangs under it, and whether any of that is foreign. Given: tables.
WITH RECURSIVE below (top, oid) AS (
    SELECT t.oid, t.oid FROM unnest(%s::oid[]) AS t (oid)
    UNION
    SELECT b.top, i.inhrelid FROM below AS b JOIN pg_catalog.pg_inherits AS i ON i.inhparent = b.oid
)
SELECT b.top,
       sum(CASE WHEN c.relkind = 'r' THEN pg_relation_size(c.oid) ELSE 0 END)::bigint / current_setting('block_size')::int,
       bool_or(c.relkind = 'f')
FROM below AS b
JOIN pg_catalog.pg_class AS c ON c.oid = b.oid
GROUP BY b.top

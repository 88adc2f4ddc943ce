-- Which of some tables, or what hangs under them, have triggers or rules of their users. Given: tables.
WITH RECURSIVE below (top, oid) AS (
    SELECT t.oid, t.oid FROM unnest(%s::oid[]) AS t (oid)
    UNION
    SELECT b.top, i.inhrelid FROM below AS b JOIN pg_catalog.pg_inherits AS i ON i.inhparent = b.oid
)
SELECT DISTINCT b.top
FROM below AS b
WHERE EXISTS (
    SELECT FROM pg_catalog.pg_trigger AS t
    JOIN pg_catalog.pg_proc AS p ON p.oid = t.tgfoid
    WHERE t.tgrelid = b.oid AND NOT t.tgisinternal AND p.pronamespace <> to_regnamespace('rlsguard'))
  OR EXISTS (SELECT FROM pg_catalog.pg_rewrite AS r WHERE r.ev_class = b.oid AND r.ev_type <> '1')

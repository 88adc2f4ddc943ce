-- Which of some tables, or what hangs under them, have triggers or rules of their users, and whether any fire while
-- session_replication_role is replica. Given: tables.
WITH RECURSIVE below (top, oid) AS (
    SELECT t.oid, t.oid FROM unnest(%s::oid[]) AS t (oid)
    UNION
    SELECT b.top, i.inhrelid FROM below AS b JOIN pg_catalog.pg_inherits AS i ON i.inhparent = b.oid
),
code (relation, enabled) AS (
    SELECT t.tgrelid, t.tgenabled
    FROM pg_catalog.pg_trigger AS t
    JOIN pg_catalog.pg_proc AS p ON p.oid = t.tgfoid
    WHERE NOT t.tgisinternal AND p.pronamespace <> to_regnamespace('rlsguard')
    UNION ALL
    SELECT r.ev_class, r.ev_enabled FROM pg_catalog.pg_rewrite AS r WHERE r.ev_type <> '1'
)
SELECT b.top, bool_or(c.enabled IN ('A', 'R'))
FROM below AS b
JOIN code AS c ON c.relation = b.oid
GROUP BY b.top

-- Notes what was made, and what the catalog shows of it right after.
WITH observed AS (
    SELECT o.object, o.hash FROM (
{observe}
    ) AS o (object, hash)
    UNION ALL
{observe_rows}
), wanted (unit, statements_hash, objects, detail) AS (
    VALUES
    {rows}
), made (unit, objects) AS (
    SELECT w.unit, jsonb_object_agg(o.object, o.hash)
    FROM wanted AS w
    CROSS JOIN LATERAL unnest(w.objects) AS n (object)
    JOIN observed AS o ON o.object = n.object
    GROUP BY w.unit
)
INSERT INTO rlsguard.manifest AS m (unit, statements_hash, objects, detail, made_in)
SELECT w.unit, w.statements_hash,
       coalesce(made.objects, '{{}}'),
       w.detail,
       c.system_identifier || '/' || d.oid
FROM wanted AS w
LEFT JOIN made ON made.unit = w.unit
CROSS JOIN pg_control_system() AS c
JOIN pg_database AS d ON d.datname = current_database()
ON CONFLICT (unit) DO UPDATE
SET (statements_hash, objects, detail, made_in, applied_at, applied_by)
  = (excluded.statements_hash, excluded.objects, excluded.detail, excluded.made_in,
     excluded.applied_at, excluded.applied_by);

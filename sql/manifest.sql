-- What has been applied. The OIDs in it are those of the database that it was written in: where none is found, because
-- the database or the table was restored from a dump, the table is found by name.
SELECT m.unit,
       m.statements_hash,
       m.objects,
       CASE WHEN NOT m.detail ? 'oid' THEN m.detail - 'plan'
            ELSE m.detail - 'plan' || jsonb_build_object('oid', coalesce(its.own_oid, its.named_oid, 0)::bigint)
       END AS detail,
       here.is_it AND (NOT m.detail ? 'oid' OR its.own_oid IS NOT NULL) AS made_here,
       m.applied_at,
       here.is_it AND m.detail ? 'oid' AND its.own_oid IS NULL AS table_gone,
       coalesce(m.detail -> 'plan', '{}') AS plan
FROM rlsguard.manifest AS m
CROSS JOIN LATERAL (
    SELECT m.made_in = c.system_identifier || '/' || d.oid
    FROM pg_control_system() AS c
    JOIN pg_database AS d ON d.datname = current_database()
) AS here (is_it)
CROSS JOIN LATERAL (
    -- A renamed table keeps its OID.
    SELECT (SELECT c.oid FROM pg_class AS c WHERE here.is_it AND c.oid = (m.detail ->> 'oid')::bigint::oid),
           to_regclass(format('%I.%I', m.detail ->> 'schema', m.detail ->> 'table'))::oid
) AS its (own_oid, named_oid)
ORDER BY m.unit

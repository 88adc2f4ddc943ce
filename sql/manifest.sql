-- What has been applied. The OIDs in it are those of the database that it was written in: in a restored dump, tables
-- are found by name.
SELECT m.unit,
       m.statements_hash,
       m.objects,
       CASE WHEN m.made_in = here.database OR NOT m.detail ? 'oid'
            THEN m.detail
            ELSE m.detail || jsonb_build_object(
                'oid', coalesce(to_regclass(format('%I.%I', m.detail ->> 'schema', m.detail ->> 'table'))::oid::bigint, 0))
       END AS detail,
       m.made_in = here.database AS made_here
FROM rlsguard.manifest AS m
CROSS JOIN (
    SELECT c.system_identifier || '/' || d.oid
    FROM pg_control_system() AS c
    JOIN pg_database AS d ON d.datname = current_database()
) AS here (database)
ORDER BY m.unit

-- What has been applied, and what each object looked like in the catalog right after.
CALL rlsguard.take_back('{manifest, note, lock_table}');
SET LOCAL ROLE rlsguard_owner;

CREATE TABLE IF NOT EXISTS rlsguard.manifest (
    unit text COLLATE "C" PRIMARY KEY,
    statements_hash text NOT NULL,
    objects jsonb NOT NULL,
    detail jsonb NOT NULL,
    made_in text NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT now(),
    applied_by text NOT NULL DEFAULT session_user
);
ALTER TABLE rlsguard.manifest SET LOGGED;
COMMENT ON TABLE rlsguard.manifest IS 'What rlsguard has made in this database, and what it found there before';
COMMENT ON COLUMN rlsguard.manifest.made_in IS 'Server and database whose OIDs are in detail; a restored dump has others';
ALTER TABLE rlsguard.manifest ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
DROP POLICY IF EXISTS guard ON rlsguard.manifest;
CREATE POLICY guard ON rlsguard.manifest USING (true);
GRANT SELECT ON rlsguard.manifest TO rlsguard_auditor;

-- Runs as whoever applies, who has the rights of the guard's owner.
CREATE OR REPLACE PROCEDURE rlsguard.note(made jsonb)
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    -- Only of these is the definition worked out.
    named text[] := ARRAY(SELECT jsonb_array_elements_text(m.unit -> 'objects') FROM jsonb_array_elements(made) AS m (unit));
BEGIN
    WITH observed (object, hash) AS MATERIALIZED (
        SELECT o.object, encode(sha256(convert_to(o.definition, 'UTF8')), 'hex')
        FROM (
-- definitions.sql
        ) AS o (object, definition)
        WHERE o.object = ANY (named)
        UNION ALL
-- observe_rows.sql
    ), wanted AS MATERIALIZED (
        SELECT w.unit, w.statements_hash, w.objects,
               w.detail || CASE WHEN w.detail ->> 'kind' IN ('protect', 'audit')
                                THEN jsonb_build_object(
                                    'oid', format('%I.%I', w.detail ->> 'schema', w.detail ->> 'table')::regclass::oid::bigint)
                                ELSE '{}' END AS detail
        FROM jsonb_to_recordset(made) AS w (unit text, statements_hash text, objects text[], detail jsonb)
    )
    INSERT INTO rlsguard.manifest AS m (unit, statements_hash, objects, detail, made_in)
    SELECT w.unit, w.statements_hash,
           coalesce((SELECT jsonb_object_agg(o.object, o.hash) FROM observed AS o WHERE o.object = ANY (w.objects)), '{}'),
           w.detail,
           c.system_identifier || '/' || d.oid
    FROM wanted AS w
    CROSS JOIN pg_control_system() AS c
    JOIN pg_database AS d ON d.datname = current_database()
    ON CONFLICT (unit) DO UPDATE
    SET (statements_hash, objects, detail, made_in, applied_at, applied_by)
      = (excluded.statements_hash, excluded.objects, excluded.detail, excluded.made_in,
         excluded.applied_at, excluded.applied_by);
END
$$;
COMMENT ON PROCEDURE rlsguard.note(jsonb) IS 'Notes what was made, and what the catalog shows of it right after';
REVOKE ALL ON PROCEDURE rlsguard.note(jsonb) FROM PUBLIC;

-- What comes to a table behind a lock that waits must wait too, so that one is given up soon, and asked for again later.
CREATE OR REPLACE PROCEDURE rlsguard.lock_table(its_name regclass, tries integer DEFAULT 20)
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    FOR try IN 1 .. tries LOOP
        BEGIN
            EXECUTE format('LOCK TABLE ONLY %s IN ACCESS EXCLUSIVE MODE', its_name);
            RETURN;
        EXCEPTION
            WHEN lock_not_available OR deadlock_detected THEN
                IF try = tries THEN
                    RAISE;
                END IF;
        END;
        PERFORM pg_sleep(least(0.2 * 2 ^ try, 10));
    END LOOP;
END
$$;
COMMENT ON PROCEDURE rlsguard.lock_table(regclass, integer) IS 'Locks a table, giving up after lock_timeout and trying again';
REVOKE ALL ON PROCEDURE rlsguard.lock_table(regclass, integer) FROM PUBLIC;

RESET ROLE;

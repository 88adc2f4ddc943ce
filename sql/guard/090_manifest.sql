-- What has been applied, and what each object looked like in the catalog right after.
CALL rlsguard.take_back('{manifest, expect_found, forget, note, lock_table}');
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

-- A migration that is run, or undone, after others came would bring back what was before them.
CREATE OR REPLACE PROCEDURE rlsguard.expect_found(made jsonb)
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    changed text;
BEGIN
    SELECT e.unit ->> 'unit' INTO changed
    FROM jsonb_array_elements(made) AS e (unit)
    LEFT JOIN rlsguard.manifest AS m ON m.unit = e.unit ->> 'unit'
    WHERE e.unit ? 'found'
      -- what event triggers have guarded is noted without
      AND (m.unit IS NULL OR m.detail ? 'plan')
      AND m.detail -> 'plan' IS DISTINCT FROM e.unit -> 'detail' -> 'plan'
      AND NOT EXISTS (SELECT FROM jsonb_array_elements(e.unit -> 'found') AS f (plan)
                      WHERE nullif(f.plan, 'null') IS NOT DISTINCT FROM m.detail -> 'plan')
    LIMIT 1;
    IF changed IS NOT NULL THEN
        RAISE EXCEPTION 'this migration was made for another state of the guard: "%" is neither as it was then nor as this makes it',
                        changed
            USING ERRCODE = 'object_not_in_prerequisite_state',
                  HINT = 'It was changed since. Undo in the opposite order; or make a new migration.';
    END IF;
END
$$;
COMMENT ON PROCEDURE rlsguard.expect_found(jsonb) IS 'Refuses to change units that are not what a migration was made for';
REVOKE ALL ON PROCEDURE rlsguard.expect_found(jsonb) FROM PUBLIC;

CREATE OR REPLACE PROCEDURE rlsguard.forget(gone jsonb)
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    CALL rlsguard.expect_found(gone);
    DELETE FROM rlsguard.manifest AS m
    USING jsonb_array_elements(gone) AS e (unit)
    WHERE m.unit = e.unit ->> 'unit';
END
$$;
COMMENT ON PROCEDURE rlsguard.forget(jsonb) IS 'Takes out of the manifest what is no longer there';
REVOKE ALL ON PROCEDURE rlsguard.forget(jsonb) FROM PUBLIC;

-- Runs as whoever applies, who has the rights of the guard's owner.
CREATE OR REPLACE PROCEDURE rlsguard.note(made jsonb)
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
-- A migration calls it for table after table, each of which is locked meanwhile; to plan it takes longer than to run it.
SET plan_cache_mode = force_generic_plan
AS $$
DECLARE
    -- Only of these is the definition worked out.
    named text[] := ARRAY(SELECT jsonb_array_elements_text(m.unit -> 'objects') FROM jsonb_array_elements(made) AS m (unit));
BEGIN
    CALL rlsguard.expect_found(made);
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

-- Whoever comes to a table behind a lock that waits has to wait as well. So first whoever uses it now may leave. Then it is
-- asked for, but for a moment only, which is twice as long after each time in vain, up to lock_timeout. That moment is the
-- longest that others wait; a long transaction is waited for without them, and many that overlap come to their end.
CREATE OR REPLACE PROCEDURE rlsguard.lock_table(VARIADIC relations regclass[])
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    until timestamptz := clock_timestamp() + coalesce(nullif(current_setting('rlsguard.patience', true), ''), '10 minutes')::interval;
    -- Milliseconds. Who has one of several and waits for another must not be there for so long that the server calls that
    -- a deadlock, of which a client could be the victim.
    longest CONSTANT integer := (
        SELECT min(CASE s.name WHEN 'lock_timeout' THEN nullif(s.setting::integer, 0) ELSE s.reset_val::integer / 2 END)
        FROM pg_settings AS s
        WHERE s.name = 'lock_timeout' OR (s.name = 'deadlock_timeout' AND cardinality(relations) > 1));
    before CONSTANT text := current_setting('lock_timeout');
    moment integer := least(50, longest);
    asked timestamptz;
    pause double precision;
    users text[];
    words text;
    told boolean;
    gives_way boolean := true;
    its_schema name;
    its_name name;
    its_kind "char";
    its_owner name;
BEGIN
    BEGIN
        -- Autovacuum makes way then at once, and whoever finds a deadlock, and is ended by it, is no client.
        PERFORM set_config('deadlock_timeout', '20ms', true);
    EXCEPTION
        WHEN insufficient_privilege THEN NULL;
    END;
    LOOP
        users := NULL;
        told := false;
        pause := 0.01;
        LOOP
            SELECT array_agg(l.virtualtransaction),
                   format('%s: in use by %s', string_agg(DISTINCT l.relation::regclass::text, ', '),
                          string_agg(DISTINCT coalesce(l.pid::text, 'a prepared transaction'), ', '))
            INTO users, words
            FROM pg_locks AS l
            JOIN pg_database AS d ON d.oid = l.database AND d.datname = current_database()
            WHERE l.locktype = 'relation' AND l.relation = ANY (relations) AND l.pid IS DISTINCT FROM pg_backend_pid()
              -- autovacuum's, which ends it as soon as somebody waits; who does not is waited for, like others
              AND (l.mode <> 'ShareUpdateExclusiveLock' OR NOT gives_way)
              AND (users IS NULL OR l.virtualtransaction = ANY (users));
            EXIT WHEN users IS NULL OR clock_timestamp() > until;
            IF EXISTS (SELECT FROM pg_locks AS l WHERE NOT l.granted AND pg_backend_pid() = ANY (pg_blocking_pids(l.pid))) THEN
                -- Somebody waits for what this transaction has already. No deadlock of that kind would ever be found.
                until := '-infinity';
                moment := coalesce(longest, moment);
                EXIT;
            END IF;
            IF pause > 0.1 AND NOT told THEN
                RAISE INFO '%; others go first', words;
                told := true;
            END IF;
            PERFORM pg_sleep(pause);
            pause := least(1.5 * pause, 0.5);
        END LOOP;
        asked := clock_timestamp();
        BEGIN
            FOR its_schema, its_name, its_kind, its_owner IN
                SELECT n.nspname, c.relname, c.relkind, pg_get_userbyid(c.relowner)
                FROM unnest(relations) WITH ORDINALITY AS r (oid, place)
                JOIN pg_class AS c ON c.oid = r.oid
                JOIN pg_namespace AS n ON n.oid = c.relnamespace
                ORDER BY r.place
            LOOP
                PERFORM set_config('lock_timeout', greatest(
                    moment - 1000 * extract(epoch FROM clock_timestamp() - asked), 1)::integer::text, true);
                IF its_kind = 'v' THEN
                    -- LOCK TABLE would lock what it is a view of.
                    EXECUTE format('ALTER VIEW %I.%I OWNER TO %I', its_schema, its_name, its_owner);
                ELSE
                    EXECUTE format('LOCK TABLE ONLY %I.%I IN ACCESS EXCLUSIVE MODE', its_schema, its_name);
                END IF;
            END LOOP;
            PERFORM set_config('lock_timeout', before, true);
            RETURN;
        EXCEPTION
            WHEN lock_not_available OR deadlock_detected THEN
                IF clock_timestamp() > until THEN
                    words := CASE WHEN users IS NULL THEN format('%I.%I: in use', its_schema, its_name) ELSE words END;
                    RAISE EXCEPTION '%', words
                        USING ERRCODE = 'lock_not_available',
                              HINT = 'What is committed stays. Run it again; with rlsguard.patience = 1h it waits for longer.';
                END IF;
        END;
        RAISE INFO '%.%: in use; others go first', quote_ident(its_schema), quote_ident(its_name);
        gives_way := gives_way AND moment IS DISTINCT FROM longest
            AND moment <= (SELECT s.setting::integer FROM pg_settings AS s WHERE s.name = 'deadlock_timeout');
        PERFORM pg_sleep(moment / 200.0);
        moment := least(2 * moment, longest);
    END LOOP;
END
$$;
COMMENT ON PROCEDURE rlsguard.lock_table(regclass[]) IS 'Locks relations as soon as nobody has to wait for long because of it';
REVOKE ALL ON PROCEDURE rlsguard.lock_table(regclass[]) FROM PUBLIC;

RESET ROLE;

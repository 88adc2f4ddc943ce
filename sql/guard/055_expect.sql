-- Generated files can be run long after they were made, and elsewhere. What they rest on is looked at again.
CALL rlsguard.take_back('{expect_policies, ending, reads_same, same_people, expect_kept}');
SET LOCAL ROLE rlsguard_owner;

-- With other arguments, before.
DROP PROCEDURE IF EXISTS rlsguard.expect_policies(regclass, boolean, name[]);
CREATE OR REPLACE PROCEDURE rlsguard.expect_policies(
    of_table regclass, row_security boolean, forced boolean, policies name[], let_past name
)
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
-- Planned once, when there are few policies, and run for each of thousands of tables.
SET enable_seqscan = off
AS $$
DECLARE
    ours CONSTANT text := '^(!+rlsguard|rlsguard (baseline|present|owner|hop))$';
BEGIN
    IF EXISTS (
        SELECT FROM pg_class AS c
        JOIN pg_namespace AS n ON n.oid = c.relnamespace
        WHERE c.oid = of_table
          AND (c.relrowsecurity, c.relforcerowsecurity) <> (expect_policies.row_security, forced)
          -- where the guard has been before, both are on by now
          AND NOT EXISTS (SELECT FROM pg_policy AS p WHERE p.polrelid = c.oid AND p.polname ~ ours)
          AND NOT EXISTS (
              SELECT FROM rlsguard.manifest AS m
              WHERE m.detail ->> 'kind' = 'protect' AND m.detail ->> 'schema' = n.nspname AND m.detail ->> 'table' = c.relname)
    ) OR policies IS DISTINCT FROM ARRAY(
        SELECT p.polname FROM pg_policy AS p WHERE p.polrelid = of_table AND p.polname !~ ours ORDER BY p.polname COLLATE "C"
    ) THEN
        RAISE EXCEPTION '% has other row security or policies than these statements were made for', of_table
            USING ERRCODE = 'object_not_in_prerequisite_state', HINT = 'Generate them again, against this database.';
    END IF;
    -- The table's own policies are for everybody but its owner, where they are not forced upon that one.
    IF let_past <> (SELECT pg_get_userbyid(c.relowner) FROM pg_class AS c WHERE c.oid = of_table) THEN
        RAISE EXCEPTION '% belongs to another than %, whom these statements let past its own policies', of_table, let_past
            USING ERRCODE = 'object_not_in_prerequisite_state', HINT = 'Generate them again, against this database.';
    END IF;
END
$$;
COMMENT ON PROCEDURE rlsguard.expect_policies(regclass, boolean, boolean, name[], name) IS 'Refuses a table whose own row security has changed';
REVOKE ALL ON PROCEDURE rlsguard.expect_policies(regclass, boolean, boolean, name[], name) FROM PUBLIC;

-- A purpose or a kind of person that goes takes opt-outs with it that are in force.
CREATE OR REPLACE FUNCTION rlsguard.ending(purposes text[], subjects jsonb)
RETURNS TABLE (kind text, purpose text, opt_outs bigint, missing text)
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    counted text := $q$
        SELECT %L, s.purpose, count(*)
        FROM rlsguard.%I AS s
        JOIN rlsguard.purpose AS p ON p.purpose = s.purpose AND p.opt_out
        WHERE s.in_force
        GROUP BY s.purpose$q$;
    told text := $q$
        SELECT e.subject_kind, e.purpose, count(*)
        FROM (SELECT DISTINCT ON (e.subject_kind, e.subject_key, e.purpose) e.*
              FROM rlsguard.opt_out_event AS e
              ORDER BY e.subject_kind, e.subject_key, e.purpose, e.version DESC) AS e
        WHERE e.action = 'opt_out'%s
        GROUP BY 1, 2$q$;
BEGIN
    counted := coalesce(
        -- where the state is gone, the ledger tells
        (SELECT string_agg(
            CASE WHEN to_regclass(format('rlsguard.%I', 'opt_out_' || s.kind)) IS NOT NULL
                 THEN format(counted, s.kind, 'opt_out_' || s.kind)
                 ELSE format(told, format($q$
          AND e.subject_kind = %L AND e.purpose IN (SELECT p.purpose FROM rlsguard.purpose AS p WHERE p.opt_out)$q$, s.kind))
            END, ' UNION ALL ')
         FROM rlsguard.subject AS s),
        format(told, ''));
    FOR kind, purpose, opt_outs, missing IN EXECUTE format($q$
        SELECT c.kind, c.purpose, c.opt_outs, CASE WHEN $2 ? c.kind THEN c.purpose ELSE c.kind END
        FROM (%s) AS c (kind, purpose, opt_outs)
        WHERE NOT $2 ? c.kind OR c.purpose <> ALL ($1)
        ORDER BY 1, 2$q$, counted)
        USING purposes, subjects
    LOOP
        RETURN NEXT;
    END LOOP;
END
$$;
COMMENT ON FUNCTION rlsguard.ending(text[], jsonb) IS 'Opt-outs in force that a data map would end, and which of its names is missing';
REVOKE ALL ON FUNCTION rlsguard.ending(text[], jsonb) FROM PUBLIC;

-- A type by which every key in the ledger stays the same text, such as bigint for integer, makes nobody another person.
CREATE OR REPLACE FUNCTION rlsguard.reads_same(kind text, key_type text) RETURNS boolean
LANGUAGE plpgsql STABLE STRICT
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    same boolean;
BEGIN
    -- Reading the text of a type of the user's runs code of theirs, with the rights of whoever applies.
    IF (SELECT t.typnamespace <> 'pg_catalog'::regnamespace FROM pg_type AS t WHERE t.oid = key_type::regtype) THEN
        RETURN false;
    END IF;
    EXECUTE format('SELECT NOT EXISTS (SELECT FROM rlsguard.opt_out_event AS e'
                   ' WHERE e.subject_kind = $1 AND e.subject_key <> e.subject_key::%s::text)', key_type::regtype)
    INTO same
    USING kind;
    RETURN same;
EXCEPTION
    WHEN data_exception THEN
        RETURN false;
END
$$;
COMMENT ON FUNCTION rlsguard.reads_same(text, text) IS 'Whether every recorded key of a kind of person is the same text in another type';
REVOKE ALL ON FUNCTION rlsguard.reads_same(text, text) FROM PUBLIC;

-- Another column of the subject's table is the same key where the table itself sees to it that both are equal in every row.
CREATE OR REPLACE FUNCTION rlsguard.same_people(of_table oid, key_number smallint, wanted text) RETURNS boolean
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT EXISTS (
        SELECT
        FROM pg_class AS c
        JOIN pg_namespace AS n ON n.oid = c.relnamespace
        JOIN pg_attribute AS w ON w.attrelid = c.oid AND w.attnum = key_number AND NOT w.attisdropped
        JOIN pg_attribute AS i ON i.attrelid = c.oid AND format('%I.%I.%I', n.nspname, c.relname, i.attname) = wanted
        JOIN pg_constraint AS k ON k.conrelid = c.oid AND k.contype = 'c' AND k.convalidated AND NOT k.connoinherit
        WHERE c.oid = of_table
          -- of pg_catalog: any other is spelled with its schema
          AND pg_get_expr(k.conbin, c.oid) IN (format('(%I = %I)', w.attname, i.attname), format('(%I = %I)', i.attname, w.attname))
          -- of two types, equal is only among integers the same text as well
          AND ((w.atttypid, w.attcollation) = (i.atttypid, i.attcollation)
               OR ARRAY[w.atttypid, i.atttypid] <@ '{int2, int4, int8}'::regtype[]::oid[])
          -- NULL passes a check
          AND w.attnotnull AND i.attnotnull
          -- from 18 on, attnotnull says nothing of rows that were there before
          AND NOT EXISTS (SELECT FROM pg_constraint AS o
                          WHERE o.conrelid = c.oid AND o.contype = 'n' AND NOT o.convalidated
                            AND o.conkey IN (ARRAY[w.attnum], ARRAY[i.attnum])));
END;
COMMENT ON FUNCTION rlsguard.same_people(oid, smallint, text) IS 'Whether a validated check says that another column equals the key in every row';
REVOKE ALL ON FUNCTION rlsguard.same_people(oid, smallint, text) FROM PUBLIC;

-- A map by which opt-outs end is refused, and one with another key, by which they would become other people's. Whoever
-- means the former names them: SET rlsguard.release = '{marketing}'.
CREATE OR REPLACE PROCEDURE rlsguard.expect_kept(purposes text[], subjects jsonb)
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    released text[] := coalesce(nullif(current_setting('rlsguard.release', true), ''), '{}')::text[];
    here boolean := EXISTS (
        SELECT FROM rlsguard.manifest AS m
        CROSS JOIN pg_control_system() AS c
        JOIN pg_database AS d ON d.datname = current_database()
        WHERE m.unit = 'map' AND m.made_in = c.system_identifier || '/' || d.oid);
    recorded_kind text;
    recorded_type text;
    recorded_by text;
    same boolean;
    wanted jsonb;
    ends record;
BEGIN
    FOR recorded_kind, recorded_type, wanted, same, recorded_by IN
        SELECT s.kind, s.key_type, subjects -> s.kind,
               here AND rlsguard.same_people(s.table_oid, s.key_number, subjects -> s.kind ->> 'column'),
               -- the column as it is called today, wherever it was renamed or moved to
               coalesce(
                   (SELECT CASE WHEN a.attisdropped THEN format('%I.%I.%s, which is gone', n.nspname, c.relname, s.key_column)
                                ELSE format('%I.%I.%I', n.nspname, c.relname, a.attname) END
                    FROM pg_class AS c
                    JOIN pg_namespace AS n ON n.oid = c.relnamespace
                    JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum = s.key_number
                    WHERE here AND c.oid = s.table_oid),
                   s.subject_table || '.' || s.key_column)
        FROM rlsguard.subject AS s
        WHERE EXISTS (SELECT FROM rlsguard.opt_out_event AS e WHERE e.subject_kind = s.kind)
    LOOP
        IF wanted ->> 'column' <> recorded_by AND NOT same THEN
            RAISE EXCEPTION 'opt-outs of % are recorded by %; by % they would be other people''s',
                            recorded_kind, recorded_by, wanted ->> 'column'
                USING ERRCODE = 'object_not_in_prerequisite_state',
                      HINT = 'Keep the key; where both are equal in each row of one table, let a validated CHECK say so; '
                             'or give this kind of person another name, and record their opt-outs anew.';
        ELSIF wanted ->> 'type' <> recorded_type AND NOT rlsguard.reads_same(recorded_kind, wanted ->> 'type') THEN
            RAISE EXCEPTION 'opt-outs of % are recorded as %; % is % now',
                            recorded_kind, recorded_type, recorded_by, wanted ->> 'type'
                USING ERRCODE = 'object_not_in_prerequisite_state',
                      HINT = 'A key in the ledger reads differently as that, and could be another person''s.';
        END IF;
    END LOOP;

    FOR ends IN
        SELECT * FROM rlsguard.ending(purposes, subjects) AS e WHERE e.missing <> ALL (released)
    LOOP
        RAISE EXCEPTION 'opt-outs in force would end: the data map lacks %, and % of kind % have opted out of %',
                        ends.missing, ends.opt_outs, ends.kind, ends.purpose
            USING ERRCODE = 'object_not_in_prerequisite_state',
                  HINT = format('Keep it in the map, with opt_out: true; or apply with --release %s.', ends.missing);
    END LOOP;
END
$$;
COMMENT ON PROCEDURE rlsguard.expect_kept(text[], jsonb) IS 'Refuses a data map by which opt-outs in force would end unnoticed';
REVOKE ALL ON PROCEDURE rlsguard.expect_kept(text[], jsonb) FROM PUBLIC;

RESET ROLE;

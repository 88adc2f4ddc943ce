-- What is left of the guard goes, but for what it has recorded: a ledger with entries, and row changes of audited tables,
-- stay append-only.
DO $$
DECLARE
    kept text[] := '{}';
    found boolean;
    its_table text;
    its_name text;
    doomed text;
BEGIN
    FOREACH its_table IN ARRAY '{opt_out_event, change_entry, retention}'::text[] LOOP
        -- What somebody is about to commit would be there by the time that the table is dropped.
        EXECUTE format('LOCK TABLE rlsguard.%I IN ACCESS EXCLUSIVE MODE', its_table);
        EXECUTE format('SELECT EXISTS (SELECT FROM rlsguard.%I)', its_table) INTO found;
        IF found THEN
            kept := '{opt_out_event, erasure, log_epoch, log_seal, log_leaf, log_node, log_checkpoint, change_entry,
                      change_event, retention, secret, refuse_change, erase_only, erase_content_only, retired_only}';
        END IF;
    END LOOP;
    FOR its_table, its_name IN
        SELECT c.oid::regclass, t.tgname
        FROM pg_trigger AS t
        JOIN pg_class AS c ON c.oid = t.tgrelid AND c.relnamespace = 'rlsguard'::regnamespace
        WHERE NOT t.tgisinternal AND c.relname <> ALL (kept) AND t.tgname IN ('append_only', 'erase_only', 'retired_only')
    LOOP
        EXECUTE format('DROP TRIGGER %I ON %s', its_name, its_table);
    END LOOP;
    -- Views of policies stand on functions, and these on the other views. What others put here is not ours to drop.
    FOR doomed IN
        WITH guards (role) AS (
            SELECT oid FROM pg_roles WHERE rolname IN ('rlsguard_owner', 'rlsguard_nobody')
        ), doomed (place, kind, name) AS (
            SELECT CASE WHEN c.relkind = 'r' THEN 4 WHEN n.nspname = 'rlsguard' THEN 3 ELSE 1 END,
                   CASE c.relkind WHEN 'v' THEN 'VIEW' ELSE 'TABLE' END,
                   c.oid::regclass::text
            FROM pg_class AS c
            JOIN pg_namespace AS n ON n.oid = c.relnamespace AND n.nspname IN ('rlsguard', 'rlsguard_views')
            WHERE c.relkind IN ('v', 'r') AND c.relname <> ALL (kept) AND c.relowner IN (SELECT role FROM guards)
            UNION ALL
            SELECT 2, 'ROUTINE', p.oid::regprocedure::text
            FROM pg_proc AS p
            WHERE p.pronamespace = 'rlsguard'::regnamespace AND p.proname <> ALL (kept)
              AND p.proowner IN (SELECT role FROM guards)
        )
        SELECT format('DROP %s %s', d.kind, string_agg(d.name, ', ' ORDER BY d.name))
        FROM doomed AS d
        GROUP BY d.place, d.kind
        ORDER BY d.place
    LOOP
        EXECUTE doomed;
    END LOOP;
    DROP SCHEMA rlsguard_views;
    IF kept = '{}' THEN
        DROP SCHEMA rlsguard;
    END IF;
END
$$;

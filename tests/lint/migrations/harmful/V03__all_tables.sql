-- expect: none
DO $$
DECLARE
    t record;
BEGIN
    FOR t IN SELECT schemaname, tablename FROM pg_catalog.pg_tables WHERE schemaname = 'bank' LOOP
        -- expect: RG501 RG590
        EXECUTE format('ALTER TABLE %I.%I DISABLE ROW LEVEL SECURITY', t.schemaname, t.tablename);
    END LOOP;
END
$$;

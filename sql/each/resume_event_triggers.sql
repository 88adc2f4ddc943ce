DO $$
DECLARE
    its_name name;
BEGIN
    FOR its_name IN SELECT evtname FROM pg_catalog.pg_event_trigger WHERE evtname IN ('rlsguard_drop', 'rlsguard_ddl') LOOP
        EXECUTE format('ALTER EVENT TRIGGER %I ENABLE ALWAYS', its_name);
    END LOOP;
END
$$;

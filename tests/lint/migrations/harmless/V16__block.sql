DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = 'reporting') THEN
        CREATE ROLE reporting NOLOGIN NOBYPASSRLS NOSUPERUSER;
    END IF;
    EXECUTE 'ALTER TABLE bank.trans SET (fillfactor = 90)';
END
$$;
ALTER ROLE campaign_app NOBYPASSRLS CONNECTION LIMIT 10;
ALTER ROLE campaign_app SET statement_timeout = '5s';
ALTER ROLE teller_app VALID UNTIL 'infinity';
GRANT campaign_app TO teller_app;

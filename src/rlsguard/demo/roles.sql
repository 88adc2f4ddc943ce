-- The people at the bank's database. Roles belong to the server: those that are there already are left as they are.
DO $$
DECLARE
    wanted name;
BEGIN
    FOREACH wanted IN ARRAY '{campaign_app,bi_reader,teller_app,sox_auditor}'::name[] LOOP
        IF NOT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = wanted) THEN
            EXECUTE pg_catalog.format('CREATE ROLE %I LOGIN', wanted);
        END IF;
    END LOOP;
    IF NOT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = 'bank_owner') THEN
        CREATE ROLE bank_owner NOLOGIN;
    END IF;
END
$$;

-- Nobody logs in as the owner: whoever owns a table can switch its row security off.
ALTER SCHEMA bank OWNER TO bank_owner;
ALTER TABLE bank.district OWNER TO bank_owner;
ALTER TABLE bank.client OWNER TO bank_owner;
ALTER TABLE bank.account OWNER TO bank_owner;
ALTER TABLE bank.disp OWNER TO bank_owner;
ALTER TABLE bank.trans OWNER TO bank_owner;
ALTER TABLE bank."order" OWNER TO bank_owner;
ALTER TABLE bank.loan OWNER TO bank_owner;
ALTER TABLE bank.card OWNER TO bank_owner;

GRANT USAGE ON SCHEMA bank TO campaign_app, bi_reader, teller_app, sox_auditor;
GRANT SELECT ON ALL TABLES IN SCHEMA bank TO campaign_app, bi_reader, teller_app, sox_auditor;
-- Campaigns, reports and audits read; only the counter writes.
GRANT INSERT, UPDATE, DELETE
    ON bank.client, bank.account, bank.disp, bank.trans, bank."order", bank.loan, bank.card
    TO teller_app;

GRANT SELECT, INSERT ON bank.trans TO campaign_app, teller_app;
GRANT ALL ON bank.client TO sox_auditor;
REVOKE ALL ON bank.client FROM PUBLIC;
GRANT USAGE ON SCHEMA bank TO PUBLIC;
CREATE ROLE readers NOLOGIN;
GRANT SELECT ON ALL TABLES IN SCHEMA bank TO readers;
GRANT readers TO campaign_app, bi_reader;

-- expect: RG521
GRANT TRUNCATE, TRIGGER ON bank.disp TO campaign_app;
-- expect: RG521
GRANT ALL ON ALL TABLES IN SCHEMA bank TO bi_reader;
-- expect: RG522
GRANT SELECT ON bank.client TO PUBLIC;

-- expect: RG508
GRANT teller_app TO campaign_app;
-- expect: RG508
GRANT sox_auditor TO bi_reader;
-- expect: RG508
GRANT pg_read_all_data TO bi_reader;
-- expect: RG508
GRANT rlsguard_owner TO stranger;
-- expect: RG508
GRANT rlsguard_auditor TO bi_reader;

-- expect: RG505
ALTER TABLE bank.trans OWNER TO campaign_app;
-- expect: RG505
REASSIGN OWNED BY old_app TO campaign_app;

-- expect: RG506
ALTER VIEW rlsguard_views.sight OWNER TO postgres;
-- expect: RG506
GRANT INSERT, UPDATE ON rlsguard.opt_out_client TO campaign_app;
-- expect: RG506
SET ROLE rlsguard_owner;
RESET ROLE;

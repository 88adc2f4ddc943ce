SELECT pg_catalog.set_config('search_path', 'bank', false);
-- expect: RG517
INSERT INTO disp VALUES (100, 3, 10), (101, 3, 10) ON CONFLICT (disp_id) DO UPDATE SET client_id = excluded.client_id;
-- expect: RG517
ALTER TABLE disp SET UNLOGGED;
-- expect: RG508
ALTER GROUP teller_app ADD USER campaign_app;
-- expect: RG508
CREATE ROLE dba_helper IN ROLE pg_read_all_data;
